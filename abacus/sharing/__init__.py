"""Data, checkpoints and results through a bucket."""
