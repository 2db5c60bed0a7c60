"""Metrics: pure functions of completions and references, no framework."""
