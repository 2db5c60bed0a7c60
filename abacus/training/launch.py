"""A training on several ranks, each `python -m abacus.training.rank`."""

from pathlib import Path

import yaml

from abacus.core.files import replacing
from abacus.core.ranks import Ranks
from abacus.training import rank
from abacus.training.configuration import Run, Training
from abacus.training.progress import STEPS, Progress, StepReader

RUN = Path(".scratch/finetune/run.yaml")  # what the ranks read: one path, so that the command is known before
LOGS = Path("logs/finetune")  # one a rank: worker_R.log


def ranks_of(training: Training, read: Path = RUN, logs: Path = LOGS) -> Ranks:
    """The ranks of a training, which read it from the file `read`."""
    return Ranks(rank.__name__, (read,), training.ranks, training.settings.launch, logs)


def train(run: Run, log: Path, progress: Progress, read: Path = RUN, logs: Path = LOGS) -> None:
    """Train a run on all its ranks, which read it from the file `read`; InputError with a rank's own words if one fails."""
    with replacing(read) as part:
        part.write_text(yaml.safe_dump(run.document(), sort_keys=False), encoding="utf-8")
    steps = StepReader(run.output / STEPS)
    before = list(steps.new())  # by an earlier process
    progress.begin(before[-1].step if before else 0)

    def look() -> None:
        for done in steps.new():
            progress.show(done)

    try:
        ranks_of(run, read, logs).run(log, run.output, look)
    finally:
        progress.close()
