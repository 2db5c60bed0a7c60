"""Clean, audit, split and write out the raw rows as training rows with their workings.

    python -m stages.prepare --raw data/raw/train.json --train data/train-v2.json
        --test data/math-test.jsonl --rejected data/rejected.jsonl --metrics metrics/prepare.json
        --categories metrics/prepare.csv

English rows, duplicates and rows whose published solution is wrong are rejected, each with its reason; a
Chinese row that is of no category stops the stage (`prepare.unknown`). The test problems are held out by a hash of
their text, and no variant of them is trained on. If the rows do not do, --rejected is written all the same.
"""

import argparse
import gc
from pathlib import Path

from abacus.core.documents import write_csv, write_json
from abacus.core.files import replacing
from abacus.core.options import Options, positive
from abacus.core.params import PATH, section
from abacus.core.process import run
from abacus.core.workers import Ordered, cores
from abacus.data.counted import figures, flat
from abacus.data.engine import engine
from abacus.data.lessons import lessons
from abacus.data.passes import checked, judged, parts_of, write_rejected
from abacus.data.rows import json_line, write_lines, write_rows
from abacus.data.selection import Prepare, Unfit, right
from abacus.data.splitting import choose


def main() -> None:
    parser = Options("python -m stages.prepare", __doc__)
    for name in ("raw", "train", "test", "rejected", "metrics", "categories"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    for name, number in (("processes", cores()), ("parts", None)):
        parser.add_argument(f"--{name}", type=positive, default=number, help="any gives the same outputs")
    to = parser.parse_args()
    gc.disable()  # there are millions of objects and no cycles: to look for these takes a tenth of the time
    # The errors name the file that was read.
    params = section("prepare", Prepare, to.params).model_copy(update={"raw": str(to.raw)})
    # Nothing moves before everything is written, but for the evidence of a failure. A kill between the moves leaves
    # each file whole, some of them new; DVC has noted none then, and runs the stage again.
    unfit = None
    with replacing(to.rejected) as rejected, engine(params, to.processes, rejected.parent) as ordered:
        try:
            write(to, params, rejected, ordered)
        except Unfit as error:
            unfit = error
    if unfit:
        raise unfit


def write(to: argparse.Namespace, params: Prepare, rejected: Path, ordered: Ordered) -> None:
    """Write all in one step, and the rejected rows to `rejected`; what is written on the way lies beside these."""
    folder = rejected.parent.absolute()
    with (
        replacing(to.train) as train,
        replacing(to.test) as test,
        replacing(to.metrics) as metrics,
        replacing(to.categories) as categories,
        rejected.open("wb") as stream,
    ):
        found = judged(to.raw, to.parts or parts_of(to.raw), params, folder, ordered)
        write_rejected(stream, found, folder, ordered)
        counts = checked(found, params)
        chosen = choose(
            [one.part for one in found], params, lambda row: stream.write(json_line(row).encode()), ordered
        )
        write_lines(train, lessons(chosen, params, folder, ordered))
        write_rows(test, (right(row) for row in chosen.test))
        counted, kinds = flat(figures(counts, chosen))
        write_json(metrics, counted)
        write_csv(categories, kinds)


if __name__ == "__main__":
    run(main)
