"""Say what is to be run, run all that has changed, then print the table.

    make repro [PROFILE=name]

PROFILE is set in params.yaml, that line alone, and stays; everything else is `dvc repro`. Git's state is not touched.
"""

import argparse
import sys

from abacus.core.params import checkpoints
from abacus.pipeline import judge
from abacus.pipeline.due import Due, durations, text
from abacus.pipeline.mend import mend
from abacus.pipeline.reproduce import reproduce, set_profile
from abacus.planning import needs
from abacus.profile import load
from abacus.scoring.tables import printed


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", help="of profiles/; it is set in params.yaml")


def main(args: argparse.Namespace) -> None:
    for line in mend():
        print(line, file=sys.stderr)
    judge.everything(args.profile)
    if args.profile and set_profile(args.profile):
        print(f"params.yaml: profile is {args.profile} now", file=sys.stderr)
    reproduce("report", tell=tell)
    print(printed(checkpoints()))


def tell(found: list[Due], count: int) -> None:
    """Print what is to be done, and what it needs."""
    name = load.chosen()
    print(text(found, count, durations(name)), file=sys.stderr)
    if found:
        profile = load.profile(name)
        stages = {one.stage.partition("@")[0] for one in found}
        print(needs.said(needs.of(profile, stages), profile.device) + "\n", file=sys.stderr, flush=True)
