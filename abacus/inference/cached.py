"""Greedy decoding of many prompts at once with a key/value cache, in plain MindSpore ops on a CPU.

MindFormers' own cache needs Ascend's paged attention; off Ascend its `generate` computes the whole
sequence anew for each token. Here a sequence is a row of a fixed-size batch with its own positions,
padded on the right, and a token is computed once. Keys and values live in Parameters of
`batch * kv_heads * length` rows; a token at position p writes row p of its sequence and attends to rows
0 to p. What padding or a scored reference left in later rows is overwritten before anything attends to it.
"""

import math
from collections.abc import Callable, Sequence

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from abacus.core.errors import InputError
from abacus.text.prompt import Completion, Prompt
from abacus.weights.architecture import EMBEDDING, HEAD, NORM, Architecture, Weights, check, layer

LENGTH = 256  # the shortest cache; longer ones are this times a power of two (a length is two graphs)
PREFILL_TOKENS = 1024  # tokens of a prefill call, of all rows together
SCORED_ROWS = 128  # rows of logits at a time when references are scored
MASKED = -1e30


class CachedDecoder:
    """A Llama with fixed weights that completes prompts, `batch_size` of them at a time."""

    def __init__(self, weights: Weights, architecture: Architecture, *, eos_id: int, batch_size: int):
        check(weights, architecture, "decoder")
        mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
        self._architecture = architecture
        self._eos = eos_id
        self._batch_size = batch_size
        self._fused = _fuse(weights, architecture)
        self._head = _Head(self._fused["head"])
        self._caches: dict[int, dict[str, Parameter]] = {}
        self._bodies: dict[tuple[int, int], _Body] = {}

    def complete(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        min_new_tokens: int = 0,
        progress: Callable[[int], object] = lambda rows: None,
    ) -> list[Completion]:
        """The greedy completion of each prompt, in the order of `prompts`.

        A completion ends before EOS, after `max_new_tokens`, or where the model's positions end;
        before `min_new_tokens` EOS is not chosen. `progress` gets the number of prompts done since
        its last call.
        """
        for number, prompt in enumerate(prompts, 1):
            self._check(prompt, number)
        lengths = [max(LENGTH, _power_of_two(self._length(p, max_new_tokens))) for p in prompts]
        order = sorted(range(len(prompts)), key=lambda n: self._length(prompts[n], max_new_tokens))
        completions: dict[int, Completion] = {}
        while order:
            # From the longest: a batch that is too large for memory is found out at once. Shapes depend on a
            # prompt's own length alone, so that neighbours do not even change how its answer is rounded.
            length = lengths[order[-1]]
            rows = max(1, self._batch_size * LENGTH // length)
            chosen = [n for n in order[-rows:] if lengths[n] == length]
            order = order[: -len(chosen)]
            found = self._batch([prompts[n] for n in chosen], rows, length, max_new_tokens, min_new_tokens)
            completions.update(zip(chosen, found, strict=True))
            progress(len(chosen))
        return [completions[number] for number in range(len(prompts))]

    def _check(self, prompt: Prompt, number: int) -> None:
        limit = self._architecture.max_position_embedding
        tokens = len(prompt.ids) + len(prompt.reference)
        if not len(prompt.ids):
            raise InputError("", f"prompt {number} is empty", "at least one token")
        if tokens > limit:
            raise InputError(
                "",
                f"prompt {number} with its reference has {tokens} tokens",
                f"at most the model's {limit} positions",
            )

    def _length(self, prompt: Prompt, max_new_tokens: int) -> int:
        """Positions that a prompt and what follows it can take."""
        generated = min(len(prompt.ids) + max_new_tokens, self._architecture.max_position_embedding)
        return max(len(prompt.ids) + len(prompt.reference), generated)

    def _batch(
        self, prompts: list[Prompt], rows: int, length: int, max_new: int, min_new: int
    ) -> list[Completion]:
        """Completions of up to `rows` prompts, all of which fit into a cache of `length`."""
        body = self._body(rows, length)
        hidden = self._prefill(body, prompts, rows, length)
        scores = self._score(hidden, prompts)
        position = np.zeros(rows, np.int32)
        position[: len(prompts)] = [len(prompt.ids) for prompt in prompts]
        last = Tensor(hidden[np.arange(rows), np.maximum(position, 1) - 1])
        generated: list[list[int]] = [[] for _ in prompts]
        going = [max_new > 0] * len(prompts)
        ended = [False] * len(prompts)
        while any(going):
            logits = self._head(last).asnumpy()
            ids = np.zeros(rows, np.int32)
            for row in (row for row, goes in enumerate(going) if goes):
                if len(generated[row]) < min_new:
                    logits[row, self._eos] = -np.inf
                ids[row] = logits[row].argmax()
                if ids[row] == self._eos:
                    going[row], ended[row] = False, True
                    continue
                generated[row].append(int(ids[row]))
                room = position[row] < self._architecture.max_position_embedding
                going[row] = len(generated[row]) < max_new and bool(room)
            if any(going):
                # A row that has ended repeats its last position, which nothing reads any more.
                at = np.minimum(position, length - 1)
                last = body(Tensor(ids[:, None]), Tensor(at[:, None]))
                position[: len(prompts)] += np.array(going, np.int32)
        return [Completion(*found) for found in zip(generated, scores, ended, strict=True)]

    def _prefill(self, body: "_Body", prompts: list[Prompt], rows: int, length: int) -> np.ndarray:
        """Fill the cache with prompts and references; the hidden state of each token, [rows, tokens, hidden]."""
        texts = [[*prompt.ids, *prompt.reference[:-1]] for prompt in prompts]
        step = min(length, _power_of_two(max(1, PREFILL_TOKENS // rows) + 1) // 2)
        steps = -(-max(map(len, texts)) // step)
        ids = np.zeros((rows, steps * step), np.int32)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text
        positions = np.tile(np.arange(steps * step, dtype=np.int32), (rows, 1))
        parts = []
        for start in range(0, steps * step, step):
            part = np.s_[:, start : start + step]
            found = body(Tensor(ids[part].copy()), Tensor(positions[part].copy()))
            parts.append(found.asnumpy().reshape(rows, step, -1))
        return np.concatenate(parts, axis=1)

    def _score(self, hidden: np.ndarray, prompts: list[Prompt]) -> list[float | None]:
        """Minus the log-probability of each prompt's reference, from the hidden states of the batch."""
        places = [
            (row, len(prompt.ids) - 1 + offset, target)
            for row, prompt in enumerate(prompts)
            for offset, target in enumerate(prompt.reference)
        ]
        totals = [0.0 if len(prompt.reference) else None for prompt in prompts]
        for start in range(0, len(places), SCORED_ROWS):
            rows, positions, targets = np.array(places[start : start + SCORED_ROWS]).T
            states = np.zeros((SCORED_ROWS, hidden.shape[-1]), np.float32)
            states[: len(rows)] = hidden[rows, positions]
            logits = self._head(Tensor(states)).asnumpy()[: len(rows)]
            logits -= logits.max(axis=-1, keepdims=True)
            sums = np.exp(logits).sum(axis=-1, dtype=np.float64)
            surprise = np.log(sums) - logits[np.arange(len(rows)), targets]
            for row, value in zip(rows, surprise, strict=True):
                totals[row] += float(value)
        return totals

    def _body(self, rows: int, length: int) -> "_Body":
        """The graphs for a batch of `rows`; batches whose caches are of one size share one cache."""
        if (rows, length) not in self._bodies:
            if rows * length not in self._caches:
                self._caches[rows * length] = _cache(self._architecture, rows * length)
            parameters = {**self._fused, **self._caches[rows * length]}
            self._bodies[rows, length] = _Body(parameters, self._architecture, rows, length)
        return self._bodies[rows, length]


def _power_of_two(number: int) -> int:
    """The least power of two that is at least `number`."""
    return 1 << max(0, number - 1).bit_length()


def _constant(array: np.ndarray, name: str) -> Parameter:
    return Parameter(Tensor(np.ascontiguousarray(array, np.float32)), name=name, requires_grad=False)


def _fuse(weights: Weights, architecture: Architecture) -> dict[str, Parameter]:
    """The weights as the graphs want them: input by output, q, k and v in one, norms and scale inside."""
    scale = np.float32(math.sqrt(architecture.hidden_size // architecture.num_heads))
    fused = {"embedding": weights[EMBEDDING], "head": (weights[HEAD] * weights[NORM]).T}
    for number in range(architecture.num_layers):
        inner = {
            name: weights[layer(number, f"{name}.weight")]
            for name in (
                *(f"attention.w{letter}" for letter in "qkvo"),
                *(f"feed_forward.w{digit}" for digit in "123"),
                "attention_norm",
                "ffn_norm",
            )
        }
        query = inner["attention.wq"] / scale
        qkv = np.concatenate([query, inner["attention.wk"], inner["attention.wv"]])
        fused[f"qkv{number}"] = (qkv * inner["attention_norm"]).T
        fused[f"out{number}"] = inner["attention.wo"].T
        fused[f"gate{number}"] = (inner["feed_forward.w1"] * inner["ffn_norm"]).T
        fused[f"up{number}"] = (inner["feed_forward.w3"] * inner["ffn_norm"]).T
        fused[f"down{number}"] = inner["feed_forward.w2"].T
    return {name: _constant(array, name) for name, array in fused.items()}


def _cache(architecture: Architecture, positions: int) -> dict[str, Parameter]:
    """Keys and values of every layer, a row of each for a position of a kv head."""
    rows = positions * architecture.n_kv_heads
    empty = np.zeros((rows, architecture.hidden_size // architecture.num_heads), np.float32)
    names = [f"{kind}{n}" for n in range(architecture.num_layers) for kind in ("keys", "values")]
    return {name: _constant(empty, name) for name in names}


class _Head(nn.Cell):
    """Logits [rows, vocabulary] of hidden states [rows, hidden]."""

    def __init__(self, weight: Parameter):
        super().__init__(auto_prefix=False)
        self.weight = weight
        self.product = ops.MatMul()

    def construct(self, hidden):
        return self.product(hidden, self.weight)


class _Body(nn.Cell):
    """Hidden states [rows * tokens, hidden] of ids and positions [rows, tokens]; fills the cache."""

    def __init__(self, parameters: dict[str, Parameter], architecture: Architecture, rows: int, length: int):
        super().__init__(auto_prefix=False)
        head_size = architecture.hidden_size // architecture.num_heads
        self.heads = architecture.num_heads
        self.all_heads = architecture.num_heads + architecture.n_kv_heads  # of queries and keys
        self.eps = architecture.rms_norm_eps
        self.embedding = parameters["embedding"]
        self.layers = nn.CellList(
            [_Layer(parameters, number, architecture, length) for number in range(architecture.num_layers)],
            auto_prefix=False,
        )
        steps = np.arange(0, head_size, 2, dtype=np.float32) / head_size
        angles = np.outer(np.arange(length, dtype=np.float32), 1 / architecture.rope_theta**steps)
        cos, sin = np.cos(angles), np.sin(angles)
        self.cos = Tensor(np.concatenate([cos, cos], axis=1), mindspore.float32)
        self.sin = Tensor(np.concatenate([-sin, sin], axis=1), mindspore.float32)
        self.slots = Tensor(np.arange(length, dtype=np.int32))
        starts = np.arange(rows * architecture.n_kv_heads, dtype=np.int32) * length
        self.starts = Tensor(starts.reshape(rows, 1, -1))
        self.gather = ops.Gather()

    def construct(self, ids, positions):
        rows, tokens = ids.shape
        hidden = self.gather(self.embedding, ids.reshape(-1), 0)
        # Written out in full here, once: broadcasting them in each layer is slower.
        flat = positions.reshape(-1)
        cos = ops.tile(self.gather(self.cos, flat, 0).expand_dims(1), (1, self.all_heads, 1))
        sin = ops.tile(self.gather(self.sin, flat, 0).expand_dims(1), (1, self.all_heads, 1))
        mask = ops.select(self.slots <= positions.reshape(rows, 1, tokens, 1), 0.0, MASKED)
        mask = ops.tile(mask, (1, self.heads, 1, 1))
        places = (self.starts + positions.reshape(rows, tokens, 1)).reshape(-1)
        for inner in self.layers:
            hidden = inner(hidden, rows, tokens, places, cos, sin, mask)
        return _normalised(hidden, self.eps)


class _Layer(nn.Cell):
    """One layer of a Llama, with its cache."""

    def __init__(
        self, parameters: dict[str, Parameter], number: int, architecture: Architecture, length: int
    ):
        super().__init__(auto_prefix=False)
        self.heads, self.kv_heads = architecture.num_heads, architecture.n_kv_heads
        self.size = architecture.hidden_size // self.heads
        self.length = length
        self.eps = architecture.rms_norm_eps
        for name in ("qkv", "out", "gate", "up", "down", "keys", "values"):
            setattr(self, name, parameters[f"{name}{number}"])
        self.product = ops.MatMul()
        self.products = ops.BatchMatMul()
        self.products_transposed = ops.BatchMatMul(transpose_b=True)
        self.put = ops.ScatterUpdate()
        self.softmax = ops.Softmax(-1)
        self.join = ops.Concat(-1)

    def construct(self, hidden, rows, tokens, places, cos, sin, mask):
        heads, kv_heads, size, half = self.heads, self.kv_heads, self.size, self.size // 2
        cache = (rows * kv_heads, self.length, size)
        # The queries of one kv head lie together, so that keys and values are not repeated for them.
        group = (rows * kv_heads, heads // kv_heads * tokens, size)

        qkv = self.product(_normalised(hidden, self.eps), self.qkv)
        both = qkv[:, : (heads + kv_heads) * size].reshape(rows * tokens, heads + kv_heads, size)
        both = both * cos + self.join((both[:, :, half:], both[:, :, :half])) * sin
        query, key = both[:, :heads], both[:, heads:].reshape(-1, size)
        value = qkv[:, (heads + kv_heads) * size :].reshape(-1, size)
        keys = self.put(self.keys, places, key).reshape(cache)
        values = self.put(self.values, places, value).reshape(cache)
        if tokens > 1:
            query = query.reshape(rows, tokens, heads, size).transpose(0, 2, 1, 3)
        scores = self.products_transposed(query.reshape(group), keys)
        scores = scores.reshape(rows, heads, tokens, self.length) + mask
        shares = self.softmax(scores).reshape((*group[:2], self.length))
        mixed = self.products(shares, values)
        if tokens > 1:
            mixed = mixed.reshape(rows, heads, tokens, size).transpose(0, 2, 1, 3)
        hidden = hidden + self.product(mixed.reshape(rows * tokens, heads * size), self.out)

        normal = _normalised(hidden, self.eps)
        gated = ops.silu(self.product(normal, self.gate)) * self.product(normal, self.up)
        return hidden + self.product(gated, self.down)


def _normalised(hidden, eps):
    """Each row over its root mean square; the norm's weight is in the matrix that comes next."""
    return hidden * ops.rsqrt((hidden * hidden).mean(-1, keep_dims=True) + eps)
