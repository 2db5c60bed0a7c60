"""A Llama in small graphs of plain MindSpore, forward and back: weights are arguments, LoRA alone is trained.

Gradients are written out where MindSpore's own would compute again what is kept, which is most of them.

Hidden states are float32 [tokens, hidden], tokens being all places of a batch, sequence after sequence.
"""

from typing import NamedTuple

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.ops.auto_generate import SigmoidGrad

NORMS = ("attention_norm", "ffn_norm")
# The matrices of a layer, [outputs, inputs] each, in the order in which the graphs take them.
MATRICES = (*(f"attention.w{letter}" for letter in "qkvo"), *(f"feed_forward.w{digit}" for digit in "132"))

product, by_inputs, over_tokens = ops.MatMul(), ops.MatMul(transpose_b=True), ops.MatMul(transpose_a=True)
products, products_by_rows = ops.BatchMatMul(), ops.BatchMatMul(transpose_b=True)
products_over_rows = ops.BatchMatMul(transpose_a=True)
softmax, sigmoid_back = ops.Softmax(-1), SigmoidGrad()
gradient = ops.GradOperation(get_all=True, sens_param=True)


class Shape(NamedTuple):
    """What a layer's graphs know of it: arrays' sizes, and which of its matrices LoRA adapts, by their numbers."""

    batch: int
    seq: int
    heads: int
    kv_heads: int
    size: int  # of a head
    eps: float
    adapted: tuple[int, ...]
    scaling: float
    dropout: float

    @property
    def weights(self) -> int:
        """How many arrays a layer has: NORMS, MATRICES, then A [rank, inputs] and B [outputs, rank] of each adapted."""
        return len(NORMS) + len(MATRICES) + 2 * len(self.adapted)


class Norm(nn.Cell):
    """RMSNorm of [tokens, hidden]."""

    def __init__(self, eps: float) -> None:
        super().__init__(auto_prefix=False)
        self.eps = eps

    def construct(self, x, weight):
        return x * self.scale(x) * weight

    def scale(self, x):
        """One over each token's root mean square, [tokens, 1]."""
        return ops.rsqrt((x * x).mean(-1, keep_dims=True) + self.eps)

    def forward(self, x, weight):
        """The same numbers; written out in full first, for broadcasting takes three times as long."""
        tokens, hidden = x.shape
        return x * ops.tile(self.scale(x), (1, hidden)) * ops.tile(weight.reshape(1, -1), (tokens, 1))


def gated(gate, up):
    """What the last matrix of a layer is multiplied with, and how much of a gate is open."""
    opened = ops.sigmoid(gate)
    return gate * opened * up, opened


def ungated(dgated, gate, up, opened):
    """The gradients of `gate` and `up`."""
    dlet = dgated * up
    return dlet * opened + sigmoid_back(opened, dlet * gate), dgated * (gate * opened)


