"""Llama over rows that share sequences, for less of what is computed for nothing: padding, and logits nobody learns from.

Importing this module imports MindFormers: do it within `quiet.framework_log`.
"""

import mindspore
import numpy as np
from mindformers import LlamaConfig, LlamaForCausalLM
from mindformers.tools.register import MindFormerModuleType, MindFormerRegister
from mindspore import nn, ops

BLOCKED = -10_000.0  # added to a score: MindFormers' own


class RowMask(nn.Cell):
    """MindFormers' causal mask, but that a token sees no other row than its own.

    Takes the number of its row for each place, int32 [batch, seq]; gives [batch, 1, seq, seq] as MindFormers' cell
    does: BLOCKED or 0 to be added to the scores or, for flash attention, uint8 1 or 0.
    """

    def __init__(self, seq_length: int, dtype: mindspore.Type, flash: bool) -> None:
        super().__init__()
        self.dtype, self.flash = dtype, flash
        self.lower = mindspore.Tensor(np.tril(np.ones((1, seq_length, seq_length), np.bool_)))

    def construct(self, rows):
        batch, seq = rows.shape
        own = ops.equal(rows.reshape((batch, seq, 1)), rows.reshape((batch, 1, seq)))
        seen = ops.logical_and(own, self.lower).reshape((batch, 1, seq, seq))
        if self.flash:
            return ops.cast(ops.logical_not(seen), mindspore.uint8)
        return (1 - ops.cast(seen, self.dtype)) * BLOCKED


@MindFormerRegister.register(MindFormerModuleType.MODELS)
class PackedLlamaForCausalLM(LlamaForCausalLM):
    """LlamaForCausalLM that is trained on packed rows; its weights and their names are the same.

    Rotary positions are relative, so a row's scores are the same wherever in a sequence it lies, up to rounding.
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config=config)  # by name: lazy_inline would write a positional one out as text
        self.hidden_size = config.hidden_size
        self.model.casual_mask = RowMask(config.seq_length, config.compute_dtype, config.use_flash_attention)

    def construct(self, input_ids, rows, places, targets):
        """The mean loss over what is learned.

        `input_ids` and `rows` (0 is padding) are int32 [batch, seq]; at `places` [batch, learned] of a sequence the
        token `targets` [batch, learned] comes next, or nothing that is learned (`ignore_token_id`).
        """
        batch, seq = input_ids.shape
        hidden = self.model(rows, self.model.tok_embeddings(input_ids))  # [batch, seq, hidden]
        begin = ops.arange(batch).reshape((batch, 1)) * seq
        at = (places + ops.cast(begin, mindspore.int32)).reshape((-1,))
        hidden = ops.gather(hidden.reshape((batch * seq, self.hidden_size)), at, 0)
        logits = ops.cast(self.lm_head(hidden), mindspore.float32)  # [batch * learned, vocabulary]
        return ops.cross_entropy(logits, targets.reshape((-1,)), ignore_index=self.ignore_token_id)
