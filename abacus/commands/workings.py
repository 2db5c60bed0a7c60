"""Show what a recipe writes for the rows of a file: JSON Lines, one out for one in.

    make workings RAW=rows.jsonl [WORKINGS=exact] [DECIMALS=4]

A row that the recipe would not teach has a null solution and a reason.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from abacus.core.errors import InputError
from abacus.core.params import PATH, section
from abacus.data.audit import NO_VALUE, judge
from abacus.data.rows import CHINESE, Row, read_rows, writer_to
from abacus.data.selection import Prepare
from abacus.problems.workings import RECIPES, recognise, working


def show(row: Row, recipe: str, decimals: int, labels: str = "exact") -> dict[str, Any]:
    """Return the row as the recipe writes it; `labels` is `rounded` if rounded solutions are right ones."""
    reason = refusal(row, labels)
    if reason:
        return {"problem": row.problem, "solution": None, "reason": reason}
    return {"problem": row.problem, "solution": working(recognise(row.problem), recipe, decimals)}


def refusal(row: Row, labels: str) -> str:
    """Return why a row would not be taught, or nothing. A row without solution is not compared."""
    if not CHINESE.search(row.problem):
        return "english"
    verdict = judge(row)
    if verdict.kind == "unknown":
        return f"the problem {verdict.expected}"
    if verdict.rounded and labels == "rounded":
        return ""
    if verdict.kind == "wrong" and (row.solution or verdict.expected == NO_VALUE):
        return f"wrong label: expected {verdict.expected}"
    return ""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--raw", type=Path, required=True, help="rows in JSON Lines")
    parser.add_argument("--workings", default="")
    parser.add_argument("--decimals", default="")
    parser.add_argument("--params", type=Path, default=PATH)


def main(args: argparse.Namespace) -> None:
    params = section("prepare", Prepare, args.params)
    recipe = args.workings or params.workings
    if recipe not in RECIPES:
        raise InputError("", f"WORKINGS is '{recipe}'", f"one of: {', '.join(RECIPES)}")
    decimals = args.decimals or str(params.decimals)
    if decimals not in map(str, range(11)):
        raise InputError("", f"DECIMALS is '{decimals}'", "0 to 10")
    out = writer_to(sys.stdout)
    for row in read_rows(args.raw, keys=("problem",)):
        out.write(show(row, recipe, int(decimals), params.labels))
    sys.stdout.flush()
