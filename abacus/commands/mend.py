"""Put right what a DVC leaves that was killed while it wrote a file of its own: it writes them in place.

    make mend

`make repro` and `make eval` do it before they start DVC.
"""

import argparse
import sys

from abacus.pipeline.mend import mend


def arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def main(args: argparse.Namespace) -> None:
    """Mend the current folder, and say what was done."""
    for line in mend():
        print(line, file=sys.stderr)
