"""Files of rows between two passes over parts: columns in JSON, in sections, each of which one reader takes."""

import contextlib
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

    def read(self) -> Any:
        """The columns."""
        with self.path.open("rb") as stream:
            stream.seek(self.begin)
            return json.loads(stream.read(self.end - self.begin))


class Writer:
    """Writes sections one after another."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path, self.stream = path, stream
        self.sections: list[Section] = []

    def add(self, columns: object) -> None:
        """Write a section."""
        begin = self.stream.tell()
        self.stream.write(json.dumps(columns, ensure_ascii=False).encode("utf-8"))
        self.sections.append(Section(self.path, begin, self.stream.tell()))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A writer of a file that is there whole or not at all, so that whoever dies at it can be replaced."""
    with replacing(path) as part, part.open("wb") as stream:
        yield Writer(path, stream)


def write_sections(path: Path, sections: Iterable[object]) -> list[Section]:
    """Write a file of sections; where they are."""
    with writing(path) as writer:
        for columns in sections:
            writer.add(columns)
    return writer.sections


def write_groups(path: Path, groups: Mapping[str, list[Row]]) -> None:
    """Write rows by category; few of them have a solution."""
    columns = {}
    for name, rows in groups.items():
        lines, problems, solutions = zip(*rows, strict=True) if rows else ((), (), ())
        some = {number: text for number, text in enumerate(solutions) if text} if any(solutions) else {}
        columns[name] = (lines, problems, some)
    write_sections(path, [columns])


def read_groups(path: Path) -> dict[str, list[Row]]:
    """Read what `write_groups` has written."""
    found = {}
    for name, (lines, problems, solutions) in json.loads(path.read_bytes()).items():
        rows = [Row(line, problem, "") for line, problem in zip(lines, problems, strict=True)]
        for number, solution in solutions.items():
            rows[int(number)] = rows[int(number)]._replace(solution=solution)
        found[name] = rows
    return found
