"""Where a killed run can go on: the last step whose files every rank has left whole.

A run's folder is named for all that determines its result, so what lies in it belongs to the run. Files get their
names when they are complete (MindSpore writes beside and renames); one that cannot be read all the same does not count.
"""

from collections.abc import Iterable
from pathlib import Path

from abacus.core.errors import InputError
from abacus.core.files import replacing
from abacus.training.configuration import Resumed, Training
from abacus.training.progress import STEPS, read_steps, write_steps
from abacus.weights.checkpoint import load_checkpoint

RESUMABLE, TRAINABLE = "checkpoint", "checkpoint_trainable"  # CheckpointMonitor's folders, one a rank below


class Files:
    """The files that CheckpointMonitor writes for every checkpoint of a run, by step."""

    def __init__(self, training: Training, folder: Path, rows: int) -> None:
        self.folder, self.ranks = folder, range(training.ranks)
        self._names = {rank: training.checkpoint_files(rows, rank) for rank in self.ranks}
        self.steps = list(self._names[0])
        self._steps_per_epoch = training.steps_per_epoch(rows)

    def adapter(self, step: int, rank: int) -> Path:
        """The trainable weights alone: the monitor's name with an addition."""
        name = self._names[rank][step].replace(f"_rank_{rank}-", f"_rank_{rank}-trainable_params-")
        return self.folder / TRAINABLE / f"rank_{rank}" / name

    def resumable(self, step: int, rank: int) -> Path:
        """Weights, optimiser's states and counters."""
        return self.folder / RESUMABLE / f"rank_{rank}" / self._names[rank][step]

    def of_step(self, step: int) -> list[Path]:
        """All files of a step."""
        return [place(step, rank) for place in (self.adapter, self.resumable) for rank in self.ranks]

    def resumed(self, step: int) -> Resumed:
        """What a run must know so that it goes on after `step`."""
        return Resumed(
            step=step,
            epoch=step // self._steps_per_epoch,
            checkpoints=[str(self.resumable(step, rank)) for rank in self.ranks],
        )


def last_step(files: Files) -> int:
    """The step from which the run can go on, 0 if from none; what later steps have left is removed."""
    done = 0
    for step in files.steps:
        if not all(path.is_file() for path in files.of_step(step)):
            break
        done = step
    recorded = {step.step for step in read_steps(files.folder / STEPS)}
    while done and not (done in recorded and _whole(files.of_step(done))):
        done = max((step for step in files.steps if step < done), default=0)
    _forget(files, done)
    return done


def _whole(paths: Iterable[Path]) -> bool:
    """Whether every checkpoint can be read to its end."""
    try:
        return all(load_checkpoint(path) for path in paths)
    except InputError:
        return False


def _forget(files: Files, done: int) -> None:
    """Remove what belongs to no step up to `done`, so that nothing of it is taken for the run's."""
    kept = {path for step in files.steps if step <= done for path in files.of_step(step)}
    for place in (RESUMABLE, TRAINABLE):
        for path in (files.folder / place).rglob("*"):
            if path.is_file() and path not in kept:
                path.unlink()
    history = files.folder / STEPS
    if history.is_file():
        kept_steps = [step for step in read_steps(history) if step.step <= done]
        with replacing(history) as part:
            write_steps(part, kept_steps)
