"""Rows as training reads them: ids and labels, and how long they are. Row lengths are measured here and nowhere else."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from abacus.core.errors import InputError
from abacus.data.conversation import Turn
from abacus.formats.mindrecord import BATCH
from abacus.text.prompt import IGNORED, Prompter

Ids = list[int] | np.ndarray  # int32
# Rows that are too long for training and are left out without more ado: three, or one in a hundred.
FEW, FEW_OF = 3, 0.01
SHOWN = 3


class Encoded(NamedTuple):
    """A row as training reads it, not yet padded: ids of what is asked, and of what is learned, EOS included."""

    asked: Ids
    learned: Ids

    @property
    def size(self) -> int:
        """How many tokens it has."""
        return len(self.asked) + len(self.learned)


def encode(turns: list[Turn], prompter: Prompter) -> Iterator[Encoded]:
    """Yield each conversation's ids and labels; loss on the answer and on EOS."""
    for start in range(0, len(turns), BATCH):
        block = turns[start : start + BATCH]
        rows = prompter.rows([turn.problem for turn in block], [turn.solution for turn in block])
        for asked, learned in rows:
            yield Encoded(asked, learned)


def padded(row: Encoded, length: int, pad: int) -> dict[str, np.ndarray]:
    """Return the row's two arrays, int32 of shape (length,); `labels` is IGNORED where nothing is learned."""
    ids, labels = np.full(length, pad, np.int32), np.full(length, IGNORED, np.int32)
    begin = len(row.asked)
    ids[:begin], ids[begin : row.size] = row.asked, row.learned
    labels[begin : row.size] = row.learned
    return {"input_ids": ids, "labels": labels}


class Fitting:
    """Rows as they are trained on: those of more than `length` tokens, or with more to learn, are left out and counted."""

    def __init__(self, length: int, most_learned: int | None = None) -> None:
        self.length, self.most_learned = length, most_learned or length
        self.written = self.tokens = self.learned = self.longest = 0  # of those that fit
        self.long: list[tuple[int, str]] = []  # tokens and id of each row that does not

    def fits(self, row: Encoded, name: str) -> bool:
        """Whether a row is trained on; it is counted."""
        size, learned = row.size, len(row.learned)
        if size > self.length or learned > self.most_learned:
            self.long.append((size, name))
            return False
        self.written += 1
        self.tokens += size
        self.learned += learned
        self.longest = max(self.longest, size)
        return True

    def add(self, other: "Fitting") -> None:
        """Count the rows of another one, which come after these, too."""
        self.written += other.written
        self.tokens += other.tokens
        self.learned += other.learned
        self.longest = max(self.longest, other.longest)
        self.long += other.long

    def check(self, path: Path) -> None:
        """Raise InputError, naming the file at `path`, if more than a few rows are too long."""
        lost, total = len(self.long), self.written + len(self.long)
        if lost == total or (lost > FEW and lost > total * FEW_OF):
            most, name = max(self.long, key=lambda row: row[0])
            keys = "abacus.prompt.seq_length" if most > self.length else "abacus.prompt.packing.learned"
            limits = f"{self.length} tokens"
            if self.most_learned < self.length:
                limits += f" ({self.most_learned} of them learned)"
            raise InputError(
                path,
                f"{lost} of {total} rows are longer than {limits}, row {name} the longest with {most}",
                f"at most {FEW_OF:.0%} of them",
                f"raise {keys} in the profile to {most - 1}",
            )

    def left_out(self) -> list[str]:
        """Lines that name the first rows that are too long, and how many there are."""
        lines = [
            f"left out: row {name} has {count} tokens, more than {self.length}"
            for count, name in self.long[:SHOWN]
        ]
        return lines + ([f"left out: {len(self.long)} rows in all"] if self.long[SHOWN:] else [])

    def figures(self, sequences: int | None = None) -> dict[str, float]:
        """What metrics/mindrecord.json says of the rows' lengths; packed, in so many sequences."""
        # A packed row takes no place for its last token, which is only ever a target.
        places = sequences * (self.length - 1) if sequences else self.written * self.length
        taken = self.tokens - (self.written if sequences else 0)
        return {
            "written": self.written,
            "too_long": len(self.long),
            "longest": max([self.longest, *(tokens for tokens, _ in self.long)]),
            "mean_tokens": self.tokens / self.written,
            "mean_learned": self.learned / self.written,
            "padding": 1 - taken / places,
        } | ({"sequences": sequences} if sequences else {})


class Lengths(NamedTuple):
    """Numbers of rows, and of tokens with EOS (and BOS, if the profile's prompt has one)."""

    rows: int
    mean: float
    mean_learned: float
    longest: int
    longest_id: str
    too_long: int  # rows
    padding: float  # share of a batch; the rows that are too long are not in it
    sequences: int | None = None  # that packed rows take

    def packed(self, sequences: int, length: int) -> "Lengths":
        """The same rows in so many sequences of `length` places; a row takes none for its last token."""
        taken = self.rows * (self.mean - 1)
        return self._replace(sequences=sequences, padding=1 - taken / (sequences * length))


def measure(
    turns: list[Turn], prompter: Prompter, length: int, progress: Callable[[Iterable], Iterable] = iter
) -> Lengths:
    """Measure rows that are padded to `length` tokens; `progress` wraps the walk over them (tqdm does)."""
    sizes = [(row.size, len(row.learned)) for row in progress(encode(turns, prompter))]
    longest = max(range(len(sizes)), key=lambda row: sizes[row][0])
    fitting = [size for size, _ in sizes if size <= length]
    return Lengths(
        rows=len(sizes),
        mean=sum(size for size, _ in sizes) / len(sizes),
        mean_learned=sum(count for _, count in sizes) / len(sizes),
        longest=sizes[longest][0],
        longest_id=turns[longest].id,
        too_long=len(sizes) - len(fitting),
        padding=1 - sum(fitting) / (len(fitting) * length) if fitting else 0.0,
    )
