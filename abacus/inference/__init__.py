"""Greedy decoding, and what is asked of a checkpoint."""
