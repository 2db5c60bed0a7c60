"""From judged rows to training and test rows: what stays, what is held out, what is drawn, and the figures of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from random import Random
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import model_validator

from abacus.core.errors import InputError
from abacus.core.typed import Model, whole
from abacus.data.audit import NAMES, Verdict
from abacus.data.mixing import Mix, Order, Replay, check, draw, ordered
from abacus.data.rows import Row, clip
from abacus.problems.alike import digits, key
from abacus.problems.recipe import Decimals
from abacus.problems.sampling import digest, exact_shares, rank
from abacus.problems.workings import Workings, recognise
from abacus.synthesis.reading import rows as passages

SHOWN = 5  # rows of no category that an error names


class Prepare(Model):
    """Section `prepare` of params.yaml: the recipe of a data version.

    `labels` says which published solutions are right, `unknown` what becomes of rows of no category.
    """

    raw: str
    workings: Workings
    decimals: Decimals
    mix: Mix
    leave_out: list[str]
    order: Order
    replay: Replay
    train_size: Annotated[int, whole(1, 10**9)]
    test_size: Annotated[int, whole(1, 10**9)]
    multiple_of: Annotated[int, whole(1, 10**6)]
    seed: Annotated[int, whole(1, 2**31)]
    labels: Literal["exact", "rounded"]
    unknown: Literal["stop", "drop"]

    @property
    def reading(self) -> int:
        """How many of the training rows are reading rows."""
        return int(self.train_size * Fraction(str(self.replay)))

    @property
    def problems(self) -> int:
        """How many of the training rows are problems, or a few more."""
        return self.train_size - self.reading

    @model_validator(mode="after")
    def _names(self) -> Self:
        check(self.mix, self.leave_out)
        return self


class Unfit(InputError):
    """The raw rows, all of them read and judged, are not what the recipe needs; the rejected ones say why."""


class Parts(NamedTuple):
    """Training and test rows in their final order, the reading rows to be put among them, and what was counted.

    How many rows are variants of test rows, by category; how many the mix asks for of kinds that have no more.
    """

    train: list[Row]
    test: list[Row]
    variants: Counter[str]
    capped: int
    reading: list[Row]


GOOD = ("verified", "rounded")
REASONS: dict[str, Callable[[Verdict], str]] = {
    "english": lambda verdict: "english",
    "duplicate": lambda verdict: f"duplicate of {verdict.expected}",
    "wrong": lambda verdict: f"wrong label: expected {verdict.expected}",
    "roundable": lambda verdict: f"rounded label: expected {verdict.expected}",
    "unknown": lambda verdict: f"unknown: {verdict.expected}",
}
SAID = {
    "english": "English",
    "duplicate": "duplicate",
    "wrong": "wrong label",
    "roundable": "rounded label",
    "unknown": "of no category",
}


def sift(
    verdicts: Iterable[Verdict],
    params: Prepare,
    reject: Callable[[dict[str, Any]], object],
    lean: bool = False,
) -> tuple[dict[str, list[Row]], Counter[tuple[str, str]]]:
    """Split judged rows into those that stay, by category, and those that go: `reject` gets each of these.

    Returns the right rows by category and the counts by (kind, category). A solution that is only right when it
    is rounded makes a row `rounded`, which stays, or `roundable`, which goes. A `lean` row that stays has a blank
    for its solution if that is the published one: half the memory, and `right` works it out for the few that are
    written as they were. Raises Unfit, when all rows have been read, if there are rows of no category and these are
    to stop the work.
    """
    rows: dict[str, list[Row]] = {name: [] for name in NAMES}
    counts: Counter[tuple[str, str]] = Counter()
    unknown: list[Verdict] = []
    for verdict in verdicts:
        row, kind, category, _, rounded = verdict
        if rounded:
            kind = "rounded" if params.labels == "rounded" else "roundable"
        counts[kind, category] += 1
        if kind in GOOD:
            rows[category].append(Row(row.line, row.problem, "") if lean and kind == "verified" else row)
            continue
        reject({"line": row.line, "reason": REASONS[kind](verdict), **pair(row)})
        if kind == "unknown" and len(unknown) < SHOWN:
            unknown.append(verdict)
    if unknown and params.unknown == "stop":
        raise _stopped(unknown, counts["unknown", ""], params)
    return rows, counts


def _stopped(unknown: list[Verdict], total: int, params: Prepare) -> Unfit:
    """The error for rows of no category, given the first few of them."""
    first, *others = unknown
    found = f"the problem {first.expected}: {clip(first.row.problem)}"
    for verdict in others:
        found += f"; line {verdict.row.line}: {clip(verdict.row.problem)}"
    found += f"; {total} such rows in all" if others else ""
    place = f"{params.raw}, line {first.row.line}"
    return Unfit(place, found, advice="prepare.unknown: drop leaves such rows out")


def check_enough(counts: Mapping[tuple[str, str], int], params: Prepare) -> None:
    """Raise Unfit if there are fewer right rows than the recipe asks for: how many went, why, and what may help."""
    kinds: Counter[str] = Counter()
    for (kind, _), count in counts.items():
        kinds[kind] += count
    total, asked = sum(kinds[kind] for kind in GOOD), params.problems + params.test_size
    if asked <= total:
        return
    gone = ", ".join(f"{kinds[kind]} {SAID[kind]}" for kind in REASONS if kinds[kind])
    advice = f"rejected: {gone}, see data/rejected.jsonl" if gone else ""
    if kinds["roundable"]:
        advice += (
            f"; prepare.labels: rounded takes the {kinds['roundable']} that are right at their own precision"
        )
    raise Unfit(
        "params.yaml",
        f"prepare.train_size {params.train_size} and test_size {params.test_size} ask for more than the {total} different right rows of {params.raw}",
        advice=advice,
    )


def split(
    rows: dict[str, list[Row]], params: Prepare, reject: Callable[[dict[str, Any]], object] = lambda row: None
) -> Parts:
    """Return training and test rows, both in their final order.

    Of each category the problems with the smallest hashes are held out, in proportion, and no variant of them is
    trained on: `reject` gets those. What the recipe trains on is drawn of the rest, and changes nothing of that.
    Raises InputError if the sizes cannot be had.
    """
    try:
        held = exact_shares({name: len(group) for name, group in rows.items()}, params.test_size)
    except ValueError as error:
        raise InputError("params.yaml", f"prepare.test_size: {error}") from None
    variants: Counter[str] = Counter()
    test: list[Row] = []
    free: dict[str, list[Row]] = {}
    for name, group in rows.items():
        # Ordered by hash first, so that the draw does not depend on the order of the raw file.
        ranked = sorted(group, key=lambda row: digest(row.problem))
        own, others = ranked[: held.get(name, 0)], ranked[held.get(name, 0) :]
        free[name], alike = _without_variants(others, own)
        for row, line in alike:
            reject({"line": row.line, "reason": f"variant of the test problem in line {line}", **right(row)})
        variants[name] = len(alike)
        test += own
    random = Random(params.seed)
    train, capped = draw(rows, free, params.mix, params.leave_out, params.problems, random)
    random.shuffle(train)
    reading = [Row(0, **row) for row in passages(params.reading, params.seed)]
    del train[max(0, len(train) - (len(train) + len(reading)) % params.multiple_of) :]
    if not train:
        raise InputError(
            "params.yaml",
            f"prepare.train_size {params.train_size} and multiple_of {params.multiple_of} leave no row",
        )
    test.sort(key=lambda row: rank(row.problem))
    return Parts(ordered(train, params.order), test, variants, capped, reading)


def _without_variants(rows: list[Row], held: list[Row]) -> tuple[list[Row], list[tuple[Row, int]]]:
    """Return the rows that are no variants of those held out, and the others, each with the line of what it varies."""
    lines = {key(recognise(row.problem)): row.line for row in held}
    shared = {digits(row.problem) for row in held}  # a key is dear, and few rows need one
    kept, alike = [], []
    for row in rows:
        line = lines.get(key(recognise(row.problem))) if digits(row.problem) in shared else None
        if line is None:
            kept.append(row)
        else:
            alike.append((row, line))
    return kept, alike


def pair(row: Row) -> dict[str, str]:
    """Return a row as it is written in the published format."""
    return {"problem": row.problem, "solution": row.solution}


def right(row: Row) -> dict[str, str]:
    """Return a row that stays as it is written in the published format."""
    return pair(row) if row.solution else {**pair(row), "solution": recognise(row.problem).published}
