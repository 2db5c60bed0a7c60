"""What MindFormers needs to train off Ascend, as registered classes that a profile names in its YAML."""

import mindspore
from mindformers.tools.register import MindFormerModuleType, MindFormerRegister
from mindformers.wrapper import MFTrainOneStepCell
from mindpet.delta.lora import LoRADense
from mindspore import nn, ops


class RepeatableDropout(nn.Cell):
    """Dropout with the same masks in every process that uses the same `seed` (not 0: that is "no seed").

    MindSpore's own dropout on a CPU gives other masks from one process to the next, seeded or not.
    """

    def __init__(self, p: float, seed: int) -> None:
        super().__init__()
        self.p = p
        self.scale = 1 / (1 - p)
        self.uniform = ops.UniformReal(seed=seed)

    def construct(self, x):
        if not self.training:
            return x
        keep = self.uniform(ops.shape(x)) >= self.p
        return x * ops.cast(keep, x.dtype) * self.scale


def repeatable(network: nn.Cell, seed: int) -> int:
    """Give every LoRA layer of `network` a repeatable dropout with a seed of its own; return their number."""
    layers = [cell for _, cell in network.cells_and_names() if isinstance(cell, LoRADense)]
    for number, layer in enumerate(layers):
        own = 1 + (seed * 10_007 + number) % (2**31 - 2)
        if layer.lora_dropout.p > 0:
            training = layer.lora_dropout.training
            layer.lora_dropout = RepeatableDropout(layer.lora_dropout.p, own).set_train(training)
    return len(layers)


@MindFormerRegister.register(MindFormerModuleType.WRAPPER)
class PortableTrainOneStepCell(MFTrainOneStepCell):
    """MindFormers' training step with two things of Ascend or of chance replaced.

    The overflow flag comes from the gradients, not from an Ascend register; LoRA's dropout repeats.
    """

    def __init__(self, network, optimizer, **options):
        repeatable(network, mindspore.get_seed() or 1)
        super().__init__(network, optimizer, **options)

    def get_overflow_status(self, status, compute_output):
        """True if any gradient has a value that is not finite."""
        finite = True
        for gradient in compute_output:
            finite = ops.logical_and(finite, ops.isfinite(gradient).all())
        return ops.logical_not(finite)
