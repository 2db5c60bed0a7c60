"""A layer's way back, as it is written out, against MindSpore's own gradients of its way forward."""

from collections.abc import Sequence
from types import SimpleNamespace

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from abacus.training.layer import MATRICES, NORMS, Attention, Back, Forward, Head, Shape

BATCH, SEQ, HEADS, KV_HEADS, SIZE, GATED, RANK, WORDS = 2, 6, 4, 2, 8, 24, 3, 29
HIDDEN, TOKENS = HEADS * SIZE, BATCH * SEQ
INPUTS = (HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN, GATED)
OUTPUTS = (HIDDEN, KV_HEADS * SIZE, KV_HEADS * SIZE, HIDDEN, GATED, GATED, HIDDEN)
EVERY = tuple(range(len(MATRICES)))


@pytest.fixture(scope="module", autouse=True)
def graphs() -> None:
    mindspore.set_context(mode=mindspore.GRAPH_MODE)


def drawn(source: np.random.Generator, *shape: int) -> Tensor:
    return Tensor(source.standard_normal(shape).astype(np.float32))


class Whole(nn.Cell):
    """A layer's output alone, of what is differentiated and then the rest."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.forward = forward

    def construct(self, x, mask, *given):
        return self.forward(x, mask, *given)[0]


class Gradients(nn.Cell):
    """MindSpore's own, of all arguments."""

    def __init__(self, cell: nn.Cell) -> None:
        super().__init__()
        self.cell, self.gradient = cell, ops.GradOperation(get_all=True, sens_param=True)

    def construct(self, *arguments):
        return self.gradient(self.cell)(*arguments)


def close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        size = np.abs(other.asnumpy()).max()
        assert size > 0 and np.abs(one.asnumpy() - other.asnumpy()).max() < 1e-5 * size


@pytest.mark.parametrize(("adapted", "dropout"), [((0, 2), 0.25), (EVERY, 0.25), ((1, 6), 0.0), ((), 0.0)])
def test_a_layer_goes_back_as_mindspore_does(adapted: tuple[int, ...], dropout: float) -> None:
    source = np.random.default_rng(5)
    shape = Shape(BATCH, SEQ, HEADS, KV_HEADS, SIZE, 1e-5, adapted, 2.0, dropout)
    angles = np.outer(np.arange(50), 0.3 ** np.arange(SIZE // 2))
    cos, sin = (np.tile(turn(angles), 2).astype(np.float32) for turn in (np.cos, np.sin))
    half = SIZE // 2
    swap = np.block([[np.zeros((half, half)), np.eye(half)], [-np.eye(half), np.zeros((half, half))]])
    frequencies = SimpleNamespace(
        freqs_cos=Tensor(cos), freqs_sin=Tensor(sin), swap_mask=Tensor(swap.astype(np.float32))
    )
    attention = Attention(shape, frequencies)
    seen = np.where(np.tri(SEQ), 0.0, -10_000.0).astype(np.float32)
    mask = Tensor(np.tile(seen, (BATCH * KV_HEADS, HEADS // KV_HEADS, 1)))
    x, dy = drawn(source, TOKENS, HIDDEN), drawn(source, TOKENS, HIDDEN)
    weights = [drawn(source, HIDDEN) for _ in NORMS]
    weights += [drawn(source, OUTPUTS[n], INPUTS[n]) / INPUTS[n] ** 0.5 for n in EVERY]
    weights += [
        drawn(source, *size) * 0.2 for n in adapted for size in ((RANK, INPUTS[n]), (OUTPUTS[n], RANK))
    ]
    kept = [source.random((TOKENS, INPUTS[n])) >= dropout for n in adapted if dropout]
    masks = [Tensor((one / (1 - dropout)).astype(np.float32)) for one in kept]
    forward = Forward(shape, attention)
    _, *between = forward(x, mask, *weights, *masks)
    found = Back(shape, attention)(dy, x, *between, *weights, *masks)
    every = Gradients(Whole(forward))(x, mask, *weights, *masks, dy)
    lora = 2 + len(NORMS) + len(MATRICES)
    close(found, (every[0], *every[lora : lora + 2 * len(adapted)]))


class Mean(nn.Cell):
    """The loss as MindSpore has it."""

    def construct(self, hidden, at, targets, norm, matrix):
        states = ops.gather(hidden, at, 0)
        states = states * ops.rsqrt((states * states).mean(-1, keep_dims=True) + 1e-5) * norm
        return ops.cross_entropy(ops.matmul(states, matrix.T), targets, ignore_index=-100)


@pytest.mark.parametrize("size", [1.0, 300.0], ids=["usual", "certain"])
def test_the_head_s_loss_and_gradient_are_mindspore_s(size: float) -> None:
    """Of places that stand several times and learn nothing, too, and of a loss too large for a float's exponent."""
    source = np.random.default_rng(6)
    hidden, norm = drawn(source, TOKENS, HIDDEN), drawn(source, HIDDEN)
    matrix = drawn(source, WORDS, HIDDEN) * size
    places = np.array([[1, 3, 4, 0], [0, 5, 0, 0]], np.int32)
    targets = np.array([[7, 28, 0, -100], [5, 6, -100, -100]], np.int32)
    head = Head(1e-5, -100)
    loss, count, change = head(hidden, Tensor(places), Tensor(targets), norm, matrix)
    begin = np.array([[0], [SEQ]], np.int32)
    at = Tensor((places + begin).reshape(-1))
    arguments = (hidden, at, Tensor(targets.reshape(-1)), norm, matrix)
    assert count.asnumpy() == 5
    assert loss.asnumpy() == pytest.approx(Mean()(*arguments).asnumpy(), rel=1e-5)
    assert size == 1.0 or loss.asnumpy() > 90
    close([change], [Gradients(Mean())(*arguments, Tensor(np.float32(1)))[0]])
