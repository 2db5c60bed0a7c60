"""MindFormers' callback that has a running training seen: loss, learning rate, rows a second and memory of every step.

Importing this module imports MindFormers: do it within `quiet.framework_log`.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil
from mindformers.tools.register import MindFormerModuleType, MindFormerRegister
from mindspore.train import Callback, RunContext

from abacus.training.figures import Figures
from abacus.training.progress import Step

GIGA = 10**9


def step_of(run_context: RunContext) -> Step:
    """The step that has just ended."""
    at = run_context.original_args()
    loss, overflow, _, rate, *_ = at.net_outputs
    # The shortest decimals that give the float32 back: the same file for the same run.
    numbers = (float(str(t.asnumpy().reshape(-1)[0])) for t in (loss, rate))
    return Step(at.cur_step_num, *numbers, bool(overflow.asnumpy().any()))


@MindFormerRegister.register(MindFormerModuleType.CALLBACK)
class LiveFigures(Callback):
    """Writes the figures of every step into `folder`: abacus/training/figures.py says in which form.

    `before` are the steps of an earlier process of the run, `rows_a_step` the rows of all ranks, `say` tells the user.
    A training is worth more than its figures: whatever goes wrong with them is said once, and it goes on without.
    """

    def __init__(
        self,
        folder: str = "dvclive",
        summary: str = "metrics/live/training.json",
        run: str = "",
        rows_a_step: float = 0.0,
        before: Iterable[Step] = (),
        say: Callable[[str], None] = print,
        *,
        dvclive: bool = True,
        tensorboard: bool = False,
    ) -> None:
        super().__init__()
        self._folder, self._summary, self._run = Path(folder), Path(summary), run
        self._rows, self._before = rows_a_step, list(before)
        self._forms = {"dvclive": dvclive, "tensorboard": tensorboard}
        self._say = say
        self._figures: Figures | None = None
        self._last: tuple[int, float] | None = None  # step and time

    def on_train_begin(self, run_context: RunContext) -> None:
        """Write what an earlier process has seen."""
        self._guarded(self._begin)

    def on_train_step_end(self, run_context: RunContext) -> None:
        """Write a step."""
        now, done = time.monotonic(), step_of(run_context)
        values = {"loss": done.loss, "learning_rate": done.learning_rate}
        if self._last and self._rows:  # not of the first step, which waits for the graphs
            steps, seconds = done.step - self._last[0], now - self._last[1]
            values["rows_per_second"] = round(steps * self._rows / seconds, 3)
        values["memory_gb"] = round(psutil.Process().memory_info().rss / GIGA, 3)
        self._last = done.step, now
        if self._figures:
            self._guarded(self._figures.add, done.step, values)

    def on_train_end(self, run_context: RunContext) -> None:
        """Leave all of it whole."""
        if self._figures:
            self._guarded(self._figures.close)

    def _begin(self) -> None:
        seen = {one.step: {"loss": one.loss, "learning_rate": one.learning_rate} for one in self._before}
        self._figures = Figures(self._folder, self._summary, self._run, seen, **self._forms)

    def _guarded(self, do: Callable[..., None], *words: Any) -> None:
        """Do it; if that fails, for whatever reason a library or a disk may have, do nothing more."""
        try:
            do(*words)
        except Exception as error:
            self._figures = None
            why = str(error).strip().splitlines()
            self._say(f"no more live figures in {self._folder}: {why[0] if why else type(error).__name__}")
