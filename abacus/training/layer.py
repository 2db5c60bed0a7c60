"""The two graphs of a Llama layer, forward and back, in plain MindSpore: weights are arguments, LoRA alone is trained.

Hidden states are float32 [tokens, hidden], tokens being all places of a batch, sequence after sequence.
"""

from typing import NamedTuple

import numpy as np
from mindspore import Tensor, nn, ops

from abacus.training.repeatable import RepeatableMask

NORMS = ("attention_norm", "ffn_norm")
# The matrices of a layer, [outputs, inputs] each, in the order in which the graphs take them.
MATRICES = (*(f"attention.w{letter}" for letter in "qkvo"), *(f"feed_forward.w{digit}" for digit in "132"))
KEPT = 7  # arrays of a layer for its way back, dropout's masks aside

product, by_inputs, over_tokens = ops.MatMul(), ops.MatMul(transpose_b=True), ops.MatMul(transpose_a=True)
products, products_transposed = ops.BatchMatMul(), ops.BatchMatMul(transpose_b=True)
softmax = ops.Softmax(-1)
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
        return x * ops.rsqrt((x * x).mean(-1, keep_dims=True) + self.eps) * weight


def gated(gate, up):
    """What the last matrix of a layer is multiplied with."""
    return ops.silu(gate) * up


class Attention(nn.Cell):
    """[tokens, heads * size] of queries [tokens, heads * size], keys and values [tokens, kv_heads * size].

    The queries of one kv head lie together, so that keys and values are not repeated for them. `mask` is added to
    the scores, [batch * kv_heads, heads / kv_heads * seq, seq]; `frequencies` is MindFormers' FreqsMgr.
    """

    def __init__(self, shape: Shape, frequencies: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.shape, self.group = shape, shape.heads // shape.kv_heads
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

    def turned(self, x, cos, sin):
        """`x` [places, size] at its rotary positions, in the shape of `cos` and `sin`."""
        return x.reshape(cos.shape) * cos + product(x, self.swap).reshape(cos.shape) * sin

    def construct(self, query, key, value, mask):
        batch, seq, kv_heads, size = self.shape.batch, self.shape.seq, self.shape.kv_heads, self.shape.size
        query = (
            query.reshape(batch, seq, kv_heads, self.group, size).transpose(0, 2, 3, 1, 4).reshape(-1, size)
        )
        key = key.reshape(batch, seq, kv_heads, size).transpose(0, 2, 1, 3).reshape(-1, size)
        value = value.reshape(batch, seq, kv_heads, size).transpose(0, 2, 1, 3).reshape(-1, seq, size)
        query = self.turned(query, self.query_cos, self.query_sin)  # [batch * kv_heads, group * seq, size]
        shares = softmax(products_transposed(query, self.turned(key, self.cos, self.sin)) + mask)
        mixed = products(shares, value).reshape(batch, kv_heads, self.group, seq, size)
        return mixed.transpose(0, 3, 1, 2, 4).reshape(batch * seq, -1)


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
    """A layer's output [tokens, hidden], then what its way back needs: KEPT arrays and dropout's masks."""

    def __init__(self, shape: Shape, attention: Attention, rank: int) -> None:
        super().__init__(shape, attention)
        self.dropped = shape.adapted if shape.dropout > 0 else ()
        self.mask = RepeatableMask(shape.dropout, rank)

    def construct(self, x, mask, step, *given):
        """`given`: the layer's weights, then the seed of each LoRA's dropout."""
        weights, seeds = given[: self.weights], given[self.weights :]
        masks = ()
        for turn, number in enumerate(self.dropped):
            inputs = weights[len(NORMS) + number].shape[1]
            masks += (self.mask(x.shape[0], inputs, seeds[turn], step),)
        normal = self.norm(x, weights[0])
        query = self.query.forward(normal, weights, masks)
        key = self.key.forward(normal, weights, masks)
        value = self.value.forward(normal, weights, masks)
        mixed = self.attention(query, key, value, mask)
        middle = x + self.out.forward(mixed, weights, masks)
        normal = self.norm(middle, weights[1])
        gate, up = self.gate.forward(normal, weights, masks), self.up.forward(normal, weights, masks)
        y = middle + self.down.forward(gated(gate, up), weights, masks)
        return (y, query, key, value, mixed, middle, gate, up, *masks)


class Back(_Side):
    """The gradient of a layer's input [tokens, hidden] given that of its output; then those of each LoRA's A and B.

    What is cheap to compute again is: norms, attention, gates.
    """

    def construct(self, dy, x, mask, query, key, value, mixed, middle, gate, up, *given):
        """`given`: the layer's weights, then dropout's masks."""
        weights, masks = given[: self.weights], given[self.weights :]
        dgated, ddown = self.down.back(dy, gated(gate, up), weights, masks)
        dgate, dup = gradient(gated)(gate, up, dgated)
        normal = self.norm(middle, weights[1])
        by_gate, dgate = self.gate.back(dgate, normal, weights, masks)
        by_up, dup = self.up.back(dup, normal, weights, masks)
        dmiddle = dy + gradient(self.norm)(middle, weights[1], by_gate + by_up)[0]
        dmixed, dout = self.out.back(dmiddle, mixed, weights, masks)
        dquery, dkey, dvalue = gradient(self.attention)(query, key, value, mask, dmixed)[:3]
        normal = self.norm(x, weights[0])
        by_query, dquery = self.query.back(dquery, normal, weights, masks)
        by_key, dkey = self.key.back(dkey, normal, weights, masks)
        by_value, dvalue = self.value.back(dvalue, normal, weights, masks)
        dx = dmiddle + gradient(self.norm)(x, weights[0], by_query + by_key + by_value)[0]
        return (dx, *dquery, *dkey, *dvalue, *dout, *dgate, *dup, *ddown)
