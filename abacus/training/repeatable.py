"""Registered classes that a profile names in its YAML: what MindFormers needs to train off Ascend,

to give the same bytes from one process to the next, and the same loss over any number of data-parallel ranks.
"""

from typing import Any

import mindspore
from mindformers.tools.register import MindFormerModuleType, MindFormerRegister
from mindformers.tools.utils import get_real_group_size, get_real_rank
from mindformers.wrapper import MFTrainOneStepCell
from mindformers.wrapper.wrapper import get_real_models
from mindpet.delta.lora import LoRADense
from mindspore import nn, ops
from mindspore.dataset import MindDataset, SubsetSampler


@MindFormerRegister.register(MindFormerModuleType.DATASET_LOADER)
class BatchShares:
    """MindDataset in its own order, of which each rank reads its part of every global batch.

    MindDataset's own shards are halves of the file: with them a batch would hold other rows than it
    does on one rank, and a run could not be repeated on another number of ranks.
    """

    def __new__(
        cls,
        dataset_dir: str,
        column_names: list[str],
        batch_size: int,
        num_shards: int | None = None,
        shard_id: int | None = None,
        **_: Any,
    ) -> MindDataset:
        """`batch_size` rows a rank; with tensor parallel there are no shards: every rank reads all."""
        if num_shards in (None, 1):
            return MindDataset(dataset_dir, columns_list=list(column_names), shuffle=False)
        rows = MindDataset(dataset_dir, shuffle=False).get_dataset_size()
        batch = batch_size * num_shards
        own = range(shard_id * batch_size, (shard_id + 1) * batch_size)
        indices = [start + row for start in range(0, rows - batch + 1, batch) for row in own]
        return MindDataset(dataset_dir, columns_list=list(column_names), sampler=SubsetSampler(indices))


# Odd numbers whose products spread bits well: of the 32-bit hash `lowbias32` (https://nullprogram.com/blog/2018/07/31/).
SPREAD, SPREAD_AGAIN = 0x7FEB352D, 0x846CA68B


class RepeatableDropout(nn.Cell):
    """Dropout whose mask is a function of `seed`, of the step, and of a value's row in the batch, place and channel.

    So it is the same in every process (MindSpore's own is not on a CPU, seeded or not), in a run that goes on
    after `step` as in one that never stopped, and for a row whichever of the ranks has it. The uniform numbers
    are a hash, of 32 bits: for each row and place one, for each channel one, and of both together one more.
    """

    def __init__(self, p: float, seed: int, step: mindspore.Parameter, rank: int = 0) -> None:
        super().__init__()
        self.p, self.number, self.rank, self.step = p, seed, rank, step
        self.seed = mindspore.Tensor(seed % 2**32, mindspore.uint32)
        self.least = mindspore.Tensor(round(p * 2**32), mindspore.uint32)
        self.scale = 1 / (1 - p)
        self.xor, self.shift = ops.BitwiseXor(), ops.RightShift()
        numbers = (SPREAD, SPREAD_AGAIN, 16, 15)
        self.spread, self.again, self.half, self.most = (
            mindspore.Tensor(number, mindspore.uint32) for number in numbers
        )

    def hashed(self, x):
        """`x` (uint32) with its bits mixed."""
        x = self.xor(x, self.shift(x, self.half)) * self.spread
        x = self.xor(x, self.shift(x, self.most)) * self.again
        return self.xor(x, self.shift(x, self.half))

    def construct(self, x):
        if not self.training:
            return x
        tokens, channels = ops.shape(x)  # LoRADense gives the batch's rows one after the other
        places = ops.cast(ops.arange(self.rank * tokens, (self.rank + 1) * tokens), mindspore.uint32)
        key = self.hashed(self.hashed(ops.cast(self.step, mindspore.uint32)) + self.seed)
        places = self.hashed(places + key).reshape((tokens, 1))
        columns = self.hashed(self.hashed(ops.cast(ops.arange(channels), mindspore.uint32)) + key)
        # Half of a hash: its parts are mixed already, and this is done for every value.
        both = self.xor(places, columns) * self.spread
        keep = self.xor(both, self.shift(both, self.most)) * self.again >= self.least
        return x * ops.cast(keep, x.dtype) * self.scale


