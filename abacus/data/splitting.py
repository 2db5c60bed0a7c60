"""Which right rows are held out and which are trained on, decided part by part.

The parts follow each other in the order of the problems' hashes, and so do the rows of a category in each: one after the
other they are what a single part would hold. So it is enough to count in each, and to know of a row its part and its number.
"""

import functools
import itertools
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from abacus.core.errors import InputError
from abacus.core.workers import Ordered
from abacus.data.columns import Group, Section
from abacus.data.mixing import Drawn, draw, groups, members, sizes
from abacus.data.rows import Row
from abacus.data.selection import Prepare, right
from abacus.problems.alike import Key, digits, key
from abacus.problems.kinds import category_of, effort
from abacus.problems.sampling import digest, exact_shares, rank
from abacus.problems.workings import recognise
from abacus.synthesis.reading import rows as passages

Ranked = dict[str, Group]  # right rows by category, in the order of their hashes


class Part(NamedTuple):
    """A part's right rows, or where they are written; how many it has of each category and of each group of the mix.

    Of each category the first `held` are test problems; `gone` are the lines of rows that are variants of such.
    """

    rows: Ranked | dict[str, Section]
    categories: dict[str, int]
    groups: dict[str, int]
    held: Mapping[str, int] = {}
    gone: frozenset[object] = frozenset()


class Rest(NamedTuple):
    """What is left of a part: rows of each group of the mix, and the variants with their categories, as they go."""

    groups: dict[str, int]
    variants: list[tuple[str, dict[str, Any]]]


class Picks(NamedTuple):
    """What is trained on of a part: for each group of the mix, numbers of rows and their places in the draw."""

    part: Part
    places: dict[str, list[tuple[int, int]]]


class Chosen(NamedTuple):
    """The test rows in their order, what is trained on of each part, and the reading rows to be put among that.

    Counted by category: variants of test rows, rows that are trained on; and how many the mix asks for of kinds that
    have no more.
    """

    test: list[Row]
    picks: list[Picks]
    reading: list[Row]
    variants: Counter[str]
    trained: Counter[str]
    capped: int


def ranked(rows: Mapping[str, list[Row]]) -> Ranked:
    """Rows in the order of their hashes, so that nothing depends on the order of the raw file."""
    in_order = {name: sorted(group, key=lambda row: digest(row.problem)) for name, group in rows.items()}
    return {name: Group.of(group) for name, group in in_order.items()}


def split(
    rows: Mapping[str, list[Row]],
    params: Prepare,
    reject: Callable[[dict[str, Any]], object] = lambda row: None,
) -> tuple[list[Row], Chosen]:
    """The training rows of right rows in memory, in their order, and all that `choose` says of them."""
    here = ranked(rows)
    part = Part(
        here, {name: len(group) for name, group in here.items()}, sizes(here, params.mix, params.leave_out)
    )
    chosen = choose([part], params, reject)
    return [row for *_, row in picked(chosen.picks[0], params)], chosen


def choose(
    parts: Sequence[Part],
    params: Prepare,
    reject: Callable[[dict[str, Any]], object],
    ordered: Ordered = map,
) -> Chosen:
    """Choose test and training rows of all parts.

    Of each category the problems with the smallest hashes are held out, in proportion, and no variant of them is
    trained on: `reject` gets those. What the recipe trains on is drawn of the rest, and changes nothing of that.
    Raises InputError if the sizes cannot be had.
    """
    parts = list(_shared_out(parts, params.test_size))
    test = _held_out(parts, ordered)
    left = list(ordered(functools.partial(rest, test=test, params=params), parts))
    variants: Counter[str] = Counter()
    for name in parts[0].categories:
        for row in (row for one in left for category, row in one.variants if category == name):
            variants[name] += 1
            reject(row)
    reading = [Row(0, **row) for row in passages(params.reading, params.seed)]
    (places, capped), named = _drawn(parts, left, params, len(reading)), groups(params.mix, params.leave_out)
    return Chosen(
        sorted(itertools.chain.from_iterable(test.values()), key=lambda row: rank(row.problem)),
        [
            Picks(part._replace(gone=frozenset(row["line"] for _, row in one.variants)), found)
            for part, one, found in zip(parts, left, _found(places, left), strict=True)
        ],
        reading,
        variants,
        Counter(category_of(min(named[name])).name for name, _ in places),
        capped,
    )


