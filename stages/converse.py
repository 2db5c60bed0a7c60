"""Write training rows as a conversation file, one JSON array.

python -m stages.converse --train data/train-v2.json --out data/train-v2-conversation.json
"""

from pathlib import Path

from abacus.core.files import replacing
from abacus.core.options import Options
from abacus.core.process import run
from abacus.data.conversation import converse
from abacus.data.rows import progress, read_rows


def main() -> None:
    parser = Options("python -m stages.converse", __doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    to = parser.parse_args()
    with (
        replacing(to.out) as part,
        part.open("w", encoding="utf-8", newline="\n") as stream,
        progress(read_rows(to.train), to.train, "converse") as rows,
    ):
        stream.writelines(converse(rows))


if __name__ == "__main__":
    run(main)
