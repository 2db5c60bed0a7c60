"""Exact stratified samples: how many of each category, and which."""

import hashlib
from collections.abc import Mapping
from fractions import Fraction


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


def filled(weights: Mapping[str, Fraction], counts: Mapping[str, int], size: int) -> dict[str, int]:
    """Share `size` out by weight, exactly `size` in all; none gets more than its count, and the others get the rest.

    Largest remainder, ties to the one that stands first. Raises ValueError if there are fewer in all than `size`.
    """
    shares = {name: counts[name] for name in weights}
    if sum(shares.values()) < size:
        raise ValueError(f"{size} cannot be taken of {sum(shares.values())}")
    open_, left = dict(weights), size
    while full := [name for name in open_ if open_[name] * left >= counts[name] * sum(open_.values())]:
        for name in full:
            del open_[name]
            left -= counts[name]
    quotas = {name: weight * left / sum(open_.values()) for name, weight in open_.items()}
    shares |= {name: int(quota) for name, quota in quotas.items()}
    owed = sorted(quotas, key=lambda name: int(quotas[name]) - quotas[name])
    for name in owed[: size - sum(shares.values())]:
        shares[name] += 1
    return shares
