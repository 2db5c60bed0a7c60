"""Rows packed into sequences of one shape, so that little of what is computed is padding."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from abacus.profile.model import FIELDS, PACKED_FIELDS, Prompt
from abacus.text.encode import Encoded, padded
from abacus.text.prompt import IGNORED

OPEN = 32  # sequences that still wait for a row that fits


@dataclass(slots=True)
class Sequence:
    """Rows that share a sequence: the places that they take, and those that are learned."""

    rows: list[Encoded] = field(default_factory=list)
    taken: int = 0
    learned: int = 0


def pack(rows: Iterable[Encoded], length: int, most_learned: int) -> Iterator[Sequence]:
    """Yield sequences of at most `length` places, at most `most_learned` of them learned.

    First fit over the last OPEN sequences, which keeps the order nearly; every row must fit alone.
    """
    waiting: list[Sequence] = []
    for row in rows:
        taken, targets = row.size - 1, len(row.learned)  # its last token is only ever a target
        for sequence in waiting:
            if sequence.taken + taken <= length and sequence.learned + targets <= most_learned:
                break
        else:
            if len(waiting) == OPEN:
                yield waiting.pop(0)
            sequence = Sequence()
            waiting.append(sequence)
        sequence.rows.append(row)
        sequence.taken += taken
        sequence.learned += targets
    yield from waiting


def packed(sequence: Sequence, length: int, most_learned: int, pad: int) -> dict[str, np.ndarray]:
    """Return `input_ids` and `rows` (from 1; 0 is padding), int32 (length,), and `places`, `targets`, int32 (most_learned,).

    After the token at a place comes the target; what is left over has the place 0 and the target IGNORED.
    """
    ids, rows = np.full(length, pad, np.int32), np.zeros(length, np.int32)
    places, targets = np.zeros(most_learned, np.int32), np.full(most_learned, IGNORED, np.int32)
    at = count = 0
    for number, row in enumerate(sequence.rows, 1):
        end, more = at + row.size - 1, count + len(row.learned)
        begin = at + len(row.asked) - 1  # of what is learned: the place whose target is the first of it
        ids[at : begin + 1], ids[begin + 1 : end], rows[at:end] = row.asked, row.learned[:-1], number
        places[count:more], targets[count:more] = np.arange(begin, end), row.learned
        at, count = end, more
    return {"input_ids": ids, "rows": rows, "places": places, "targets": targets}


class Layout:
    """How a profile's prompt lays rows out in a MindRecord: a row each, padded, or packed into sequences."""

    def __init__(self, prompt: Prompt, pad: int) -> None:
        self.prompt, self.pad = prompt, pad
        self.fields = PACKED_FIELDS if prompt.packing else FIELDS
        self.sequences = 0  # made so far; none where rows are not packed

    def arrays(self, rows: Iterable[Encoded]) -> Iterator[dict[str, np.ndarray]]:
        """Yield the arrays of each of the MindRecord's rows."""
        length, packing = self.prompt.seq_length, self.prompt.packing
        if packing is None:
            for row in rows:
                yield padded(row, length + 1, self.pad)
            return
        for sequence in pack(rows, length, packing.learned):
            self.sequences += 1
            yield packed(sequence, length, packing.learned, self.pad)
