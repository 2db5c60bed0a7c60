"""The matrix products of one forward pass of the default model, 576 tokens: GFLOP/s by MindSpore or torch.

python products.py torch bfloat16 figures.json
"""

import json
import sys
import time
from pathlib import Path

TOKENS, LAYERS, GOES = 576, 30, 5
# input, output, and how many in a layer; the output layer at last
SHAPES = [
    (576, 960, LAYERS),
    (576, 576, LAYERS),
    (576, 1536, 2 * LAYERS),
    (1536, 576, LAYERS),
    (576, 49152, 1),
]


def torch_product(kind):
    import torch

    dtype = getattr(torch, kind)
    torch.set_grad_enabled(False)
    return lambda *shape: torch.randn(shape, dtype=dtype), torch.matmul


def mindspore_product(kind):
    import mindspore
    import numpy as np

    mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
    product = mindspore.ops.MatMul()

    def random(*shape):
        return mindspore.Tensor(np.random.standard_normal(shape).astype(kind))

    def multiply(left, right):
        return product(left, right)[:1].asnumpy()  # waits for it, and copies a row

    return random, multiply


def main(library, kind, figures):
    random, multiply = {"torch": torch_product, "mindspore": mindspore_product}[library](kind)
    seconds = flop = 0.0
    for inner, outer, count in SHAPES:
        left, right = random(TOKENS, inner), random(inner, outer)
        times = []
        for _ in range(2 * GOES):
            start = time.perf_counter()
            multiply(left, right)
            times.append(time.perf_counter() - start)
        seconds += count * sorted(times)[GOES // 2]
        flop += 2 * TOKENS * inner * outer * count
    with Path(figures).open("w", encoding="utf-8") as file:
        json.dump({"rate": flop / seconds / 1e9}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
