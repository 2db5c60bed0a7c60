"""Which rows are trained on, and in what order: the keys `mix`, `leave_out`, `order` and `replay` of a recipe."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Annotated, Literal, NamedTuple, TypeVar

from pydantic import Field

from abacus.core.errors import InputError
from abacus.core.typed import Positive, nearest
from abacus.data.rows import Row
from abacus.problems.kinds import BY_NAME, KINDS, NAMES, category_of, kind_of, kinds
from abacus.problems.sampling import filled, floor_shares

Mix = Annotated[
    Literal["proportional", "balanced"] | dict[str, Positive],
    Field(description="proportional, balanced, or a mapping of categories to weights"),
]
Order = Literal["shuffled", "easy_first"]
Replay = Annotated[float, Field(ge=0, le=0.5, description="a number from 0 to 0.5")]
One = TypeVar("One")
Other = TypeVar("Other")


class Drawn(NamedTuple):
    """Rows, group by group, each as its group and its number there; how many the mix asks for that are not there."""

    places: list[tuple[str, int]]
    capped: int


def check(mix: Mix, leave_out: Sequence[str]) -> None:
    """Raise InputError for a name that is none of the table's, and for a mix of nothing."""
    named = [] if isinstance(mix, str) else list(mix)
    for key, names in (("mix", named), ("leave_out", leave_out)):
        for name in names:
            if name not in NAMES:
                raise InputError(key, f"names {name!r}", "categories", nearest(name, NAMES))
    for name in named:
        whole = category_of(name).name
        if name != whole and whole in named:
            raise InputError("mix", f"has a weight for {whole} and one for {name}", "one of the two")
        if not groups({name: 1}, leave_out):
            raise InputError("mix", f"has a weight for {name}, which leave_out leaves out")
    if not mix:
        raise InputError("mix", "is an empty mapping", "a weight for one category or more")
    if not groups(mix, leave_out):
        raise InputError("leave_out", "leaves nothing to train on")


def groups(mix: Mix, leave_out: Sequence[str]) -> dict[str, frozenset[str]]:
    """What the mix shares rows out to: each name with the kinds that it stands for, in the table's order."""
    gone = {kind for name in leave_out for kind in kinds(name)}
    names: Iterable[str] = BY_NAME if mix == "proportional" else KINDS
    if not isinstance(mix, str):
        names = [name for whole in BY_NAME for name in (whole, *kinds(whole)) if name in mix]
    found = {name: frozenset(kinds(name)) - gone for name in names}
    return {name: taken for name, taken in found.items() if taken}


def members(rows: Mapping[str, Sequence[Row]], taken: frozenset[str]) -> Sequence[Row]:
    """The rows, given by category, of some kinds of one category."""
    category = category_of(min(taken))
    every = rows.get(category.name, [])
    if taken == frozenset(kinds(category.name)):
        return every
    return [row for row in every if kind_of(category, row.problem) in taken]


def sizes(rows: Mapping[str, Sequence[Row]], mix: Mix, leave_out: Sequence[str]) -> dict[str, int]:
    """How many of the rows, given by category, are of each group of the mix."""
    return {name: len(members(rows, taken)) for name, taken in groups(mix, leave_out).items()}


def draw(every: Mapping[str, int], free: Mapping[str, int], mix: Mix, size: int, random: Random) -> Drawn:
    """Draw about `size` of the rows in the mix's shares, of which each group has so many `free` ones.

    `proportional` takes the reference's floor of each group's share of `every` right row, those held out among
    them. Otherwise the weights share out exactly `size`, and what a kind has too few rows for goes to the others.
    Raises InputError if there are not enough.
    """
    if mix == "proportional":
        asked = floor_shares(every, size)
        shares = {name: min(count, free[name]) for name, count in asked.items()}
    else:
        weights = {name: Fraction(1 if isinstance(mix, str) else str(mix[name])) for name in free}
        asked = {name: int(weight * size / sum(weights.values())) for name, weight in weights.items()}
        if sum(free.values()) < size:
            found = f"prepare.mix and leave_out leave {sum(free.values())} rows to train on"
            raise InputError("params.yaml", found, f"the {size} of train_size", "ask for fewer")
        shares = filled(weights, free, size)
    places = [
        (name, number) for name, count in shares.items() for number in random.sample(range(free[name]), count)
    ]
    return Drawn(places, sum(max(0, count - shares[name]) for name, count in asked.items()))


def spread(rows: Iterator[One], count: int, others: Sequence[Other]) -> Iterator[One | Other]:
    """Put others among so many rows, at equal distances."""
    at = 0
    for number, other in enumerate(others, 1):
        upto = number * count // (len(others) + 1)
        yield from itertools.islice(rows, upto - at)
        yield other
        at = upto
    yield from rows
