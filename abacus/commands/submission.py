"""Put a finished run together as the contest wants it: report, configuration, logs, scores, answers, code.

    make submission [OUT=submission] [WEIGHTS=1]

Everything comes from the workspace; what is missing or does not belong together is one line. WEIGHTS puts the merged
checkpoints in, linked to those of `make export` where the disk allows it, else copied.
"""

import argparse
import sys
from pathlib import Path

from abacus.core.files import check_out, replacing
from abacus.submission.bundle import MARKS, add_weights, check_weights, write
from abacus.submission.run import read_run


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("submission"))
    parser.add_argument("--weights", action="store_true", help="put the merged checkpoints in")


def main(args: argparse.Namespace) -> None:
    to = args
    check_out(to.out, MARKS, "a submission")
    finished = read_run()
    if to.weights:
        check_weights(finished.checkpoints)
    with replacing(to.out) as part:
        write(part, finished)
        if to.weights:
            add_weights(part / "weights", finished.checkpoints)
    best = finished.summary["best_checkpoint"]
    print(f"{to.out}: {len(finished.checkpoints)} checkpoints, the best is {best}", file=sys.stderr)
