"""Dropout of one training step of the default run, forward and backward: repeatable or MindSpore's own.

    python dropout.py ours figures.json

That is 60 times, a LoRA layer each, 576 places and 576 channels; the second of two goes counts.
"""

import sys
import time
from pathlib import Path

import mindspore
from mindspore import nn

from abacus.core.documents import write_json
from abacus.training.repeatable import RepeatableDropout

LAYERS, PLACES, CHANNELS = 60, 576, 576


def main(which: str, figures: str) -> None:
    mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
    step = mindspore.Parameter(mindspore.Tensor([0], mindspore.int32), name="step", requires_grad=False)
    layer = RepeatableDropout(0.2, 7, step) if which == "ours" else nn.Dropout(p=0.2)
    gradient = mindspore.value_and_grad(layer.set_train())
    x = mindspore.ops.standard_normal((PLACES, CHANNELS))
    for _ in range(2):
        start = time.perf_counter()
        for _ in range(LAYERS):
            found, _ = gradient(x)
        found.asnumpy()
        seconds = time.perf_counter() - start
    write_json(Path(figures), {"seconds": seconds})


if __name__ == "__main__":
    main(*sys.argv[1:])
