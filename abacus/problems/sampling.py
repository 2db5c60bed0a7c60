"""Exact stratified samples: how many of each category, and which."""

import hashlib
from collections.abc import Mapping


def rank(problem: str) -> str:
    """Return the key that orders problems for holding out: a hash, so order and new data do not matter."""
    return digest(problem).hex()


def digest(problem: str) -> bytes:
    """The key of `rank` in half its memory: the order is the same."""
    return hashlib.sha256(problem.encode("utf-8")).digest()


def floor_shares(counts: Mapping[str, int], size: int) -> dict[str, int]:
    """Share `size` out over categories as the reference did: each floor(count * size / all)."""
    total = sum(counts.values())
    return {name: count * size // total for name, count in counts.items()}


def exact_shares(counts: Mapping[str, int], size: int) -> dict[str, int]:
    """Share `size` out in proportion, at least one a category, exactly `size` in all.

    Largest remainder after the ones are given; no category gets more than it has. Ties go to the
    category that stands first. Raises ValueError if there are fewer in all, or more categories, than `size`.
    """
    counts = {name: count for name, count in counts.items() if count}
    total = sum(counts.values())
    if not len(counts) <= size <= total:
        raise ValueError(
            f"a sample of {size} cannot be taken of {total} rows in {len(counts)} categories"
            f" (expected {len(counts)} to {total})"
        )
    shares = {name: max(1, count * size // total) for name, count in counts.items()}

    def owed(name: str) -> int:
        return counts[name] * size - shares[name] * total

    while (missing := size - sum(shares.values())) != 0:
        if missing > 0:
            name = max((n for n in counts if shares[n] < counts[n]), key=owed)
        else:
            name = min((n for n in counts if shares[n] > 1), key=owed)
        shares[name] += 1 if missing > 0 else -1
    return shares
