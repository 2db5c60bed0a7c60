"""Dropout of one training step of the default run, forward and backward: repeatable or MindSpore's own.

    python dropout.py ours figures.json

That is 60 times, a LoRA layer each, two sequences of 288 places and 576 channels; the second of two goes counts.
"""

import sys
import time
from pathlib import Path

import mindspore
from mindspore import Tensor, nn

from abacus.core.documents import write_json
from abacus.training.dropout import Dropout

LAYERS, SEQUENCES, PLACES, CHANNELS = 60, 2, 288, 576


class Masked(nn.Cell):
    """Dropout whose mask is given."""

    def construct(self, x, mask):
        return x * mask


def main(which: str, figures: str) -> None:
    mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
    ours = which == "ours"
    gradient = mindspore.value_and_grad((Masked() if ours else nn.Dropout(p=0.2)).set_train())
    x = mindspore.ops.standard_normal((SEQUENCES * PLACES, CHANNELS))
    for step in range(2):
        start = time.perf_counter()
        for layer in range(LAYERS):
            mask = Dropout(0.2, layer, CHANNELS).mask(step, range(SEQUENCES), PLACES) if ours else None
            found, _ = gradient(x, Tensor.from_numpy(mask)) if ours else gradient(x)
        found.asnumpy()
        seconds = time.perf_counter() - start
    write_json(Path(figures), {"seconds": seconds})


if __name__ == "__main__":
    main(*sys.argv[1:])
