"""The audit: classify every row, recompute its solution, compare to the character."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from abacus.data.rows import CHINESE, Row, clip
from abacus.problems.categories import CATEGORIES
from abacus.problems.labels import is_rounded
from abacus.problems.workings import matched

OFFENDERS = 5
NO_VALUE = "no value"
NAMES = tuple(category.name for category in CATEGORIES)


class Verdict(NamedTuple):
    """What the audit found of one row.

    `kind` is english, duplicate, verified, wrong or unknown; `category` is set for verified and wrong
    rows; `expected` is the right solution of a wrong row, the first line of a duplicate, or why a row is unknown;
    `rounded` says of a wrong row that its solution is right at the precision in which it is written.
    """

    row: Row
    kind: str
    category: str = ""
    expected: str = ""
    rounded: bool = False


def audit(rows: Iterable[Row]) -> Iterator[Verdict]:
    """Judge rows one by one. Of rows with the same problem the first stays, whatever its solution."""
    seen: dict[str, int] = {}
    for row in rows:
        line, problem, _ = row
        first = seen.setdefault(problem, line)
        if first != line:
            yield Verdict(row, "duplicate", expected=f"line {first}")
        elif not CHINESE.search(problem):
            yield Verdict(row, "english")
        else:
            yield judge(row)


def judge(row: Row) -> Verdict:
    """Classify a Chinese row and compare its solution with the recomputed one, character by character."""
    try:
        category, match = matched(row.problem)
    except ValueError as error:
        return Verdict(row, "unknown", expected=str(error))
    try:
        expected = category.published(match.groups())
    except ArithmeticError:  # 5 / 0
        return Verdict(row, "wrong", category.name, NO_VALUE)
    if expected == row.solution:
        return Verdict(row, "verified", category.name, expected)
    rounded = is_rounded(category.read(match.groupdict()), row.solution)
    return Verdict(row, "wrong", category.name, expected, rounded)


def summary(verdicts: Iterable[Verdict]) -> dict[str, object]:
    """Count verdicts, in all and by category, and keep the first few offenders; `rounded` are among the wrong."""
    kinds: Counter[str] = Counter()
    by_category: dict[str, Counter[str]] = {name: Counter() for name in NAMES}
    offenders: list[dict[str, object]] = []
    rounded = 0
    for verdict in verdicts:
        kinds[verdict.kind] += 1
        rounded += verdict.rounded
        if verdict.category:
            by_category[verdict.category][verdict.kind] += 1
        if verdict.kind in ("wrong", "unknown") and len(offenders) < OFFENDERS:
            offenders.append(offender(verdict))
    return {
        "rows": kinds.total(),
        "unique": kinds.total() - kinds["duplicate"],
        "english": kinds["english"],
        "verified": kinds["verified"],
        "wrong": kinds["wrong"],
        "rounded": rounded,
        "unknown": kinds["unknown"],
        "by_category": {name: tally(counts) for name, counts in by_category.items()},
        "offenders": offenders,
    }


def tally(counts: Counter[str]) -> dict[str, int]:
    """Return a category's counts: unique rows, and how many of them are verified and wrong."""
    return {"unique": counts.total(), "verified": counts["verified"], "wrong": counts["wrong"]}


def offender(verdict: Verdict) -> dict[str, object]:
    """Return what a reader needs to find and mend a row: what was expected, or why nothing could be."""
    row = verdict.row
    known = verdict.kind == "wrong"
    found = {"line": row.line, "problem": row.problem, "stated": row.solution}
    return found | (
        {"expected": verdict.expected} if known else {"expected": None, "reason": verdict.expected}
    )


def complaint(found: dict[str, object]) -> str:
    """Say in words what is wrong with an offender."""
    if found["expected"] is None:
        return f"the problem {found['reason']}: {clip(found['problem'])}"
    stated, expected = clip(found["stated"]), clip(found["expected"])
    return f"{clip(found['problem'])}: stated '{stated}', expected '{expected}'"
