"""MindRecord files of token rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from abacus.core.files import replacing

BATCH = 1000
BYTES = 8  # of a token: an id and a label, int32 each


def write(path: Path, rows: Iterator[dict[str, np.ndarray]], fields: Sequence[str]) -> None:
    """Write rows of int32 arrays to `path` and its index, `path` + .db. MindRecord keeps the base name inside."""
    from abacus.formats.record_writer import Writer

    index = path.with_name(path.name + ".db")
    with replacing(path) as part:
        writer = Writer(str(part))
        field = {"type": "int32", "shape": [-1]}
        writer.add_schema(dict.fromkeys(fields, field), "conversations")
        block: list[dict[str, np.ndarray]] = []
        for row in rows:
            block.append(row)
            if len(block) == BATCH:
                writer.write_raw_data(block)
                block = []
        if block:
            writer.write_raw_data(block)
        writer.commit()
        for file in (part, part.with_name(index.name)):
            file.chmod(0o644)  # MindRecord leaves its files unreadable to others
        part.with_name(index.name).replace(index)
