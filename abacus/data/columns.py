"""Files of rows between two passes over parts: columns in JSON, in sections, each of which one reader takes."""

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from abacus.core.files import replacing
from abacus.data.rows import Row


class Section(NamedTuple):
    """Bytes of a file: some columns of equal length."""

    path: Path
    begin: int
    end: int

    def bytes(self) -> bytes:
        """What was written."""
        with self.path.open("rb") as stream:
            stream.seek(self.begin)
            return stream.read(self.end - self.begin)

    def read(self) -> Any:
        """The columns."""
        return json.loads(self.bytes())


class Writer:
    """Writes sections one after another."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path, self.stream = path, stream
        self.sections: list[Section] = []

    def add(self, columns: object, lines: Iterable[bytes] = ()) -> None:
        """Write a section: columns, or some and whole lines."""
        begin = self.stream.tell()
        self.stream.write(json.dumps(columns, ensure_ascii=False).encode("utf-8"))
        if lines:
            self.stream.write(b"\n")
            self.stream.writelines(lines)
        self.sections.append(Section(self.path, begin, self.stream.tell()))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A writer of a file that is there whole or not at all, so that whoever dies at it can be replaced."""
    with replacing(path) as part, part.open("wb") as stream:
        yield Writer(path, stream)


def write_groups(path: Path, groups: Mapping[str, list[Row]]) -> None:
    """Write rows by category; few of them have a solution."""
    columns = {}
    for name, rows in groups.items():
        lines, problems, solutions = zip(*rows, strict=True) if rows else ((), (), ())
        some = {number: text for number, text in enumerate(solutions) if text} if any(solutions) else {}
        columns[name] = (lines, problems, some)
    with writing(path) as writer:
        writer.add(columns)


def read_groups(path: Path) -> dict[str, list[Row]]:
    """Read what `write_groups` has written."""
    found = {}
    for name, (lines, problems, solutions) in json.loads(path.read_bytes()).items():
        rows = list(map(Row, lines, problems, itertools.repeat("")))
        for number, solution in solutions.items():
            rows[int(number)] = rows[int(number)]._replace(solution=solution)
        found[name] = rows
    return found
