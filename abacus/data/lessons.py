"""Training rows as their recipe teaches them."""

import functools
from collections.abc import Iterator

from abacus.core.workers import Ordered
from abacus.data.audit import PART
from abacus.data.mixing import spread
from abacus.data.rows import Row, json_line
from abacus.data.selection import Parts, Prepare, pair
from abacus.problems.workings import recognise, working


def taught(row: Row, params: Prepare) -> dict[str, str]:
    """Return a row as the recipe teaches it."""
    return _worked(row.problem, params.workings, params.decimals)


def _worked(problem: str, recipe: str, decimals: int) -> dict[str, str]:
    return {"problem": problem, "solution": working(recognise(problem), recipe, decimals)}


def lessons(parts: Parts, params: Prepare, ordered: Ordered = map) -> Iterator[str]:
    """Yield the training rows as the recipe teaches them, reading rows among them, in lines of JSON, some at a time."""
    rows: list[str | Row] = spread([row.problem for row in parts.train], parts.reading)
    some = (rows[at : at + PART] for at in range(0, len(rows), PART))
    return ordered(functools.partial(_lines, recipe=params.workings, decimals=params.decimals), some)


def _lines(rows: list[str | Row], recipe: str, decimals: int) -> str:
    """Lines of JSON: of problems, to be worked out, and of rows that have their answer."""
    return "".join(
        json_line(pair(one) if isinstance(one, Row) else _worked(one, recipe, decimals)) for one in rows
    )
