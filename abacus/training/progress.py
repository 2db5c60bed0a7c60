"""Training as the user sees it: every step in a file that outlives the run, and a bar drawn from it.

The file is the one record of a run: the process that trains writes it, the user's process may be another one.
"""

import csv
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from tqdm import tqdm

STEPS = "steps.csv"  # in the output folder of a run


class Step(NamedTuple):
    """One step of training, counted from 1; the learning rate that it used; whether a gradient overflowed."""

    step: int
    loss: float
    learning_rate: float
    overflow: bool


class StepLog:
    """Writes steps to a file, a line at a time, after those that are there."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", newline="", buffering=1)
        self._lines = csv.writer(self._file, lineterminator="\n")
        if not path.stat().st_size:
            self._lines.writerow(Step._fields)

    def write(self, done: Step) -> None:
        """Add a step; it is in the file when this returns."""
        self._lines.writerow((*done[:-1], int(done.overflow)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class StepReader:
    """Reads a step file while it is being written."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0

    def new(self) -> Iterator[Step]:
        """The steps that have been written whole since the last call; none as long as there is no file."""
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for step, loss, rate, overflow in csv.reader(whole.decode().splitlines()):
            if step != Step._fields[0]:
                yield Step(int(step), float(loss), float(rate), overflow == "1")


def read_steps(path: Path) -> list[Step]:
    """All steps that a file has whole."""
    return list(StepReader(path).new())


def write_steps(path: Path, steps: Iterable[Step]) -> None:
    """Write a new step file."""
    log = StepLog(path)
    for step in steps:
        log.write(step)
    log.close()


class Progress:
    """Shows steps on the user's terminal: rate, time left, loss and learning rate."""

    def __init__(self, steps: int, user: TextIO) -> None:
        self._steps, self._user = steps, user
        self._bar: tqdm | None = None
        self._started = 0.0

    def begin(self, done: int = 0) -> None:
        """Say what the user waits for; `done` steps were made by an earlier process."""
        self._started = time.monotonic()
        if done:
            print(f"going on after step {done}, whose checkpoint is whole", file=self._user)
        print(f"step {done + 1}: compiling the training graphs (once)", file=self._user)

    def show(self, done: Step) -> None:
        """Show one step more."""
        if self._bar is None:
            waited = time.monotonic() - self._started
            print(f"step {done.step}: loss {done.loss:.4f}, after {waited:.0f} s", file=self._user)
            # From here on, so that the time left does not count compiling again.
            self._bar = tqdm(
                total=self._steps,
                initial=done.step,
                unit="step",
                file=self._user,
                desc="finetune",
                mininterval=0.2 if self._user.isatty() else 30,
            )
        else:
            self._bar.set_postfix_str(f"loss {done.loss:.4f}, rate {done.learning_rate:.2e}", refresh=False)
            self._bar.update(done.step - self._bar.n)
        if done.overflow:
            self.say(f"step {done.step}: a gradient is not finite, no update")

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self._bar is None:
            print(text, file=self._user)
        else:
            self._bar.write(text, file=self._user)

    def close(self) -> None:
        """Leave the last line standing."""
        if self._bar is not None:
            self._bar.close()
