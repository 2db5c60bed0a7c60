"""Whole answers by MindFormers' own decoder, of several models that differ in their values alone."""

from collections.abc import Mapping

import mindspore
from mindformers import LlamaForCausalLM
from mindspore import Tensor

from abacus.inference.answering import How
from abacus.inference.framework import FrameworkDecoder
from abacus.text.prompt import Completion, Prompt
from abacus.weights.architecture import Architecture, Weights

STEP = 128  # positions by which a model grows


class UnstreamedDecoder(FrameworkDecoder):
    """A FrameworkDecoder that answers one prompt, without a reference, with the weights that it is told to.

    To build a model, load its weights and compile it takes long. So one is kept: it has room for more than it was
    asked, a longer prompt alone has it built anew, and what differs between the models is put in before an answer.
    """

    def __init__(
        self, how: How, models: Mapping[str, Weights], architecture: Architecture, *, eos_id: int, pad_id: int
    ) -> None:
        self._models, self._loaded = models, next(iter(models))
        self._kept: LlamaForCausalLM | None = None
        self._room, self._most = 0, architecture.max_position_embedding
        super().__init__(how, models[self._loaded], architecture, eos_id=eos_id, pad_id=pad_id)

    def answer(self, name: str, prompt: Prompt, **how: int) -> Completion:
        """The completion of a prompt by one of the models."""
        before, self._weights = self._weights, self._models[name]
        if self._kept is not None and name != self._loaded:
            changed = {key: array for key, array in self._weights.items() if array is not before[key]}
            new = {key: mindspore.Parameter(Tensor(array), name=key) for key, array in changed.items()}
            mindspore.load_param_into_net(self._kept, new)
        self._loaded = name
        return self.complete([prompt], **how)[0]

    def _model(self, rows: int, length: int) -> LlamaForCausalLM:
        if self._kept is None or length > self._room:
            self._kept = None  # before there is another one: an NPU may not hold two
            self._room = min(-(-length // STEP) * STEP, self._most)
            self._kept = super()._model(rows, self._room)
        return self._kept