def repeatable(network: nn.Cell, seed: int, step: mindspore.Parameter) -> int:
    """Give every LoRA layer of `network` a repeatable dropout with a seed of its own; return their number.

    `step` is the count of steps made, which the optimiser keeps and checkpoints hold.
    """
    step.requires_grad = False  # else it would count as a weight of the layers that read it
    layers = [cell for _, cell in network.cells_and_names() if isinstance(cell, LoRADense)]
    for number, layer in enumerate(layers):
        own = 1 + (seed * 10_007 + number) % (2**31 - 2)
        if layer.lora_dropout.p > 0:
            training = layer.lora_dropout.training
            dropout = RepeatableDropout(layer.lora_dropout.p, own, step, get_real_rank())
            layer.lora_dropout = dropout.set_train(training)
    return len(layers)


@MindFormerRegister.register(MindFormerModuleType.WRAPPER)
class TokenMeanTrainOneStepCell(MFTrainOneStepCell):
    """MindFormers' training step whose loss is the mean over the learned tokens of all data-parallel ranks.

    MindFormers averages the ranks' own means, in which a token of a rank with few learned tokens counts more.
    """

    def __init__(self, network, optimizer, **options):
        super().__init__(network, optimizer, **options)
        self.ranks = get_real_group_size()
        model = get_real_models(network)
        self.pad, self.ignored = model.pad_token_id, model.ignore_token_id
        self.sum = ops.AllReduce() if self.ranks > 1 else None

    def grads_for_legacy(self, scaling_sens, *inputs):
        """Loss, gradients, and the factor that MFTrainOneStepCell divides the gradients by."""
        # Not by `super()`, which in a graph is this method again.
        loss = self.network(*inputs)
        sens = ops.ones_like(loss) * ops.cast(scaling_sens, loss.dtype)
        grads = self.grad(self.network, self.weights)(*inputs, sens)
        if len(inputs) == 2:  # a row each, [rows, seq_length + 1]
            tokens, labels = inputs[0][:, :-1], inputs[1][:, 1:]
            learned = ops.logical_and(tokens != self.pad, labels != self.ignored)
        else:  # packed: the last are the targets
            learned = inputs[3] != self.ignored
        loss, factor = self.shared(loss, ops.cast(learned, mindspore.float32).sum())
        return loss, grads, factor

    def shared(self, loss, learned):
        """The loss over all ranks given that of this one and how many tokens it has learned from, and the factor."""
        factor = self.grad_scale_factor
        if self.ranks > 1:
            count = learned.reshape((1,))
            # What is averaged over the ranks afterwards: this rank's sum over the mean count of a rank.
            share = count * self.ranks / self.sum(count)
            loss = (self.sum(loss * share) / self.ranks).reshape(())
            factor = factor / share
        return loss, factor


@MindFormerRegister.register(MindFormerModuleType.WRAPPER)
class PortableTrainOneStepCell(TokenMeanTrainOneStepCell):
    """The training step with two things of Ascend or of chance replaced.

    The overflow flag comes from the gradients, not from an Ascend register; LoRA's dropout repeats.
    """

    def __init__(self, network, optimizer, **options):
        repeatable(network, mindspore.get_seed() or 1, optimizer.global_step)
        super().__init__(network, optimizer, **options)

    def get_overflow_status(self, status, compute_output):
        """True if any gradient has a value that is not finite."""
        finite = True
        for gradient in compute_output:
            finite = ops.logical_and(finite, ops.isfinite(gradient).all())
        return ops.logical_not(finite)
