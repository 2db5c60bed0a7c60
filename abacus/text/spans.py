"""Conversations as training reads them, a span of the file at a time, in any process."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from abacus.core.errors import InputError
from abacus.data.conversation import read_turns, turns_of
from abacus.data.overlap import Asked, Overlap, without
from abacus.data.rows import Span, read_rows
from abacus.data.squad import read_questions
from abacus.profile.concerns import PROMPT, read
from abacus.profile.model import Prompt
from abacus.text.encode import Encoded, Fitting, encode
from abacus.text.prompt import Prompter
from abacus.text.tokenizer import Tokenizer


class Source(NamedTuple):
    """Whose conversations they are, what they are compared with, and what turns them into tokens."""

    conversations: Path
    test: Path
    squad: Path
    profile: Path
    base: Path
    drop: bool  # rows that ask what the evaluation asks


class Part(NamedTuple):
    """The rows of a span that are trained on, and what is to be said of all of them."""

    ids: np.ndarray  # int32, of all rows, one after another
    sizes: list[tuple[int, int]]  # of each row: ids of what is asked, and of what is learned
    fitting: Fitting
    overlap: Overlap

    def rows(self) -> Iterator[Encoded]:
        """The rows, each a view of the ids."""
        at = 0
        for asked, learned in self.sizes:
            begin, end = at + asked, at + asked + learned
            yield Encoded(self.ids[at:begin], self.ids[begin:end])
            at = end


def encoded(span: Span, source: Source) -> Part | None:
    """The rows of a span of the conversations; None if it is not of the form."""
    try:
        turns = turns_of(source.conversations, span)
    except InputError:
        return None
    prompt, prompter, asked = _means(source)
    kept, overlap = without(turns, asked, source.drop)
    fitting = Fitting(prompt.seq_length + 1, prompt.packing.learned if prompt.packing else None)
    named = zip(kept, encode(kept, prompter), strict=True)
    rows = [row for turn, row in named if fitting.fits(row, turn.id)]
    ids = np.fromiter(itertools.chain.from_iterable(itertools.chain.from_iterable(rows)), np.int32)
    return Part(ids, [(len(row.asked), len(row.learned)) for row in rows], fitting, overlap)


class Rows:
    """The rows of a conversation file, and when they have all been read what is to be said of them."""

    def __init__(self, path: Path, fitting: Fitting) -> None:
        self.path, self.fitting = path, fitting
        self.overlap: Overlap

    def of(self, parts: Iterable[Part | None], tick: Callable[[int], object]) -> Iterator[Encoded]:
        """Yield the rows of all parts; `tick` is told how many have been read.

        InputError for what is no conversation, and at the end if no row is left or more than a few are too long.
        """
        for number, part in enumerate(parts):
            if part is None:
                read_turns(self.path)  # it says where and why
                raise InputError(self.path, "is not the same to all processes")
            self.overlap = self.overlap.joined(part.overlap) if number else part.overlap
            self.fitting.add(part.fitting)
            tick(part.overlap.rows)
            yield from part.rows()
        if self.overlap.left_out == self.overlap.rows:
            raise InputError(
                self.path, f"all {self.overlap.rows} rows ask what the evaluation asks", "other rows"
            )
        self.fitting.check(self.path)


@functools.cache
def _means(source: Source) -> tuple[Prompt, Prompter, Asked]:
    """What each process reads once."""
    prompt = read(source.profile / PROMPT, Prompt)
    prompter = Prompter(Tokenizer.load(source.base), prompt.template, prompt.bos)
    problems = (row.problem for row in read_rows(source.test, keys=("problem",)))
    return prompt, prompter, Asked(problems, read_questions(source.squad))
