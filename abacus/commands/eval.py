"""Bring the evaluation up to date and print its tables, and nothing else unless something goes wrong.

make eval
"""

import argparse
import sys

from abacus.core.params import checkpoints
from abacus.pipeline import judge
from abacus.pipeline.mend import mend
from abacus.pipeline.reproduce import reproduce
from abacus.scoring.tables import printed


def arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def main(args: argparse.Namespace) -> None:
    for line in mend():
        print(line, file=sys.stderr)
    judge.everything()
    reproduce("report", quiet=True)
    print(printed(checkpoints()))
