"""Benchmarks, each beside a peer in the same run: `make bench`. They print and assert nothing."""
