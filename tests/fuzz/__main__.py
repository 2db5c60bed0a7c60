"""Fuzz every target, or those named: `make fuzz [N=1000000] [TARGET=name] [SEED=1]`.

Each target runs in a process of its own. One that dies or does not move on for LIMIT seconds has met a finding too;
the next process goes on behind it. The inputs that were found are saved; the exit code is 1 if there are any.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from tests.fuzz.contract import Target
from tests.fuzz.worker import BOARD, FOUND, NAMED, NOT_BEGUN, OUT, SAID, STATE, TARGETS, make

LIMIT = 20.0  # seconds without a move: on a busy machine an input of milliseconds may take some
IMPORTS = 120.0  # seconds until the first input: MindSpore takes some
KEPT = 20  # findings of a target whose inputs are saved


@dataclass
class Result:
    """What came of a target."""

    target: Target
    inputs: int = 0
    good: int = 0
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, 0)
    findings: dict[int, str] = field(default_factory=dict)


def run(target: Target, seed: int, count: int, out: Path, bar: tqdm) -> Result:
    """Fuzz one target with `count` inputs."""
    result, begun, start = Result(target), time.monotonic(), 0
    while start < count:
        number, ended = watch(target, seed, start, count, out, bar)
        last, good, *slowest = STATE.unpack((out / BOARD).read_bytes())
        result.good += good
        result.slowest = max(result.slowest, tuple(slowest))
        if ended:
            result.findings[number] = ended
        start = last + 1 if ended else count
    result.inputs, result.seconds = count, time.monotonic() - begun
    for line in (out / FOUND).read_text(encoding="utf-8").splitlines():
        found = json.loads(line)
        result.findings[found["number"]] = found["finding"]
    return result


def watch(target: Target, seed: int, start: int, stop: int, out: Path, bar: tqdm) -> tuple[int, str]:
    """Run one worker to its end; return the last input's number, and what was wrong if it did not end well."""
    (out / BOARD).write_bytes(STATE.pack(NOT_BEGUN, 0, 0.0, start))
    words = ["--seed", str(seed), "--start", str(start), "--stop", str(stop), "--out", str(out)]
    command = [sys.executable, "-m", "tests.fuzz.worker", target.name, *words]
    at, moved, limit = NOT_BEGUN, time.monotonic(), IMPORTS
    with (out / SAID).open("ab") as said, subprocess.Popen(command, stdout=said, stderr=said) as worker:
        try:
            while worker.poll() is None:
                time.sleep(0.1)
                number = STATE.unpack((out / BOARD).read_bytes())[0]
                if number != at:
                    bar.update(number - (start if at == NOT_BEGUN else at))
                    at, moved, limit = number, time.monotonic(), LIMIT
                elif time.monotonic() - moved > limit:
                    worker.kill()
                    worker.wait()
                    return begun(at, out), f"no end within {limit:.0f} s"
        except BaseException:
            worker.kill()
            raise
    number = begun(STATE.unpack((out / BOARD).read_bytes())[0], out)
    bar.update(number - (start if at == NOT_BEGUN else at))
    return number, f"the process died with exit code {worker.returncode}" if worker.returncode else ""


def begun(number: int, out: Path) -> int:
    """Return the input's number; RuntimeError if the worker never came to one, which is no input's fault."""
    if number == NOT_BEGUN:
        said = (out / SAID).read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"the worker did not begin: {said[-1000:]}")
    return number


def save(result: Result, seed: int, out: Path) -> None:
    """Save the inputs of a target's first findings, each with what was found."""
    for number, finding in sorted(result.findings.items())[:KEPT]:
        place = out / f"{result.target.name.replace(' ', '-')}-{seed}-{number}"
        place.write_bytes(make(result.target, seed, number))
        place.with_name(f"{place.name}.txt").write_text(finding + "\n", encoding="utf-8")


def table(results: list[Result]) -> str:
    """The table of all targets, in Markdown."""
    lines = [
        "| target | inputs | good | seconds | inputs/s | slowest, ms | findings |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for r in results:
        rate, slow = r.inputs / max(r.seconds, 1e-9), 1000 * r.slowest[0]
        lines.append(
            f"| {r.target.name} | {r.inputs:,} | {r.good:,} | {r.seconds:.0f} | {rate:,.0f} | {slow:.0f} | {len(r.findings)} |"
        )
    inputs, seconds = sum(r.inputs for r in results), sum(r.seconds for r in results)
    found = sum(len(r.findings) for r in results)
    good = sum(r.good for r in results)
    return "\n".join(
        [*lines, f"| all | {inputs:,} | {good:,} | {seconds:.0f} | {inputs / seconds:,.0f} | | {found} |"]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together")
    parser.add_argument("--target", choices=NAMED, action="append", help="only this one, with its own share")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT, help="where the inputs that were found are saved")
    to = parser.parse_args()
    chosen = [target for target in TARGETS if target.name in (to.target or NAMED)]
    counts = [max(1, target.share * to.inputs // 1000) for target in chosen]
    results = []
    with tqdm(total=sum(counts), unit=" inputs", unit_scale=True, mininterval=0.5) as bar:
        for target, count in zip(chosen, counts, strict=True):
            bar.set_description(target.name)
            place = to.out / target.name.replace(" ", "-")
            shutil.rmtree(place, ignore_errors=True)  # of the run before
            place.mkdir(parents=True)
            (place / FOUND).touch()
            results.append(run(target, to.seed, count, place, bar))
            save(results[-1], to.seed, place)
    print(table(results))
    found = [r for r in results if r.findings]
    for r in found:
        number, finding = min(r.findings.items())
        print(f"{r.target.name}, input {number} of seed {to.seed}: {finding}", file=sys.stderr)
    if found:
        print(f"the inputs lie in {to.out}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
