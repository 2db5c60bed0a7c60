"""Files of rows between two passes over parts: columns in sections, each of which one reader takes."""

import contextlib
import json
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self, overload

from abacus.core.files import replacing
from abacus.data.rows import Row

BETWEEN_TEXTS, BETWEEN_COLUMNS = "\x1e", "\x1d"  # hardly a text holds one


class Group(Sequence[Row]):
    """Rows as columns, which are made, written and read in a fraction of the time that as many tuples take."""

    def __init__(
        self, lines: Sequence[int] = (), problems: Sequence[str] = (), solutions: Sequence[str] = ()
    ) -> None:
        self.lines, self.problems, self.solutions = lines, problems, solutions

    @classmethod
    def of(cls, rows: Iterable[tuple[int, str, str]]) -> Self:
        """The columns of rows."""
        return cls(*zip(*rows, strict=True))

    @property
    def columns(self) -> tuple[Sequence[int], Sequence[str], Sequence[str]]:
        """As they are written."""
        return self.lines, self.problems, self.solutions

    def without(self, lines: Container[object]) -> "Group":
        """The rows but those of some lines."""
        stay = [line not in lines for line in self.lines]
        texts = (list(compress(column, stay)) for column in (self.problems, self.solutions))
        return Group(list(compress(self.lines, stay)), *texts)

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[Row]:
        return map(Row, *self.columns)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> "Group": ...
    def __getitem__(self, at: int | slice) -> "Row | Group":
        if isinstance(at, slice):
            return Group(self.lines[at], self.problems[at], self.solutions[at])
        return Row(self.lines[at], self.problems[at], self.solutions[at])


class Section(NamedTuple):
    """Bytes of a file: a column of numbers and some of texts, all of one length."""

    path: Path
    begin: int
    end: int

    def columns(self) -> tuple[list[int], list[list[str]]]:
        """The numbers, and each column of texts."""
        with self.path.open("rb") as stream:
            stream.seek(self.begin)
            numbers, *texts = stream.read(self.end - self.begin).decode("utf-8").split(BETWEEN_COLUMNS)
        return json.loads(numbers), list(map(_unpacked, texts))

    def group(self) -> Group:
        """The rows whose columns these are."""
        lines, texts = self.columns()
        return Group(lines, *texts)


class Writer:
    """Writes sections one after another."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path, self.stream = path, stream

    def add(self, numbers: Sequence[int], *texts: Sequence[str]) -> Section:
        """Write a section."""
        columns = [json.dumps(numbers), *map(_packed, texts)]
        begin = self.stream.tell()
        self.stream.write(BETWEEN_COLUMNS.join(columns).encode("utf-8"))
        return Section(self.path, begin, self.stream.tell())


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A writer of a file that is there whole or not at all, so that whoever dies at it can be replaced."""
    with replacing(path) as part, part.open("wb") as stream:
        yield Writer(path, stream)


def _packed(texts: Sequence[str]) -> str:
    """Texts in one: joined, which costs less than JSON, or in JSON where that could not be undone."""
    joined = BETWEEN_TEXTS.join(texts)
    apart = joined.count(BETWEEN_TEXTS) == len(texts) - 1 and BETWEEN_COLUMNS not in joined
    return joined if apart and not joined.startswith("[") else json.dumps(texts)


def _unpacked(text: str) -> list[str]:
    """The texts that `_packed` has made one of."""
    return json.loads(text) if text.startswith("[") else text.split(BETWEEN_TEXTS)
