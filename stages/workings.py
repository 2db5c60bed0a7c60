"""Show what a recipe writes for the rows of a file: JSON Lines, one out for one in.

    python -m stages.workings --workings exact FILE      (make workings RAW=... WORKINGS=...)

A row that the recipe would not teach has a null solution and a reason.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from stages.audit import NO_VALUE, judge
from stages.command import InputError, run
from stages.params import PATH, section
from stages.prepare import Prepare
from stages.problems.workings import RECIPES, recognise, working
from stages.rows import CHINESE, Row, read_rows, writer_to


def show(row: Row, recipe: str, decimals: int) -> dict[str, Any]:
    """Return the row as the recipe writes it."""
    reason = refusal(row)
    if reason:
        return {"problem": row.problem, "solution": None, "reason": reason}
    return {"problem": row.problem, "solution": working(recognise(row.problem), recipe, decimals)}


def refusal(row: Row) -> str:
    """Return why a row would not be taught, or nothing. A row without solution is not compared."""
    if not CHINESE.search(row.problem):
        return "english"
    verdict = judge(row)
    if verdict.kind == "unknown":
        return f"the problem {verdict.expected}"
    if verdict.kind == "wrong" and (row.solution or verdict.expected == NO_VALUE):
        return f"wrong label: expected {verdict.expected}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description="Show what a recipe writes.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--workings", default="")
    parser.add_argument("--decimals", default="")
    parser.add_argument("--params", type=Path, default=PATH)
    arguments = parser.parse_args()
    params = section("prepare", Prepare, arguments.params)
    recipe = arguments.workings or params.workings
    if recipe not in RECIPES:
        raise InputError(f"WORKINGS is '{recipe}', expected one of: {', '.join(RECIPES)}")
    decimals = arguments.decimals or str(params.decimals)
    if decimals not in map(str, range(11)):
        raise InputError(f"DECIMALS is '{decimals}', expected 0 to 10")
    out = writer_to(sys.stdout)
    for row in read_rows(arguments.file, keys=("problem",)):
        out.write(show(row, recipe, int(decimals)))
    sys.stdout.flush()


if __name__ == "__main__":
    run(main)