def _shared_out(parts: Sequence[Part], size: int) -> Iterator[Part]:
    """The parts, told how many of their rows are held out: `size` in all, of each category those that come first."""
    try:
        left = exact_shares(_total(part.categories for part in parts), size)
    except ValueError as error:
        raise InputError("params.yaml", f"prepare.test_size: {error}") from None
    for part in parts:
        held = {name: min(left.get(name, 0), count) for name, count in part.categories.items()}
        left = {name: count - held[name] for name, count in left.items()}
        yield part._replace(held=held)


def _held_out(parts: Sequence[Part], ordered: Ordered) -> dict[str, list[Row]]:
    """The test rows of all parts."""
    test: dict[str, list[Row]] = {}
    for held in ordered(held_out, (part for part in parts if any(part.held.values()))):
        for name, group in held.items():
            test[name] = [*test.get(name, ()), *group]
    return test


def _drawn(parts: Sequence[Part], left: Sequence[Rest], params: Prepare, reading: int) -> Drawn:
    """The rows that are trained on, beside so many reading rows, in their order."""
    every, unheld = _total(part.groups for part in parts), _total(one.groups for one in left)
    random = Random(params.seed)
    places, capped = draw(every, unheld, params.mix, params.problems, random)
    random.shuffle(places)
    del places[max(0, len(places) - (len(places) + reading) % params.multiple_of) :]
    if not places:
        raise InputError(
            "params.yaml",
            f"prepare.train_size {params.train_size} and multiple_of {params.multiple_of} leave no row",
        )
    return Drawn(places, capped)


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Counts of several parts, added up; the names stay in their order."""
    total: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            total[name] = total.get(name, 0) + count
    return total


def _found(places: list[tuple[str, int]], left: Sequence[Rest]) -> list[dict[str, list[tuple[int, int]]]]:
    """Where the drawn rows are: for each part and group, the numbers of rows there and their places in the draw."""
    ends = {name: list(itertools.accumulate(one.groups[name] for one in left)) for name in left[0].groups}
    found: list[dict[str, list[tuple[int, int]]]] = [{} for _ in left]
    for place, (name, number) in enumerate(places):
        at = bisect_right(ends[name], number)
        begin = ends[name][at - 1] if at else 0
        found[at].setdefault(name, []).append((number - begin, place))
    return found


def opened(part: Part) -> Ranked:
    """The right rows of a part."""
    return {name: rows.group() if isinstance(rows, Section) else rows for name, rows in part.rows.items()}


def held_out(part: Part) -> Ranked:
    """The test rows of a part."""
    return {name: group[: part.held[name]] for name, group in opened(part).items()}


def rest(part: Part, test: Mapping[str, Sequence[Row]], params: Prepare) -> Rest:
    """What a part has beside test rows, and which of that are variants of a test row of any part."""
    variants = []
    for name, group in opened(part).items():
        for row, line in alike(group[part.held[name] :], test.get(name, [])):
            reason = f"variant of the test problem in line {line}"
            variants.append((name, {"line": row.line, "reason": reason, **right(row)}))
    gone = frozenset(row["line"] for _, row in variants)
    return Rest(sizes(free(part._replace(gone=gone)), params.mix, params.leave_out), variants)


def free(part: Part) -> Ranked:
    """The rows of a part that may be trained on."""
    rows = {name: group[part.held[name] :] for name, group in opened(part).items()}
    return {name: group.without(part.gone) for name, group in rows.items()} if part.gone else rows


def picked(picks: Picks, params: Prepare) -> list[tuple[int, int, Row]]:
    """The rows of a part that are trained on, in the order in which training reads them: what goes by, and the row."""
    rows, found = free(picks.part), []
    for name, taken in groups(params.mix, params.leave_out).items():
        group = members(rows, taken) if name in picks.places else []
        for number, place in picks.places.get(name, ()):
            row = group[number]
            found.append((effort(row.problem) if params.order == "easy_first" else 0, place, row))
    return sorted(found)


def alike(rows: Group, held: Sequence[Row]) -> Iterator[tuple[Row, int]]:
    """The rows that are variants of rows held out, each with the line of what it varies."""
    asked: dict[bytes, list[Row]] = defaultdict(list)  # a key is dear, and few rows need one
    for row in held:
        asked[digits(row.problem)].append(row)

    @functools.cache
    def lines(shared: bytes) -> dict[Key, int]:
        return {key(recognise(row.problem)): row.line for row in asked[shared]}

    for number, problem in enumerate(rows.problems):
        shared = digits(problem)
        if shared in asked and (line := lines(shared).get(key(recognise(problem)))) is not None:
            yield rows[number], line
