"""Greedy decoding by MindFormers' own `generate`: what an Ascend profile uses, with its paged attention there.

It runs on a CPU too, slowly: without the paged cache every token costs the whole padded sequence.
"""

from collections.abc import Callable, Iterable, Sequence

import mindspore
import numpy as np
from mindformers import LlamaConfig, LlamaForCausalLM
from mindspore import Tensor

from abacus.core.errors import InputError
from abacus.inference.answering import How
from abacus.text.prompt import Completion, Prompt
from abacus.weights.architecture import Architecture, Weights, check


class FrameworkDecoder:
    """LlamaForCausalLM with fixed weights; the same `complete` as CachedDecoder's."""

    def __init__(
        self, how: How, weights: Weights, architecture: Architecture, *, eos_id: int, pad_id: int
    ) -> None:
        check(weights, architecture, "decoder")
        target = how.compute.device_target
        mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target=target)
        self._options, self._weights, self._architecture = how.compute.options, weights, architecture
        self._eos, self._pad, self._cpu = eos_id, pad_id, target == "CPU"
        self._batch_size = how.decode.batch_size

    def prepare(self, tasks: Iterable[tuple[Sequence[Prompt], int]]) -> None:
        """A model is made for each task when its turn comes."""

    def complete(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        min_new_tokens: int = 0,
        progress: Callable[[int], object] = lambda rows: None,
        among: Sequence[Prompt] = (),
    ) -> list[Completion]:
        """Return the greedy completion of each prompt, and minus the log-likelihood of its reference in nats.

        Shapes are those for all of `among`, of which `prompts` may be some batches.
        """
        among = among or prompts
        needed = max(len(p.ids) + max(max_new_tokens, len(p.reference)) for p in among)
        if needed > self._architecture.max_position_embedding:
            limit = self._architecture.max_position_embedding
            raise InputError("", f"a prompt and its answer need {needed} positions, the model has {limit}")
        rows = min(self._batch_size, len(among))
        model = self._model(rows, needed)
        done: list[Completion] = []
        for start in range(0, len(prompts), rows):
            some = list(prompts[start : start + rows])
            batch = some + [some[-1]] * (rows - len(some))  # the graph's shape is fixed
            found = self._generate(model, batch, max_new_tokens, min_new_tokens)
            nll = self._score(model, batch, needed)
            both = zip(found, nll, strict=True)
            done += [Completion(ids, score, ended) for (ids, ended), score in both][: len(some)]
            progress(len(some))
        return done

    def _model(self, rows: int, length: int) -> LlamaForCausalLM:
        config = LlamaConfig(**self._options | {"batch_size": rows, "seq_length": length, "do_sample": False})
        model = LlamaForCausalLM(config)
        if self._cpu:
            model.argmax = mindspore.ops.argmax  # `mint.argmax` has no CPU kernel
        parameters = {
            name: mindspore.Parameter(Tensor(array), name=name) for name, array in self._weights.items()
        }
        missing, _ = mindspore.load_param_into_net(model, parameters)
        assert not missing, missing
        model.set_train(False)
        return model

    def _generate(
        self, model: LlamaForCausalLM, batch: list[Prompt], max_new_tokens: int, min_new_tokens: int
    ) -> list[tuple[list[int], bool]]:
        """Return the new ids of each prompt, up to EOS, and whether it came."""
        width = max(len(prompt.ids) for prompt in batch)
        padded = [list(prompt.ids) + [self._pad] * (width - len(prompt.ids)) for prompt in batch]
        found = model.generate(
            padded,
            max_new_tokens=max_new_tokens,
            min_new_tokens=min_new_tokens,
            do_sample=False,
            eos_token_id=[self._eos],
            pad_token_id=self._pad,
        )
        new = [list(map(int, ids[len(prompt.ids) :])) for prompt, ids in zip(batch, found, strict=True)]
        new = [ids[:max_new_tokens] for ids in new]
        return [(ids[: ids.index(self._eos)], True) if self._eos in ids else (ids, False) for ids in new]

    def _score(self, model: LlamaForCausalLM, batch: list[Prompt], length: int) -> list[float | None]:
        """Return the negative log-likelihood of each reference, from one forward pass."""
        if not any(prompt.reference for prompt in batch):
            return [None] * len(batch)
        texts = [[*prompt.ids, *prompt.reference] for prompt in batch]
        ids = np.array([text + [self._pad] * (length - len(text)) for text in texts], np.int32)
        logits = model(Tensor(ids))[0].asnumpy().reshape(len(batch), length, -1)
        return [
            minus_log_likelihood(row[len(p.ids) - 1 : len(p.ids) + len(p.reference) - 1], p.reference)
            for row, p in zip(logits, batch, strict=True)
        ]


def minus_log_likelihood(logits: np.ndarray, targets: Sequence[int]) -> float:
    """Return minus the sum of the targets' log-probabilities; logits [tokens, vocabulary], in nats."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    chosen = shifted[np.arange(len(targets)), np.asarray(targets, int)]
    return float(np.log(np.exp(shifted).sum(axis=-1)).sum() - chosen.sum())
