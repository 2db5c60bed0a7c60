"""The mask of packed rows in both its forms: added to scores, and what an NPU's flash attention leaves out.

And the packed model in half precision: in float16, for bfloat16 is not among what MindSpore's CPU kernels take.
"""

import mindspore
import numpy as np
import pytest
from mindformers import LlamaConfig
from mindspore import Tensor

from abacus.profile import load
from abacus.text.prompt import IGNORED
from abacus.training.packed import BLOCKED, PackedLlamaForCausalLM, RowMask
from tests.training import PROFILES

ROWS = np.array([[1, 1, 2, 2, 2, 0], [1, 2, 3, 3, 0, 0]], np.int32)  # 0 is padding


def test_a_token_sees_its_row_up_to_itself() -> None:
    """[batch, 1, seq, seq]; 1 is what flash attention discards, and no place of it is left without anything to see."""
    seen = np.tril(ROWS[:, :, None] == ROWS[:, None, :])[:, None]
    added = RowMask(6, mindspore.float32, flash=False)(Tensor(ROWS)).asnumpy()
    assert np.array_equal(added, np.where(seen, 0, BLOCKED))
    discarded = RowMask(6, mindspore.bfloat16, flash=True)(Tensor(ROWS)).asnumpy()
    assert discarded.dtype == np.uint8 and np.array_equal(discarded, ~seen)
    assert not discarded.all(-1).any()


def tiny(kind: str) -> PackedLlamaForCausalLM:
    """The tiny profile's model, which computes and is kept in this type, for sequences of 64."""
    options = load.profile("tiny", PROFILES).compute.options
    own = {"compute_dtype": kind, "param_init_type": kind, "seq_length": 64, "batch_size": 1}
    return PackedLlamaForCausalLM(config=LlamaConfig(**options | own)).set_train()


@pytest.mark.slow
def test_half_precision_gives_the_same_loss() -> None:
    """Its mask, the places that are picked and the logits pass through other types than in float32."""
    ids = np.arange(32, 96, dtype=np.int32)[None]
    rows = np.repeat([[1, 2, 3, 0]], 16, axis=1).astype(np.int32)
    places = np.arange(16, dtype=np.int32)[None]
    given = [Tensor(one) for one in (ids, rows, places, np.where(places < 12, ids[:, 1:17], IGNORED))]
    whole, half = tiny("float32"), tiny("float16")
    kinds = {parameter.name: parameter.dtype for parameter in half.get_parameters()}
    weights = {
        one.name: mindspore.Parameter(one.value().astype(kinds[one.name])) for one in whole.get_parameters()
    }
    assert mindspore.load_param_into_net(half, weights) == ([], [])
    losses = [float(model(*given).asnumpy()) for model in (whole, half)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert losses[1] != losses[0]
