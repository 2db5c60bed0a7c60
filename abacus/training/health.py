"""When a run has gone wrong: its loss is no number, or stays above what guessing costs, or no step changes anything."""

import math

from abacus.core.errors import InputError
from abacus.training.configuration import Run
from abacus.training.progress import Step

PATIENCE = 3  # bad steps in a row, for a single one may be a hard batch
GUESSING = 1.1  # times ln(vocabulary), the loss of a model that finds every token as likely


class Watch:
    """Follows the steps of a run, from the one after `done`."""

    def __init__(self, run: Run, done: int = 0) -> None:
        self._steps, self._every = run.steps, run.settings.steps_per_checkpoint
        self._folder = run.output / "checkpoint_trainable"
        self._limit = GUESSING * math.log(run.architecture.vocab_size)
        self._good, self._above, self._idle = done, 0, 0

    def see(self, step: Step) -> None:
        """Take note of a step; InputError, with the last good checkpoint, if the run has gone wrong."""
        self._above = self._above + 1 if step.loss > self._limit else 0
        self._idle = self._idle + 1 if step.overflow else 0
        if not math.isfinite(step.loss):
            raise self._wrong(step, f"the loss is {step.loss}", "a finite number")
        if self._above == PATIENCE:
            what = f"the loss is {step.loss:.4g} and has been above {self._limit:.4g} for {PATIENCE} steps"
            raise self._wrong(step, what, "less: it is worse than guessing")
        if self._idle == PATIENCE:
            what = f"a gradient has not been finite for {PATIENCE} steps, so none changed a weight"
            raise self._wrong(step, what, "finite ones")
        if not self._above and not self._idle:
            self._good = step.step

    def _wrong(self, step: Step, found: str, expected: str) -> InputError:
        good = self._good // self._every * self._every
        kept = f"that of step {good}, in {self._folder}" if good else "none"
        advice = (
            f"the last good checkpoint: {kept}; a smaller lr_schedule.learning_rate in the profile may help"
        )
        return InputError(f"step {step.step} of {self._steps}", found, expected, advice)
