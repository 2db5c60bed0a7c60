"""Write training rows as a conversation file, one JSON array.

python -m stages.converse --train data/train-v2.json --out data/train-v2-conversation.json
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from stages.command import replacing, run
from stages.rows import Row, progress, read_rows


def converse(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Return one conversation a row, with running numbers from "1" as ids."""
    return [
        {
            "id": str(number),
            "conversations": [
                {"from": "human", "value": row.problem},
                {"from": "gpt", "value": row.solution},
            ],
        }
        for number, row in enumerate(rows, 1)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Write training rows as conversations.")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    to = parser.parse_args()
    with progress(read_rows(to.train), to.train, "converse") as rows:
        conversations = converse(rows)
    with replacing(to.out) as part, part.open("w", encoding="utf-8", newline="\n") as stream:
        json.dump(conversations, stream, ensure_ascii=False, indent=2)


if __name__ == "__main__":
    run(main)
