"""Compare a grid's recipes by their results, which git keeps: no cache and no model is needed.

    make leaderboard GRID=recipes [FORMAT=text]

FORMAT is text, markdown, csv or json. The rows are also written to experiments/results/GRID.csv, for plots, and drawn
in GRID.svg.
"""

import argparse
import csv
import json
import sys

from abacus.core.documents import write_csv
from abacus.core.errors import InputError
from abacus.core.files import replacing
from abacus.experiments import results
from abacus.experiments.drawing import picture
from abacus.experiments.grid import GRIDS, Grid, Planned, planned, read_grid
from abacus.experiments.leaderboard import Row, board, rows, tables
from abacus.report.pictures import svg
from abacus.scoring.tables import aligned

FORMATS = ("text", "markdown", "csv", "json")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--grid", required=True, help="of experiments/")
    parser.add_argument("--format", choices=FORMATS, default="text")


def main(args: argparse.Namespace) -> None:
    """Print the tables; say on standard error what is missing, and what other code or another grid has made."""
    grid = read_grid(args.grid)
    plans = planned(grid, GRIDS / f"{args.grid}.yaml")
    found = results.find(args.grid, plans)
    runs = board(grid, found)
    tell(args.grid, plans, found)
    if grid.baseline not in runs:
        print(
            f"{grid.baseline}, the baseline, has no result here: nothing is compared with it", file=sys.stderr
        )
    if not runs:
        raise InputError(results.folder(args.grid), "no results", "those of `make experiments`")
    table = rows(grid, runs)
    folder = results.folder(args.grid)
    if any(one.other for one in found.values()):
        print(
            f"{folder}.csv and .svg stay as they are: they show results that are left out here",
            file=sys.stderr,
        )
    else:
        write_csv(folder.with_name(f"{args.grid}.csv"), table)
        with replacing(folder.with_name(f"{args.grid}.svg")) as part:
            part.write_text(svg(picture(grid.question, table)), encoding="utf-8")
    if args.format == "json":
        print(json.dumps(table, ensure_ascii=False, indent=2))
    elif args.format == "csv":
        writer = csv.DictWriter(sys.stdout, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    else:
        print(f"{grid.question}\n\n{shown(grid, table, args.format)}")


def tell(name: str, plans: list[Planned], found: dict[str, results.Found]) -> None:
    """Say which results are missing or left out, and which other code has made."""
    run, older = f"`make experiments GRID={name}`", {}
    for plan in plans:
        one = found.get(plan.name)
        if one is None:
            print(f"{plan.name}: no result yet; {run}", file=sys.stderr)
        elif one.other:
            what = "was made with other parameters or data and is left out"
            print(f"{plan.name}: {what}; put them back, or {run}", file=sys.stderr)
        elif one.older:
            older.setdefault(tuple(one.older), []).append(plan.name)
    for code, names in older.items():
        what = (
            f"{', '.join(names)}: made by other code, shown all the same ({run[:-1]} AGAIN=1` runs them anew)"
        )
        print(f"{what}: {', '.join(code)}", file=sys.stderr)


def shown(grid: Grid, found: list[Row], how: str) -> str:
    """The tables of these rows below each other as text or Markdown."""
    head = "### " if how == "markdown" else ""
    filled = {title: cells for title, cells in tables(grid, found).items() if cells[1:]}
    return "\n\n".join(f"{head}{title}\n\n{aligned(cells)}" for title, cells in filled.items())
