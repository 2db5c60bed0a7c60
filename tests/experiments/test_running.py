"""Runs at work: one that fails leaves the others alone, and none is left alone when the loop ends."""

import errno
import signal
import subprocess
import sys

import pytest

from abacus.core.errors import InputError
from abacus.experiments import running
from abacus.experiments.grid import Planned
from abacus.experiments.running import Started, bring, run_all

PLANS = [Planned(name, 1, {}, {}, "k") for name in ("a", "b", "c", "d")]
SLEEPS, ENDS = "import time; time.sleep(60)", "pass"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Runs of a grid that do what they are told: `runs(starts, brings)`, names of those that failed and were brought.

    A run's start is a program or an exception, its bringing an exception or nothing.
    """
    processes, brought = [], []

    def begin(starts, brings=(), jobs=2):
        def start(grid, budget, plan, place, log):
            what = starts[plan.run]
            if isinstance(what, BaseException):
                raise what
            processes.append(subprocess.Popen([sys.executable, "-c", what]))
            return Started(plan, place, processes[-1])

        def bring(one, grid):
            if error := dict(brings).get(one.plan.run):
                raise error
            brought.append(one.plan.run)

        monkeypatch.setattr(running, "start", start)
        monkeypatch.setattr(running, "bring", bring)
        monkeypatch.setattr(running, "check_commit", lambda: None)
        plans = [plan for plan in PLANS if plan.run in starts]
        return run_all("g", ("steps", 1), plans, jobs, tmp_path), brought

    begin.processes = processes
    yield begin
    for one in processes:
        one.kill()
        one.wait()


def test_a_run_that_cannot_be_started_or_brought_has_failed_and_the_others_go_on(runs, capsys):
    full = OSError(errno.ENOSPC, "No space left on device")
    starts = {"a": InputError("git clone", "fatal: no"), "b": full, "c": ENDS, "d": ENDS}
    failed, brought = runs(starts, {"c": InputError("git fetch", "no ref")})
    assert (failed, brought) == (["a-1", "b-1", "c-1"], ["d"])
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "a-1: git clone: fatal: no",
        "b-1: [Errno 28] No space left on device",
        "c-1: git fetch: no ref",
    ]


@pytest.mark.parametrize("error", [RuntimeError("ours"), KeyboardInterrupt()])
def test_whatever_ends_the_loop_ends_the_runs(runs, error):
    with pytest.raises(type(error)):
        runs({"a": SLEEPS, "b": error})
    assert [one.poll() for one in runs.processes] == [-signal.SIGTERM]


def test_a_run_that_has_saved_no_experiment(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(InputError, match="has no experiment g-a-1"):
        bring(Started(PLANS[0], tmp_path, None), "g")
