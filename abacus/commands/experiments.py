"""Run a grid of recipes, each run in a copy of this folder and kept as an experiment of DVC's.

    make experiments GRID=recipes [ONLY=run] [JOBS=1] [AGAIN=1]

A run that is done is not run again, one that was killed goes on. AGAIN=1 runs anew what other code has made.
"""

import argparse
import sys
from pathlib import Path

from abacus.core.errors import InputError
from abacus.core.typed import nearest
from abacus.experiments import results
from abacus.experiments.grid import GRIDS, planned, read_grid
from abacus.experiments.running import run_all


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--grid", required=True, help="of experiments/")
    parser.add_argument("--only", help="a run of it, or several with commas between them")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--again", action="store_true", help="also what other code has made")


def main(args: argparse.Namespace) -> int:
    """Run what is to be run; return 1 if a run failed, which has said why."""
    if args.jobs < 1:
        raise InputError("", f"JOBS is {args.jobs}", "at least 1")
    grid = read_grid(args.grid)
    only = args.only.split(",") if args.only else list(grid.runs)
    for name in only:
        if name not in grid.runs:
            raise InputError("", f"ONLY: {args.grid} has no run {name!r}", advice=nearest(name, grid.runs))
    plans = [plan for plan in planned(grid, GRIDS / f"{args.grid}.yaml") if plan.run in only]
    found = results.find(args.grid, plans)
    for plan in plans:
        done = found.get(plan.name)
        if done and not done.other and done.older and not args.again:
            print(
                f"{plan.name}: done, by other code ({', '.join(done.older)}); AGAIN=1 runs it anew",
                file=sys.stderr,
            )
    todo = [
        plan
        for plan in plans
        if not (done := found.get(plan.name)) or done.other or (args.again and done.older)
    ]
    print(f"{args.grid}: {len(plans) - len(todo)} of {len(plans)} runs are done", file=sys.stderr)
    failed = run_all(args.grid, grid.budget, todo, args.jobs, Path(".scratch/experiments"))
    for name in failed:
        print(f"{name}: failed; `make experiments` goes on with it", file=sys.stderr)
    return int(bool(failed))
