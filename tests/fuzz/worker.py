"""One process that fuzzes one target: it says on a board which input it is at, and writes down what it finds.

    python -m tests.fuzz.worker TARGET --seed 1 --start 0 --stop 1000 --out FOLDER

Input number n of a target depends on the seed, the target's name and n alone, whoever runs it and from where.
"""

import argparse
import json
import os
import resource
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.fuzz import models, problems, readers
from tests.fuzz.contract import Finding, Target

TARGETS: tuple[Target, ...] = (*readers.TARGETS, *problems.TARGETS, *models.TARGETS)
NAMED = {target.name: target for target in TARGETS}
OUT = Path(".scratch/fuzz")
BOARD, FOUND, SAID = "board", "findings.jsonl", "said.txt"
STATE = struct.Struct("<QQdQ")  # the input at work, good ones so far, the slowest one's seconds and number
NOT_BEGUN = 2**64 - 1  # the input at work while all is being imported
WARM = -1  # the seed of inputs that count for nothing
MEMORY = 1 << 30  # what a tiny input may ask for, more than the process has once all is imported


def make(target: Target, seed: int, number: int) -> bytes:
    """Input `number` of a target."""
    return target.make(Random(f"{seed}/{target.name}/{number}"))


def fuzz(target: Target, seed: int, numbers: range, folder: Path) -> Iterator[tuple[int, bool, float, str]]:
    """Yield each input's number before it is tried (with no seconds), then whether it is good, seconds and finding."""
    for number in numbers:
        data = make(target, seed, number)
        yield number, False, 0.0, ""
        start, good, finding = time.perf_counter(), False, ""
        try:
            good = target.check(data, folder)
        except (Finding, AssertionError) as error:
            finding = str(error)
        except Exception as error:
            finding = f"{type(error).__name__}: {error}"
        yield number, good, time.perf_counter() - start, finding


def limit_memory() -> None:
    """Let this process take no more than MEMORY above what it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz one target.")
    parser.add_argument("target", choices=NAMED)
    for name in ("seed", "start", "stop"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    to = parser.parse_args()
    target = NAMED[to.target]
    with TemporaryDirectory() as warm:  # what is imported late, caches: not an input's doing
        for _ in fuzz(target, WARM, range(20), Path(warm)):
            pass
    limit_memory()
    with (
        TemporaryDirectory(dir="/dev/shm") as folder,
        (to.out / BOARD).open("r+b", buffering=0) as board,
        (to.out / FOUND).open("a", encoding="utf-8") as found,
    ):
        good, slowest = 0, (0.0, to.start)
        for number, fine, seconds, finding in fuzz(target, to.seed, range(to.start, to.stop), Path(folder)):
            good, slowest = good + fine, max(slowest, (seconds, number))
            board.seek(0)
            board.write(STATE.pack(number, good, *slowest))
            if finding:
                print(json.dumps({"number": number, "finding": finding[:500]}), file=found, flush=True)
        board.seek(0)
        board.write(STATE.pack(to.stop, good, *slowest))


if __name__ == "__main__":
    main()