class Attention(nn.Cell):
    """Attention of all heads, rotary positions included, and its way back.

    Inside, the queries of one kv head lie together, so that keys and values are not repeated for them: a group is
    [batch * kv_heads, heads / kv_heads * seq, size]. `mask` is added to the scores, [batch * kv_heads,
    heads / kv_heads * seq, seq]; `frequencies` is MindFormers' FreqsMgr.
    """

    def __init__(self, shape: Shape, frequencies: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.batch, self.seq, self.kv_heads, self.size = shape.batch, shape.seq, shape.kv_heads, shape.size
        self.group = shape.heads // shape.kv_heads
        cos, sin = (
            np.tile(array.asnumpy()[: shape.seq], (shape.batch * shape.kv_heads, 1, 1))
            for array in (frequencies.freqs_cos, frequencies.freqs_sin)
        )
        self.cos, self.sin = Tensor(cos), Tensor(sin)
        # The scores' scale, 1 / sqrt(size), is in them.
        self.query_cos, self.query_sin = (
            Tensor(np.tile(array * np.float32(shape.size**-0.5), (1, self.group, 1))) for array in (cos, sin)
        )
        self.swap = frequencies.swap_mask  # (a, b) times it, halves of a head, is (-b, a)

    def grouped(self, x, group):
        """[tokens, kv_heads * group * size] as [batch * kv_heads, group * seq, size]."""
        x = x.reshape(self.batch, self.seq, self.kv_heads, group, self.size).transpose(0, 2, 3, 1, 4)
        return x.reshape(self.batch * self.kv_heads, group * self.seq, self.size)

    def by_token(self, x, group):
        """`grouped` undone."""
        x = x.reshape(self.batch, self.kv_heads, group, self.seq, self.size).transpose(0, 3, 1, 2, 4)
        return x.reshape(self.batch * self.seq, -1)

    def turned(self, x, cos, sin):
        """`x` [.., places, size] at its rotary positions."""
        return x * cos + product(x.reshape(-1, self.size), self.swap).reshape(x.shape) * sin

    def unturned(self, dx, cos, sin):
        """The gradient of what `turned` has turned."""
        return dx * cos + by_inputs((dx * sin).reshape(-1, self.size), self.swap).reshape(dx.shape)

    def forward(self, query, key, value, mask):
        """[tokens, heads * size] of queries, and keys and values [tokens, kv_heads * size]; then what `back` takes."""
        query = self.turned(self.grouped(query, self.group), self.query_cos, self.query_sin)
        key, value = self.turned(self.grouped(key, 1), self.cos, self.sin), self.grouped(value, 1)
        shares = softmax(products_by_rows(query, key) + mask)
        return self.by_token(products(shares, value), self.group), (query, key, value, shares)

    def back(self, dmixed, mixed, query, key, value, shares):
        """The gradients of queries, keys and values as `forward` took them."""
        # The sum of each row of dshares * shares, by what the shares have mixed: fewer numbers.
        sums = self.grouped(dmixed * mixed, self.group).sum(-1, keepdims=True)
        sums = ops.tile(sums, (1, 1, self.seq))
        dmixed = self.grouped(dmixed, self.group)
        dscores = shares * (products_by_rows(dmixed, value) - sums)
        dquery = self.unturned(products(dscores, key), self.query_cos, self.query_sin)
        dkey = self.unturned(products_over_rows(dscores, query), self.cos, self.sin)
        dvalue = products_over_rows(shares, dmixed)
        return self.by_token(dquery, self.group), self.by_token(dkey, 1), self.by_token(dvalue, 1)


class Matrix(nn.Cell):
    """One of a layer's frozen matrices and its LoRA, if it has one: how values go through it, and gradients back.

    `weights` are a layer's (see Shape), `masks` dropout's of each matrix that is adapted, none without dropout.
    """

    def __init__(self, shape: Shape, number: int) -> None:
        super().__init__(auto_prefix=False)
        self.own = len(NORMS) + number
        self.adapted = number in shape.adapted
        self.dropped = self.adapted and shape.dropout > 0
        self.turn = shape.adapted.index(number) if self.adapted else 0
        self.lora = len(NORMS) + len(MATRICES) + 2 * self.turn
        self.scaling = shape.scaling

    def forward(self, x, weights, masks):
        """`x` [tokens, inputs] multiplied: [tokens, outputs]."""
        y = by_inputs(x, weights[self.own])
        if self.adapted:
            kept = x * masks[self.turn] if self.dropped else x
            y = y + by_inputs(by_inputs(kept, weights[self.lora]), weights[self.lora + 1]) * self.scaling
        return y

    def back(self, dy, x, weights, masks):
        """The gradient of `x` given that of `y`, and those of A and B, if it has them."""
        dx = product(dy, weights[self.own])
        if not self.adapted:
            return dx, ()
        kept = x * masks[self.turn] if self.dropped else x
        low = by_inputs(kept, weights[self.lora])  # [tokens, rank]
        dscaled = dy * self.scaling
        dlow = product(dscaled, weights[self.lora + 1])
        dkept = product(dlow, weights[self.lora])
        dx = dx + (dkept * masks[self.turn] if self.dropped else dkept)
        return dx, (over_tokens(dlow, kept), over_tokens(dscaled, low))


class _Side(nn.Cell):
    """What both graphs of a layer hold."""

    def __init__(self, shape: Shape, attention: Attention) -> None:
        super().__init__(auto_prefix=False)
        self.attention, self.norm, self.weights = attention, Norm(shape.eps), shape.weights
        self.query, self.key, self.value, self.out, self.gate, self.up, self.down = (
            Matrix(shape, number) for number in range(len(MATRICES))
        )


class Forward(_Side):
    """A layer's output [tokens, hidden], then what its way back needs.

    `given` are the layer's weights, then dropout's masks, scaled, of each matrix that is adapted.
    """

    def construct(self, x, mask, *given):
        weights, masks = given[: self.weights], given[self.weights :]
        first = self.norm.forward(x, weights[0])
        query = self.query.forward(first, weights, masks)
        key = self.key.forward(first, weights, masks)
        value = self.value.forward(first, weights, masks)
        mixed, kept = self.attention.forward(query, key, value, mask)
        middle = x + self.out.forward(mixed, weights, masks)
        second = self.norm.forward(middle, weights[1])
        gate, up = self.gate.forward(second, weights, masks), self.up.forward(second, weights, masks)
        let, opened = gated(gate, up)
        y = middle + self.down.forward(let, weights, masks)
        return (y, first, mixed, middle, second, gate, up, opened, *kept)


class Back(_Side):
    """The gradient of a layer's input [tokens, hidden] given that of its output; then those of each LoRA's A and B.

    After the input come what Forward has kept and what it was given.
    """

    def construct(
        self, dy, x, first, mixed, middle, second, gate, up, opened, query, key, value, shares, *given
    ):
        weights, masks = given[: self.weights], given[self.weights :]
        dlet, ddown = self.down.back(dy, gate * opened * up, weights, masks)
        dgate, dup = ungated(dlet, gate, up, opened)
        by_gate, dgate = self.gate.back(dgate, second, weights, masks)
        by_up, dup = self.up.back(dup, second, weights, masks)
        dmiddle = dy + gradient(self.norm)(middle, weights[1], by_gate + by_up)[0]
        dmixed, dout = self.out.back(dmiddle, mixed, weights, masks)
        dquery, dkey, dvalue = self.attention.back(dmixed, mixed, query, key, value, shares)
        by_query, dquery = self.query.back(dquery, first, weights, masks)
        by_key, dkey = self.key.back(dkey, first, weights, masks)
        by_value, dvalue = self.value.back(dvalue, first, weights, masks)
        dx = dmiddle + gradient(self.norm)(x, weights[0], by_query + by_key + by_value)[0]
        return (dx, *dquery, *dkey, *dvalue, *dout, *dgate, *dup, *ddown)


class Head(nn.Cell):
    """The mean loss at what is learned, how many tokens that is, and the gradient of the hidden states it is made of."""

    def __init__(self, eps: float, ignored: int) -> None:
        super().__init__(auto_prefix=False)
        self.norm, self.ignored = Norm(eps), ignored
        self.largest, self.add = ops.ArgMaxWithValue(-1), ops.TensorScatterAdd()

    def construct(self, hidden, places, targets, norm, matrix):
        """`hidden` are [tokens, hidden] of the last layer, `places` and `targets` [batch, learned] a sequence's."""
        batch, tokens = places.shape[0], hidden.shape[0]
        begin = ops.cast(ops.arange(batch).reshape((batch, 1)) * (tokens // batch), mindspore.int32)
        at, targets = (places + begin).reshape((-1,)), targets.reshape((-1,))
        learned = ops.cast(targets != self.ignored, mindspore.float32)
        count = learned.sum()
        rows = ops.cast(ops.arange(targets.shape[0]), mindspore.int32)
        wanted = ops.stack((rows, ops.select(targets == self.ignored, ops.zeros_like(targets), targets)), 1)

        states = ops.gather(hidden, at, 0)
        logits = by_inputs(self.norm(states, norm), matrix)  # [batch * learned, vocabulary]
        shares = softmax(logits)
        likeliest, largest = self.largest(logits)
        # Minus the logarithm of the share of what is wanted, but that it may be too small for a float.
        likeliest = ops.gather_nd(shares, ops.stack((rows, ops.cast(likeliest, mindspore.int32)), 1))
        surprise = largest - ops.gather_nd(logits, wanted) - ops.log(likeliest)
        dlogits = self.add(shares, wanted, -ops.ones_like(learned))
        # Each row of `dlogits` times its part of the mean: here, where there are fewer numbers.
        dnormal = product(dlogits, matrix) * (learned / count).reshape((-1, 1))
        dstates = gradient(self.norm)(states, norm, dnormal)[0]
        return (surprise * learned).sum() / count, count, ops.unsorted_segment_sum(dstates, at, tokens)
