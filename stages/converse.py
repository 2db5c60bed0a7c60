"""Write training rows as a conversation file, one JSON array.

python -m stages.converse --train data/train-v2.json --out data/train-v2-conversation.json
"""

from pathlib import Path

from abacus.core.options import Options
from abacus.core.process import run
from abacus.data.conversation import converse
from abacus.data.rows import progress, read_rows, write_lines


def main() -> None:
    parser = Options("python -m stages.converse", __doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    to = parser.parse_args()
    with progress(read_rows(to.train), to.train, "converse") as rows:
        write_lines(to.out, converse(rows))


if __name__ == "__main__":
    run(main)
