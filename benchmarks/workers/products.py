"""The matrix products of one forward pass of the default model, 576 tokens: GFLOP/s by MindSpore or torch.

python products.py torch bfloat16 figures.json
"""

import json
import sys
import time
from pathlib import Path

TOKENS, LAYERS, GOES = 576, 30, 5
REPEATED = 8  # products of one call
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

    def multiply(left, right):
        for _ in range(REPEATED):
            left @ right

    return lambda *shape: torch.randn(shape, dtype=dtype), multiply


def mindspore_product(kind):
    import mindspore
    import numpy as np
    from mindspore import Tensor, nn, ops

    from abacus.core.cores import place_threads

    class Products(nn.Cell):
        """In a graph, as they are used: a product that is called alone takes twice as long."""

        def __init__(self):
            super().__init__()
            self.product = ops.MatMul()

        def construct(self, left, right):
            found = self.product(left, right)
            for _ in range(REPEATED - 1):
                left = ops.depend(left, found)  # else they would be one
                found = self.product(left, right)
            return found[:1]

    mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
    products = Products()

    def multiply(left, right):
        products(left, right).asnumpy()  # waits for it, and copies a row
        place_threads()

    return lambda *shape: Tensor(np.random.standard_normal(shape).astype(kind)), multiply


def main(library, kind, figures):
    random, multiply = {"torch": torch_product, "mindspore": mindspore_product}[library](kind)
    seconds = flop = 0.0
    for inner, outer, count in SHAPES:
        left, right = random(TOKENS, inner), random(inner, outer)
        times = []
        for _ in range(2 * GOES):
            start = time.perf_counter()
            multiply(left, right)
            times.append((time.perf_counter() - start) / REPEATED)
        seconds += count * sorted(times)[GOES // 2]
        flop += 2 * TOKENS * inner * outer * count
    with Path(figures).open("w", encoding="utf-8") as file:
        json.dump({"rate": flop / seconds / 1e9}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
