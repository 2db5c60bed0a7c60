"""Say what a run of a profile will be, before any device is touched, and refuse what cannot work.

    make plan [PROFILE=llama3-8b] [RECIPE=llama3-8b-stepwise] [RATE=100] [JSON=1]

The model is MindFormers' own, built without memory; so are the learning rates. The activations are an estimate, and so
are the hours, at RATE TFLOP/s a rank. RECIPE lays a file of recipes/ over params.yaml for the plan alone.
"""

import argparse
import json
from contextlib import ExitStack
from pathlib import Path

from abacus.core.params import PATH
from abacus.core.quiet import framework_log
from abacus.planning import limits, recipe
from abacus.planning.plan import known_rows, planned, trained_from
from abacus.planning.text import text
from abacus.profile import load
from abacus.training.configuration import asked, training_of


def main(args: argparse.Namespace) -> None:
    """Print the plan."""
    with ExitStack() as stack:
        if args.recipe:
            args.params = stack.enter_context(recipe.laid_over(args.recipe, args.params))
        name = args.profile or load.chosen(args.params)
        profile = load.profile(name)
        limits.check(profile)
        training = training_of(profile, **asked(profile, args.params))
        user = stack.enter_context(framework_log(args.log))
        rows = known_rows(args, profile, user)
        plan = planned(profile, training, rows, args.base, trained_from(args.params), args.rate)
    print(json.dumps(plan, ensure_ascii=False, indent=2) if args.json else text(plan))


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--profile", default="", help=f"{', '.join(load.names())}; else that of params.yaml")
    parser.add_argument("--recipe", default="", help="of recipes/, in place of what params.yaml says")
    parser.add_argument("--rate", type=rate, help="TFLOP/s that a rank does; else a guess by its device")
    parser.add_argument("--json", action="store_true", help="numbers for a program")
    parser.add_argument("--params", type=Path, default=PATH)
    parser.add_argument("--base", type=Path, default=Path("data/base"), help="base model, if it is there")
    parser.add_argument("--source", type=Path, help="where a base model of your own lies")
    parser.add_argument("--prepared", type=Path, default=Path("metrics/prepare.json"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/wheels"))
    parser.add_argument("--log", type=Path, default=Path("logs/plan.log"))


def rate(value: str) -> float:
    """A number above 0."""
    found = float(value)
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{value!r} is no number above 0")
    return found
