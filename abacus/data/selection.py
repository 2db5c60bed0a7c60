"""What is asked of prepare, and which of the judged rows stay."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import model_validator

from abacus.core.errors import InputError
from abacus.core.typed import Model, whole
from abacus.data.audit import NAMES, Verdict
from abacus.data.mixing import Mix, Order, Replay, check
from abacus.data.rows import Row, clip
from abacus.problems.recipe import Decimals
from abacus.problems.workings import Workings, recognise

SHOWN = 5  # rows of no category that an error names


class Prepare(Model):
    """Section `prepare` of params.yaml: the recipe of a data version.

    `labels` says which published solutions are right, `unknown` what becomes of rows of no category. `engine` and
    `scheduler` say who does the work, and change no byte of what comes out.
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
    engine: Literal["local", "dask"]
    scheduler: str

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


class Sifted(NamedTuple):
    """The right rows by category, the counts by (kind, category), and the first rows of no category."""

    rows: dict[str, list[Row]]
    counts: Counter[tuple[str, str]]
    unknown: list[Verdict]


def sift(verdicts: Iterable[Verdict], labels: str, reject: Callable[[dict[str, Any]], object]) -> Sifted:
    """Split judged rows into those that stay and those that go: `reject` gets each of these.

    A solution that is only right when it is rounded makes a row `rounded`, which stays if such `labels` are right, or
    `roundable`, which goes. A row that stays has a blank for its solution if that is the published one: half the
    memory, and `right` works it out for the few that are written as they were.
    """
    rows: dict[str, list[Row]] = {name: [] for name in NAMES}
    counts: Counter[tuple[str, str]] = Counter()
    unknown: list[Verdict] = []
    for verdict in verdicts:
        row, kind, category, _, rounded = verdict
        if rounded:
            kind = "rounded" if labels == "rounded" else "roundable"
        counts[kind, category] += 1
        if kind in GOOD:
            rows[category].append(Row(row.line, row.problem, "") if kind == "verified" else row)
            continue
        reject({"line": row.line, "reason": REASONS[kind](verdict), **pair(row)})
        if kind == "unknown" and len(unknown) < SHOWN:
            unknown.append(verdict)
    return Sifted(rows, counts, unknown)


def check_known(unknown: Iterable[Verdict], counts: Counter[tuple[str, str]], params: Prepare) -> None:
    """Raise Unfit if there are rows of no category, the first few of which are given, and they are to stop the work."""
    if params.unknown == "drop" or not counts["unknown", ""]:
        return
    first, *others = sorted(unknown, key=lambda verdict: verdict.row.line)[:SHOWN]
    found = f"the problem {first.expected}: {clip(first.row.problem)}"
    for verdict in others:
        found += f"; line {verdict.row.line}: {clip(verdict.row.problem)}"
    found += f"; {counts['unknown', '']} such rows in all" if others else ""
    place = f"{params.raw}, line {first.row.line}"
    raise Unfit(place, found, advice="prepare.unknown: drop leaves such rows out")


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


def pair(row: Row) -> dict[str, str]:
    """Return a row as it is written in the published format."""
    return {"problem": row.problem, "solution": row.solution}


def right(row: Row) -> dict[str, str]:
    """Return a row that stays as it is written in the published format."""
    return pair(row) if row.solution else {**pair(row), "solution": recognise(row.problem).published}
