"""Greedy decoding of many prompts at once with a key/value cache, in plain MindSpore ops on a CPU.

MindFormers' own cache needs Ascend's paged attention; off Ascend its `generate` computes the whole
sequence anew for each token. Here a token is computed once, and two graphs of fixed shapes do all of it: one takes
PIECES pieces of texts (prompts with their references), PIECE tokens each, whatever text they are of; the other
takes `rows` tokens: the last of each completion, and guesses at what comes next where there is room. A completion
that has ended gives its place in the cache to the next prompt.

Prompts that begin alike have their first keys and values copied from the one that is there: they are the same to the
last bit, for what a piece gives depends on itself and on what stands before it alone.

A guess is what followed the last two tokens where they stood before: kept if greedy decoding says the same, so it
makes a completion faster and never another one. A reference is scored, and never a guess.

Keys and values live in Parameters of `rows * kv_heads * length` rows; a token at position p writes row p of its
place and attends to rows 0 to p. What padding, a reference or a wrong guess left in later rows is overwritten
before anything attends to it.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

from abacus.core.cores import place_threads
from abacus.core.errors import InputError
from abacus.core.graphs import kept
from abacus.inference.follow import Following
from abacus.text.prompt import Completion, Prompt
from abacus.weights.architecture import EMBEDDING, HEAD, NORM, Architecture, Weights, check, layer

LENGTH = 160  # the shortest cache; longer ones are this times a power of two (a length is two graphs)
PIECE, PIECES = 16, 8  # a token takes a matrix product the least time in calls of 64 to 128
GUESSED = 4  # of a completion at most in a step, and the fewest tokens of a step
ENTERING = (
    8  # texts that enter at once: those of the default run have about five pieces, so that calls are full
)
MASKED = -1e30


class CachedDecoder:
    """A Llama with fixed weights that completes prompts, `batch_size` of them at a time.

    `graphs` is a folder in which compiled graphs are kept for the next process.
    """

    def __init__(
        self,
        weights: Weights,
        architecture: Architecture,
        *,
        eos_id: int,
        batch_size: int,
        graphs: Path | None = None,
    ):
        check(weights, architecture, "decoder")
        mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
        self._architecture = architecture
        self._eos = eos_id
        self._batch_size = batch_size
        self._graphs = graphs
        self._fused = _fuse(weights, architecture)
        self._head = _Head(self._fused["head"])
        self._caches: dict[int, dict[str, Parameter]] = {}
        self._copies: dict[int, _Copy] = {}
        self._bodies: dict[tuple[int, int], _Body] = {}
        # The place in the cache of what a prompt begins with, in whole pieces.
        self._held: dict[tuple[int, ...], int] = {}

    def prepare(self, tasks: Iterable[tuple[Sequence[Prompt], int]]) -> None:
        """Compile the graphs for prompts with at most so many new tokens, all at once: so they can be kept."""
        shapes = set()
        for prompts, most in tasks:
            for number, prompt in enumerate(prompts, 1):
                self._check(prompt, number)
                shapes.add(self._shape(self._positions(prompt, self._most(prompt, most))))
        self._compile(sorted(shapes))

    def complete(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        min_new_tokens: int = 0,
        progress: Callable[[int], object] = lambda rows: None,
        among: Sequence[Prompt] = (),
    ) -> list[Completion]:
        """The greedy completion of each prompt, in the order of `prompts`.

        A completion ends before EOS, after `max_new_tokens`, or where the model's positions end;
        before `min_new_tokens` EOS is not chosen. `progress` gets the number of prompts done since
        its last call. All of `among` are judged: else neighbours change nothing of an answer.
        """
        for number, prompt in enumerate(among or prompts, 1):
            self._check(prompt, number)
        rows = [
            Following(
                prompt,
                eos_id=self._eos,
                min_new=min_new_tokens,
                max_new=self._most(prompt, max_new_tokens),
            )
            for prompt in prompts
        ]
        # From the longest: what is too large for memory is found out at once. Shapes depend on a prompt's own
        # length alone, so that neighbours do not even change how its answer is rounded.
        positions = {row: self._positions(row.prompt, row.max_new) for row in rows}
        order = sorted(rows, key=positions.__getitem__, reverse=True)
        for shape, some in groupby(order, lambda row: self._shape(positions[row])):
            self._follow(list(some), *shape, progress)
        return [row.completion() for row in rows]

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

    def _most(self, prompt: Prompt, max_new: int) -> int:
        """New tokens that may follow a prompt: the model's positions end somewhere."""
        return min(max_new, self._architecture.max_position_embedding + 1 - len(prompt.ids))

    def _positions(self, prompt: Prompt, max_new: int) -> int:
        """Positions that a prompt and what follows it can take."""
        return len(prompt.ids) + max(len(prompt.reference), max_new)

    def _shape(self, positions: int) -> tuple[int, int]:
        """Rows, and positions of each, of the cache for texts of so many positions."""
        times = _power_of_two(-(-positions // LENGTH))
        return max(1, self._batch_size // times), times * LENGTH

    def _follow(
        self, waiting: list[Following], rows: int, length: int, progress: Callable[[int], object]
    ) -> None:
        """Complete `waiting` in turn, `rows` of them at a time; each fits into `length` positions."""
        body = self._body(rows, length)
        self._held = {}  # what others have left in the cache
        queue = deque(waiting)
        running: dict[int, Following] = {}  # by their places in the cache
        while queue or running:
            free = [place for place in range(rows) if place not in running]
            # Several enter at once: a call takes as long for a short text as for PIECES pieces.
            if queue and len(free) >= min(rows, ENTERING):
                new = {place: queue.popleft() for place in free[: len(queue)]}
                self._begin(body, new)
                running |= new
            else:
                self._step(body, max(rows, GUESSED), running)
            going = {place: row for place, row in running.items() if not row.done}
            progress(len(running) - len(going))
            running = going

    def _begin(self, body: "_Body", new: dict[int, Following]) -> None:
        """Compute prompts and references, each in its place of the cache; score and take what follows."""
        prompts = {place: row.prompt for place, row in new.items()}
        states = self._prefill(
            body,
            {place: [*prompt.ids, *prompt.reference[:-1]] for place, prompt in prompts.items()},
            {place: len(prompt.ids) - 1 for place, prompt in prompts.items()},
        )
        targets = [list(prompt.reference) or [0] for prompt in prompts.values()]
        choices, surprise = self._choices(np.concatenate(states), np.concatenate(targets))
        ends = np.cumsum([len(some) for some in targets])[:-1]
        each = zip(new.values(), np.split(choices, ends), np.split(surprise, ends), strict=True)
        for row, chosen, nll in each:
            if len(row.prompt.reference):
                row.reference_nll = float(nll.sum())
            row.accept(chosen.tolist()[:1], ())

    def _prefill(self, body: "_Body", texts: dict[int, list[int]], lasts: dict[int, int]) -> list[np.ndarray]:
        """Fill each place of the cache with a text; its hidden states [tokens, hidden] from the prompt's last token on."""
        self._held = {ids: place for ids, place in self._held.items() if place not in texts}
        # Of those that begin alike, and like none that is there, one goes ahead of the others.
        ahead, first = {}, set()
        for place, text in texts.items():
            alike = tuple(text[:PIECE])
            if lasts[place] < PIECE or alike in self._held or alike not in first:
                ahead[place] = text
                first.add(alike)
        behind = {place: text for place, text in texts.items() if place not in ahead}
        states = {}
        for some in (ahead, behind):
            states |= self._fill(body, some, lasts)
            for place, text in some.items():
                for end in range(PIECE, lasts[place] + 2, PIECE):
                    self._held.setdefault(tuple(text[:end]), place)
        return [states[place] for place in texts]

    def _fill(
        self, body: "_Body", texts: dict[int, list[int]], lasts: dict[int, int]
    ) -> dict[int, np.ndarray]:
        """Fill places as `_prefill`; what another place holds of a text is copied."""
        pieces, copied = [], []
        for place, text in texts.items():
            begin = lasts[place] // PIECE * PIECE
            while begin and tuple(text[:begin]) not in self._held:
                begin -= PIECE
            if begin:
                source = self._held[tuple(text[:begin])]
                copied += [(source, place, at) for at in range(0, begin, PIECE)]
            pieces += [(place, at) for at in range(begin, len(text), PIECE)]
        if copied:
            body.copy(np.array(copied, np.int32))
        parts: dict[int, list[np.ndarray]] = {place: [] for place in texts}
        for start in range(0, len(pieces), PIECES):
            some = pieces[start : start + PIECES]
            some += [some[-1]] * (PIECES - len(some))  # the graph's shape is fixed; the same is written twice
            ids = np.zeros((PIECES, PIECE), np.int32)
            for row, (place, at) in enumerate(some):
                part = texts[place][at : at + PIECE]
                ids[row, : len(part)] = part
            places, starts = np.array(some, np.int32).T
            hidden = body(ids, starts, places).reshape(PIECES, PIECE, -1)
            for row, (place, at) in enumerate(some[: len(pieces) - start]):
                parts[place].append(hidden[row, max(0, lasts[place] - at) : len(texts[place]) - at])
        return {place: np.concatenate(states) for place, states in parts.items()}

    def _step(self, body: "_Body", texts: int, running: dict[int, Following]) -> None:
        """Compute the last token of each row, and guesses at what comes next: at least one token more of each."""
        guesses = {place: row.guess(GUESSED) for place, row in running.items()}
        # First one guess of each row, then the second: as rows end, those that are left get more of them.
        by_depth = sorted((depth, place) for place, guess in guesses.items() for depth in range(len(guess)))
        depths = Counter(place for _, place in by_depth[: texts - len(running)])
        guesses = {place: guess[: depths[place]] for place, guess in guesses.items()}
        tokens = [
            (token, position, place)
            for place, row in running.items()
            for position, token in enumerate([row.last, *guesses[place]], row.position)
        ]
        filled = tokens + tokens[-1:] * (texts - len(tokens))  # the graph's shape is fixed
        ids, starts, places = np.array(filled, np.int32).T
        choices = iter(self._choices(body(ids[:, None], starts, places))[0].tolist())
        for place, guess in guesses.items():
            running[place].accept([next(choices) for _ in range(1 + len(guess))], guess)

    def _choices(
        self, hidden: np.ndarray, targets: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """What may follow each of the hidden states [places, hidden].

        The likeliest id and the likeliest that is not EOS, [places, 2]; minus the logarithm of the
        target's probability, [places], if targets [places] are given.
        """
        together = max(self._batch_size, GUESSED)
        choices = np.zeros((len(hidden), 2), np.int64)
        surprise = np.zeros(len(hidden))
        for start in range(0, len(hidden), together):
            part = np.s_[start : start + together]
            states = np.zeros((together, hidden.shape[-1]), np.float32)
            states[: len(hidden[part])] = hidden[part]
            logits = self._head(Tensor(states)).asnumpy()[: len(hidden[part])]
            best = logits.argmax(axis=-1)
            choices[part] = best[:, None]
            if targets is not None:
                shifted = logits - logits.max(axis=-1, keepdims=True)
                of_targets = shifted[np.arange(len(logits)), targets[part]]
                sums = np.exp(shifted, out=shifted).sum(axis=-1, dtype=np.float64)
                surprise[part] = np.log(sums) - of_targets
            ends = best == self._eos
            logits[ends, self._eos] = -np.inf
            choices[part, 1][ends] = logits[ends].argmax(axis=-1)
        return choices, surprise

    def _body(self, rows: int, length: int) -> "_Body":
        """The graphs for a batch of `rows`."""
        self._compile([(rows, length)])
        return self._bodies[rows, length]

    def _compile(self, shapes: Sequence[tuple[int, int]]) -> None:
        """Have a body for each of the shapes, rows and length; those whose caches are of one size share one cache."""
        new = [shape for shape in shapes if shape not in self._bodies]
        if not new:
            return
        with kept(self._graphs, self._architecture, new, Path(__file__).read_text("utf-8")):
            for rows, length in new:
                size = rows * length
                if size not in self._caches:
                    self._caches[size] = _cache(self._architecture, size)
                copies = rows > 1 and size not in self._copies  # a text alone has nobody to copy of
                if copies:
                    self._copies[size] = _Copy(self._caches[size])
                parameters = {**self._fused, **self._caches[size]}
                body = _Body(parameters, self._architecture, rows, length, self._copies.get(size))
                # Each call compiles a graph; nothing reads what it writes.
                if copies:
                    body.copy(np.zeros((1, 3), np.int32))
                for texts, tokens in ((PIECES, PIECE), (max(rows, GUESSED), 1)):
                    none = np.zeros(texts, np.int32)
                    body(np.zeros((texts, tokens), np.int32), none, none)
                self._bodies[rows, length] = body
        place_threads()


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


class _Copy(nn.Cell):
    """Copies rows [PIECES * PIECE * kv_heads] of every layer's cache to others."""

    def __init__(self, cache: dict[str, Parameter]):
        super().__init__(auto_prefix=False)
        self.cache = ParameterTuple(cache.values())
        self.put, self.take = ops.ScatterUpdate(), ops.Gather()

    def construct(self, sources, targets):
        for one in self.cache:
            self.put(one, targets, self.take(one, sources, 0))
        return sources


class _Body(nn.Cell):
    """Hidden states [texts * tokens, hidden] of ids, positions [texts, tokens]; fills places [texts] of the cache."""

    def __init__(
        self,
        parameters: dict[str, Parameter],
        architecture: Architecture,
        rows: int,
        length: int,
        copies: _Copy | None,
    ):
        super().__init__(auto_prefix=False)
        self.rows, self.copies = rows, copies
        head_size = architecture.head_size
        self.heads = architecture.num_heads
        self.all_heads = architecture.num_heads + architecture.n_kv_heads  # of queries and keys
        self.eps = architecture.rms_norm_eps
        self.embedding = parameters["embedding"]
        self.layers = nn.CellList(
            [_Layer(parameters, number, architecture) for number in range(architecture.num_layers)],
            auto_prefix=False,
        )
        steps = np.arange(0, head_size, 2, dtype=np.float32) / head_size
        angles = np.outer(np.arange(length, dtype=np.float32), 1 / architecture.rope_theta**steps)
        cos, sin = np.cos(angles), np.sin(angles)
        self.cos = Tensor(np.concatenate([cos, cos], axis=1), mindspore.float32)
        self.sin = Tensor(np.concatenate([-sin, sin], axis=1), mindspore.float32)
        self.slots = Tensor(np.arange(length, dtype=np.int32))
        heads = np.arange(architecture.n_kv_heads, dtype=np.int32) * length
        self.firsts = Tensor(heads)
        # Rows of a piece at the start of a place: every head's, [kv_heads * PIECE].
        self.of_piece = (heads[:, None] + np.arange(PIECE, dtype=np.int32)).reshape(-1)
        self.place_size = architecture.n_kv_heads * length
        self.gather = ops.Gather()

    def __call__(self, ids, starts, places):
        """The hidden states as an array; `starts` are the positions of the first tokens, [texts]."""
        positions = starts[:, None] + np.arange(ids.shape[1], dtype=np.int32)
        return super().__call__(Tensor(ids), Tensor(positions), Tensor(places)).asnumpy()

    def copy(self, pieces):
        """Copy pieces [number, 3] from a place to another: source, target, position of the first token."""
        for start in range(0, len(pieces), PIECES):
            some = pieces[start : start + PIECES]
            # The graph's shape is fixed; the same is copied twice.
            some = np.concatenate([some, some[-1:].repeat(PIECES - len(some), 0)])
            rows = some[:, :2] * self.place_size + some[:, 2:]
            sources, targets = (rows[:, None] + self.of_piece[:, None]).transpose(2, 0, 1).reshape(2, -1)
            self.copies(Tensor(sources), Tensor(targets)).asnumpy()

    def construct(self, ids, positions, places):
        texts, tokens = ids.shape
        hidden = self.gather(self.embedding, ids.reshape(-1), 0)
        # Written out in full here, once: broadcasting them in each layer is slower.
        flat = positions.reshape(-1)
        cos = ops.tile(self.gather(self.cos, flat, 0).expand_dims(1), (1, self.all_heads, 1))
        sin = ops.tile(self.gather(self.sin, flat, 0).expand_dims(1), (1, self.all_heads, 1))
        mask = ops.select(self.slots <= positions.reshape(texts, 1, tokens, 1), 0.0, MASKED)
        mask = ops.tile(mask, (1, self.heads, 1, 1))
        starts = places.reshape(texts, 1) * self.place_size + self.firsts  # [texts, kv_heads]
        write = (starts.reshape(texts, 1, -1) + positions.reshape(texts, tokens, 1)).reshape(-1)
        read = starts.reshape(-1, 1) + self.slots  # [texts * kv_heads, length]
        for inner in self.layers:
            hidden = inner(hidden, texts, tokens, write, read, cos, sin, mask)
        return _normalised(hidden, self.eps)


class _Layer(nn.Cell):
    """One layer of a Llama, with its cache."""

    def __init__(self, parameters: dict[str, Parameter], number: int, architecture: Architecture):
        super().__init__(auto_prefix=False)
        self.heads, self.kv_heads = architecture.num_heads, architecture.n_kv_heads
        self.size = architecture.head_size
        self.eps = architecture.rms_norm_eps
        for name in ("qkv", "out", "gate", "up", "down", "keys", "values"):
            setattr(self, name, parameters[f"{name}{number}"])
        self.product = ops.MatMul()
        self.products = ops.BatchMatMul()
        self.products_transposed = ops.BatchMatMul(transpose_b=True)
        self.put = ops.ScatterUpdate()
        self.take = ops.Gather()
        self.softmax = ops.Softmax(-1)
        self.join = ops.Concat(-1)

    def construct(self, hidden, texts, tokens, write, read, cos, sin, mask):
        heads, kv_heads, size, half = self.heads, self.kv_heads, self.size, self.size // 2
        # The queries of one kv head lie together, so that keys and values are not repeated for them.
        group = (texts * kv_heads, heads // kv_heads * tokens, size)

        qkv = self.product(_normalised(hidden, self.eps), self.qkv)
        both = qkv[:, : (heads + kv_heads) * size].reshape(texts * tokens, heads + kv_heads, size)
        both = both * cos + self.join((both[:, :, half:], both[:, :, :half])) * sin
        query, key = both[:, :heads], both[:, heads:].reshape(-1, size)
        value = qkv[:, (heads + kv_heads) * size :].reshape(-1, size)
        # Reshaping the whole cache would copy it as well. [texts * kv_heads, length, size]
        keys = self.take(self.put(self.keys, write, key), read, 0)
        values = self.take(self.put(self.values, write, value), read, 0)
        if tokens > 1:
            query = query.reshape(texts, tokens, heads, size).transpose(0, 2, 1, 3)
        scores = self.products_transposed(query.reshape(group), keys)
        scores = scores.reshape(mask.shape) + mask
        shares = self.softmax(scores).reshape((*group[:2], -1))
        mixed = self.products(shares, values)
        if tokens > 1:
            mixed = mixed.reshape(texts, heads, tokens, size).transpose(0, 2, 1, 3)
        hidden = hidden + self.product(mixed.reshape(texts * tokens, heads * size), self.out)

        normal = _normalised(hidden, self.eps)
        gated = ops.silu(self.product(normal, self.gate)) * self.product(normal, self.up)
        return hidden + self.product(gated, self.down)


def _normalised(hidden, eps):
    """Each row over its root mean square; the norm's weight is in the matrix that comes next."""
    return hidden * ops.rsqrt((hidden * hidden).mean(-1, keep_dims=True) + eps)
