"""The fuzzer: damaged inputs for everything that reads, sorts or scores what others wrote.

`make fuzz [N=...]` runs it; `tests/journeys/test_fuzz.py` runs a little of it with hypothesis, and shows that it finds faults.
"""
