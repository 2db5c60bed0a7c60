"""Training rows that ask what the evaluation asks: found, counted, said, and left out unless they are to be kept."""

import functools
import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

from abacus.data.conversation import Turn
from abacus.data.squad import Question
from abacus.problems.alike import Key, digits, fold, keys
from abacus.problems.workings import matched

Kind = Literal["exact", "variant", "reading"]
KINDS: tuple[Kind, ...] = ("exact", "variant", "reading")
SHORTEST = 24  # characters of a folded question: a shorter one may stand in any text
NUMBER = re.compile("[0-9]+")
FORMS = 1 << 16  # of texts that differ in their numbers alone: so many are remembered


class Asked:
    """What the evaluation asks: problems, and reading questions with their passages."""

    def __init__(self, problems: Iterable[str], questions: Iterable[Question] = ()) -> None:
        self.problems = {text.strip(): keys(text) for text in problems}
        self.keys: set[Key] = set().union(*self.problems.values())
        self.digits = (
            {digits(text) for text in self.problems} if all(map(_published, self.problems)) else None
        )
        texts = {fold(text) for one in questions for text in (one.context, one.question)}
        self.passages = _Passages(text for text in texts if len(text) >= SHORTEST)

    def kind(self, turn: Turn) -> tuple[Kind | None, set[Key]]:
        """How a row overlaps, if it does, and the keys of the problems that it shares."""
        published = _published(turn.problem)
        shared = self.shared(turn.problem, published)
        if shared:
            return ("exact" if turn.problem.strip() in self.problems else "variant"), shared
        # A problem in the published form is no passage, nor is one in it.
        text = turn.solution if published else f"{turn.problem}\n{turn.solution}"
        return ("reading" if self.passages.within(text) else None), shared

    def shared(self, text: str, published: bool) -> set[Key]:
        """The keys of the problems that a text asks and the evaluation too; `published`: it is one in that form."""
        # Keys are dear: two problems of the published form that differ in their digits share none.
        if published and self.digits is not None and digits(text) not in self.digits:
            return set()
        return keys(text) & self.keys


def _published(text: str) -> bool:
    """Whether a text is one problem in the published form."""
    try:
        return bool(matched(text))
    except ValueError:
        return False


class _Passages:
    """Texts to be found in others, in time linear in the length of those: each by its first characters."""

    def __init__(self, texts: Iterable[str]) -> None:
        texts = list(texts)
        self.size = min(map(len, texts), default=0)
        self.begun: dict[str, list[str]] = {}
        for text in texts:
            self.begun.setdefault(text[: self.size], []).append(text)
        self.forms = {NUMBER.sub("0", begun) for begun in self.begun}
        self.may_hold = functools.lru_cache(FORMS)(self._may_hold)

    def within(self, text: str) -> bool:
        """Whether one of the texts stands in another, blanks aside."""
        if len(text) < self.size or not self.may_hold(NUMBER.sub("0", text)):
            return False
        text, size = fold(text), self.size
        for at in range(len(text) - size + 1):
            if any(text.startswith(whole, at) for whole in self.begun.get(text[at : at + size], ())):
                return True
        return False

    def _may_hold(self, form: str) -> bool:
        """Whether a text of this form, which has a 0 for every number, can hold the beginning of one of the texts."""
        folded = NUMBER.sub("0", fold(form))
        return any(begun in folded for begun in self.forms)


class Overlap(NamedTuple):
    """Rows by the kind of their overlap, the problems of the evaluation that they ask, and what became of them."""

    rows: int
    counts: Counter[Kind]
    asked: frozenset[str]
    problems: int
    dropped: bool

    def joined(self, other: "Overlap") -> "Overlap":
        """That of both: rows of one file, compared with the same evaluation."""
        return self._replace(
            rows=self.rows + other.rows, counts=self.counts + other.counts, asked=self.asked | other.asked
        )

    @property
    def left_out(self) -> int:
        """Rows that are not trained on."""
        return self.counts.total() if self.dropped else 0

    def figures(self) -> dict[str, int]:
        """What metrics/mindrecord.json says."""
        found = {f"overlap_{kind}": self.counts[kind] for kind in KINDS}
        return found | {"overlap_problems": len(self.asked), "overlap_left_out": self.left_out}

    def __str__(self) -> str:
        if not self.counts:
            return f"overlap: none of {self.rows} rows asks what the evaluation asks"
        counts = ", ".join(f"{self.counts[kind]} {kind}" for kind in KINDS)
        done = "left out" if self.dropped else "trained on all the same"
        return (
            f"overlap: {self.counts.total()} of {self.rows} rows ask what the evaluation asks ({counts}; "
            f"{len(self.asked)} of its {self.problems} problems), {done} (inputs.overlap)"
        )


def without(turns: list[Turn], asked: Asked, drop: bool) -> tuple[list[Turn], Overlap]:
    """Return the rows that are trained on, those that overlap left out if `drop`, and the overlap that was there."""
    kept: list[Turn] = []
    counts: Counter[Kind] = Counter()
    shared: set[Key] = set()
    for turn in turns:
        kind, found = asked.kind(turn)
        shared |= found
        if kind:
            counts[kind] += 1
        if not (kind and drop):
            kept.append(turn)
    trained = frozenset(text for text, one in asked.problems.items() if one & shared)
    return kept, Overlap(len(turns), counts, trained, len(asked.problems), drop)
