"""Dropout's masks made beside the graphs: in a graph a tenth of a step goes into drawing them."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

BITS = 16  # of a draw: a share is meant to 1 / 65 536


class Dropout(NamedTuple):
    """Dropout of a share `p` of the values of `width` channels; `seed` differs from one use in a model to the next.

    A mask is a function of the seed, of the step, and of a sequence's number in the batch of all ranks: the same in
    every process, in a run that goes on as in one that never stopped, whichever rank has the sequence. The numbers
    are Philox's (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), whose raw stream NumPy keeps.
    """

    p: float
    seed: int
    width: int

    def mask(self, step: int, sequences: Iterable[int], length: int) -> np.ndarray:
        """float32 [sequences * length, width] of 0 and 1 / (1 - p), `step` steps being made."""
        parts = [self._draws(step, number, length * self.width) for number in sequences]
        keep = np.concatenate(parts) >= round(self.p * 2**BITS)
        return np.multiply(keep, np.float32(1 / (1 - self.p)), dtype=np.float32).reshape(-1, self.width)

    def _draws(self, step: int, sequence: int, count: int) -> np.ndarray:
        """uint16 [count]."""
        source = np.random.Philox(key=[self.seed, step], counter=[0, 0, 0, sequence])
        a_word = 64 // BITS
        return source.random_raw(-(-count // a_word)).view(np.uint16)[:count]
