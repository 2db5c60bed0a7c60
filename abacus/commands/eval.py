"""Bring the evaluation up to date and print its tables, and nothing else unless something goes wrong.

    make eval [JSON=1]

JSON prints the summary and every checkpoint's metrics.
"""

import argparse
import json
import sys
from pathlib import Path

from abacus.core.documents import read_json
from abacus.core.params import checkpoints
from abacus.pipeline import judge
from abacus.pipeline.mend import mend
from abacus.pipeline.reproduce import reproduce
from abacus.scoring.summary import FOLDER, read_metrics
from abacus.scoring.tables import printed

SUMMARY = Path("metrics/summary.json")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="numbers for a program")


def main(args: argparse.Namespace) -> None:
    for line in mend():
        print(line, file=sys.stderr)
    judge.everything()
    reproduce("report", quiet=True)
    numbers = checkpoints()
    print(as_json(numbers) if args.json else printed(numbers))


def as_json(numbers: list[int]) -> str:
    """The summary, and the metrics of these checkpoints by number."""
    summary = read_json(SUMMARY, "what stage report has written")
    found = {"summary": summary, "checkpoints": read_metrics(FOLDER, numbers)}
    return json.dumps(found, ensure_ascii=False, indent=2)
