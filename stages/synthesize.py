"""Make data/raw/train.json: rows in the published format with exactly the published counts.

    python -m stages.synthesize --out data/raw/train.json

800 000 Chinese rows, shuffled, then 9 993 English ones; without duplicates 538 949 + 9 993.
"""

import gc
from pathlib import Path

from tqdm import tqdm

from abacus.core.errors import InputError
from abacus.core.options import Options
from abacus.core.params import PATH, section
from abacus.core.process import run
from abacus.data.rows import write_lines
from abacus.problems.categories import CATEGORIES
from abacus.synthesis.rows import ENGLISH, Synthesize, lines, scaled


def main() -> None:
    parser = Options("python -m stages.synthesize", __doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    arguments = parser.parse_args()
    gc.disable()  # there are millions of objects and no cycles: to look for these takes time
    params = section("synthesize", Synthesize, arguments.params)
    if arguments.out.is_dir():
        raise InputError(arguments.out, "is a folder", "a file to write")
    total = sum(scaled(category.raw, params.scale) for category in CATEGORIES) + scaled(ENGLISH, params.scale)
    with tqdm(desc="synthesize", total=total, unit=" rows", unit_scale=True, delay=0.5) as bar:
        write_lines(arguments.out, lines(params, bar.update))


if __name__ == "__main__":
    run(main)
