"""A run that goes wrong is stopped, and its last good checkpoint is named."""

import math
from pathlib import Path

import pytest

from abacus.core.errors import InputError
from abacus.training.health import GUESSING, PATIENCE, Watch
from abacus.training.progress import Step
from tests.training import changed

RUN = changed(settings={"steps_per_checkpoint": 20}).resolve(
    base=Path("base"), mindrecord=Path("rows"), rows=400, output=Path("run")
)
HIGH = GUESSING * math.log(259) + 0.1


def follow(losses, overflows=(), done=0):
    """What is said of a run with these losses; `overflows` are numbers of steps."""
    watch = Watch(RUN, done)
    for number, loss in enumerate(losses, done + 1):
        watch.see(Step(number, loss, 0.1, number in overflows))


def test_a_loss_that_falls_and_a_hard_batch_are_good():
    follow([5.6, 5.0, 99.0, 99.0, 4.0, 99.0, 99.0, 3.0])


@pytest.mark.parametrize(
    ("losses", "overflows", "step", "what", "good"),
    [
        ([3.0] * 45 + [math.nan], (), 46, "the loss is nan, expected a finite number", 40),
        ([3.0] * 45 + [math.inf], (), 46, "the loss is inf, expected a finite number", 40),
        ([3.0] * 19 + [HIGH] * 3, (), 22, "has been above 6.113 for 3 steps, expected less", 0),
        ([3.0] * 59 + [HIGH] * 3, (), 62, "has been above 6.113 for 3 steps, expected less", 40),
        ([3.0] * 60 + [HIGH] * 3, (), 63, "has been above 6.113 for 3 steps, expected less", 60),
        ([3.0] * 30, (21, 22, 23), 23, "a gradient has not been finite for 3 steps", 20),
    ],
)
def test_a_run_that_goes_wrong_is_stopped(losses, overflows, step, what, good):
    with pytest.raises(InputError) as error:
        follow(losses, overflows)
    said = str(error.value)
    assert said.startswith(f"step {step} of 100: ")
    assert what in said
    kept = f"that of step {good}, in run/checkpoint_trainable" if good else "none"
    assert f"; the last good checkpoint: {kept}; a smaller lr_schedule.learning_rate" in said


def test_what_an_earlier_process_has_left_is_good():
    with pytest.raises(InputError, match="the last good checkpoint: that of step 40, in run"):
        follow([HIGH] * PATIENCE, done=40)
