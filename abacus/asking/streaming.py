"""Decoding that shows its tokens as they come, of several models that differ in the values of some matrices alone."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from mindspore import Tensor

from abacus.inference.cached import CachedDecoder
from abacus.inference.follow import Following
from abacus.text.prompt import Completion, Prompt
from abacus.weights.architecture import Architecture, Weights

Seen = Callable[[list[int]], object]  # gets all new ids so far


class StreamingDecoder(CachedDecoder):
    """A CachedDecoder that answers with the weights that it is told to, one prompt at a time.

    Graphs take long to compile. LoRA moves no shape, so the models share them, and what
    differs between them is put in before an answer.
    """

    def __init__(
        self, models: Mapping[str, Weights], architecture: Architecture, *, eos_id: int, **how: Any
    ) -> None:
        first, *others = models
        super().__init__(models[first], architecture, eos_id=eos_id, **how)
        self._seen: Seen = lambda ids: None
        self._values: dict[str, dict[str, np.ndarray]] = {first: {}}
        for name in others:
            other = CachedDecoder(models[name], architecture, eos_id=eos_id, **how)
            both = ((key, self._fused[key].asnumpy(), found.asnumpy()) for key, found in other._fused.items())
            changed = {key: (mine, found) for key, mine, found in both if not np.array_equal(mine, found)}
            self._values[name] = {key: found.copy() for key, (_, found) in changed.items()}
            self._values[first] |= {key: mine.copy() for key, (mine, _) in changed.items()}
        self._current = first

    def stream(self, name: str, prompt: Prompt, seen: Seen, **how: int) -> Completion:
        """The completion of a prompt by one of the models; `seen` gets its ids each time that there are more."""
        if name != self._current:
            # Of a third model, what the second has changed: back to the first, then on.
            for key, array in (self._values[next(iter(self._values))] | self._values[name]).items():
                self._fused[key].set_data(Tensor(array))
            self._current = name
        self._seen = seen
        return self.complete([prompt], **how)[0]

    def _begin(self, body: Any, new: dict[int, Following]) -> None:
        super()._begin(body, new)
        self._tell(new.values())

    def _step(self, body: Any, texts: int, running: dict[int, Following]) -> None:
        super()._step(body, texts, running)
        self._tell(running.values())

    def _tell(self, rows: Iterable[Following]) -> None:
        for row in rows:
            self._seen(row.completion().ids)
