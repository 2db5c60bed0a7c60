"""When a run has gone wrong: its loss is no number, or stays above what guessing costs, or no step changes anything."""

import math
from typing import Any

from stages.command import InputError
from stages.model.progress import Step

PATIENCE = 3  # bad steps in a row, for a single one may be a hard batch
GUESSING = 1.1  # times ln(vocabulary), the loss of a model that finds every token as likely


class Watch:
    """Follows the steps of a run of `config` (from `config.resolve`), from the one after `done`."""

    def __init__(self, config: dict[str, Any], done: int = 0) -> None:
        self._steps = config["lr_schedule"]["total_steps"]
        self._every = config["abacus"]["finetune"]["steps_per_checkpoint"]
        self._folder = f"{config['output_dir']}/checkpoint_trainable"
        self._limit = GUESSING * math.log(config["model"]["model_config"]["vocab_size"])
        self._good, self._above, self._idle = done, 0, 0

    def see(self, step: Step) -> None:
        """Take note of a step; InputError, with the last good checkpoint, if the run has gone wrong."""
        self._above = self._above + 1 if step.loss > self._limit else 0
        self._idle = self._idle + 1 if step.overflow else 0
        if not math.isfinite(step.loss):
            raise InputError(self._said(step, f"the loss is {step.loss}, expected a finite number"))
        if self._above == PATIENCE:
            what = f"the loss is {step.loss:.4g} and has been above {self._limit:.4g} for {PATIENCE} steps"
            raise InputError(self._said(step, f"{what}, expected less: it is worse than guessing"))
        if self._idle == PATIENCE:
            what = f"a gradient has not been finite for {PATIENCE} steps, so none changed a weight"
            raise InputError(self._said(step, f"{what}, expected finite ones"))
        if not self._above and not self._idle:
            self._good = step.step

    def _said(self, step: Step, what: str) -> str:
        good = self._good // self._every * self._every
        kept = f"that of step {good}, in {self._folder}" if good else "none"
        return (
            f"step {step.step} of {self._steps}: {what}; the last good checkpoint: {kept}; "
            "a smaller lr_schedule.learning_rate in the profile may help"
        )
