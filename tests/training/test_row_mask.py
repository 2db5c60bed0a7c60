"""The mask of packed rows in both its forms: added to scores, and what an NPU's flash attention leaves out."""

import mindspore
import numpy as np
from mindspore import Tensor

from abacus.training.packed import BLOCKED, RowMask

ROWS = np.array([[1, 1, 2, 2, 2, 0], [1, 2, 3, 3, 0, 0]], np.int32)  # 0 is padding


def test_a_token_sees_its_row_up_to_itself() -> None:
    """[batch, 1, seq, seq]; 1 is what flash attention discards, and no place of it is left without anything to see."""
    seen = np.tril(ROWS[:, :, None] == ROWS[:, None, :])[:, None]
    added = RowMask(6, mindspore.float32, flash=False)(Tensor(ROWS)).asnumpy()
    assert np.array_equal(added, np.where(seen, 0, BLOCKED))
    discarded = RowMask(6, mindspore.bfloat16, flash=True)(Tensor(ROWS)).asnumpy()
    assert discarded.dtype == np.uint8 and np.array_equal(discarded, ~seen)
    assert not discarded.all(-1).any()
