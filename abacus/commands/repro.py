"""Run all that has changed, then print the table.

    make repro [PROFILE=name]

PROFILE is set in params.yaml, that line alone, and stays; everything else is `dvc repro`. Git's state is not touched.
"""

import argparse
import sys

from abacus.core.params import checkpoints
from abacus.pipeline import judge
from abacus.pipeline.mend import mend
from abacus.pipeline.reproduce import reproduce, set_profile
from abacus.scoring.tables import printed


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", help="of profiles/; it is set in params.yaml")


def main(args: argparse.Namespace) -> None:
    for line in mend():
        print(line, file=sys.stderr)
    judge.everything(args.profile)
    if args.profile and set_profile(args.profile):
        print(f"params.yaml: profile is {args.profile} now", file=sys.stderr)
    reproduce("report")
    print(printed(checkpoints()))
