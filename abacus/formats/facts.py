"""Facts that stand in several places of a model's files: one value, or one line that names two that differ."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from abacus.core.errors import InputError


class Said(NamedTuple):
    """What one place says of a fact: the file, the key in it, and the values that it allows; none if it says nothing."""

    place: Path
    key: str
    values: Sequence[Any]


def agreed(said: Iterable[Said]) -> Any:
    """The first value that all places allow which say anything; None if none does. InputError if they differ."""
    told = [one for one in said if one.values]
    left = list(told[0].values) if told else [None]
    for one in told[1:]:
        both = [value for value in left if value in one.values]
        if not both:
            expected = f"{shown(left)} as {told[0].key} in {told[0].place.name}"
            raise InputError(one.place, f"{one.key} is {shown(one.values)}", expected)
        left = both
    return left[0]


def shown(values: Sequence[Any]) -> str:
    """One value, or all of several."""
    return repr(values[0]) if len(values) == 1 else f"one of {', '.join(map(repr, values))}"
