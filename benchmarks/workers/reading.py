"""How fast all cores together read memory, in GB/s: the largest values of vectors far larger than any cache.

python reading.py figures.json
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

SIZE, GOES = 1 << 29, 5  # bytes for each core


def main(figures: str) -> None:
    cores = len(os.sched_getaffinity(0))
    vectors = [np.ones(SIZE // 4, np.float32) for _ in range(cores)]
    times = []
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(GOES):
            start = time.perf_counter()
            list(pool.map(np.max, vectors))
            times.append(time.perf_counter() - start)
    with Path(figures).open("w", encoding="utf-8") as file:
        json.dump({"rate": cores * SIZE / min(times) / 1e9}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
