"""Raw rows made from a seed, in the published format."""
