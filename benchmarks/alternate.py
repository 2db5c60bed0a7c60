"""Several competitors at the same work in turn, A B A B, so that a noisy machine disturbs each pair alike."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from abacus.core.errors import InputError

OURS = "abacus"  # the first of every comparison
DIGITS = 4  # that a measured value is written with
Figures = dict[str, float]


class Competitor(NamedTuple):
    """Who works, and what measures one go of it: figures by name (`seconds`, `memory` in GB, ...)."""

    name: str
    measure: Callable[[], Figures]


class Series(NamedTuple):
    """Every figure of each competitor, a value a pair; why a competitor has failed, if it has."""

    values: dict[str, dict[str, list[float]]]
    failed: dict[str, str]


def alternate(
    competitors: Sequence[Competitor], pairs: int, begin: Callable[[str, int], object] = lambda *_: None
) -> Series:
    """Measure each competitor once a pair; `begin` is told whose turn it is and in which pair.

    A competitor that fails is left out from then on; the others go on.
    """
    values: dict[str, dict[str, list[float]]] = {name: {} for name, _ in competitors}
    failed: dict[str, str] = {}
    for pair in range(1, pairs + 1):
        for name, measure in competitors:
            begin(name, pair)
            if name in failed:
                continue
            try:
                figures = measure()
            except InputError as error:
                failed[name] = str(error)
                values.pop(name)
                continue
            for key, value in figures.items():
                values[name].setdefault(key, []).append(rounded(value))
    return Series(values, failed)


def rounded(value: float) -> float:
    """A value with DIGITS significant digits."""
    return float(f"{value:.{DIGITS}g}")


class Spread(NamedTuple):
    """The middle and the ends of several values."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    return Spread(median(values), min(values), max(values))


def times(ours: Sequence[float], theirs: Sequence[float], more: bool) -> Spread:
    """How many times as good ours are, pair by pair: of rates (`more` is better) ours over theirs, else theirs over ours."""
    pairs = zip(ours, theirs, strict=False)
    return spread([(a / b if more else b / a) for a, b in pairs])
