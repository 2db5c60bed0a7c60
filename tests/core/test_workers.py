"""Work over several processes: the order, the errors, and what becomes of the processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from abacus.core.errors import InputError
from abacus.core.workers import workers
from tests.workspace import ROOT

NUMBERS = pytest.mark.parametrize("processes", [1, 2, 3])


def double(number: int) -> int:
    time.sleep(0.001 * (number % 3))
    return 2 * number


def fail_at_five(number: int) -> int:
    if number == 5:
        raise InputError("rows.json, line 5", "a fault", "none", "mend it")
    return number


def pid_of(_: int) -> int:
    return os.getpid()


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def started_by(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


@NUMBERS
def test_the_results_come_in_the_order_of_the_parts(processes):
    before = started_by(os.getpid())  # a server of other tests may be there
    with workers(processes) as ordered:
        for count in (0, 1, 100):
            assert list(ordered(double, iter(range(count)))) == [2 * n for n in range(count)]
        assert len(started_by(os.getpid())) == len(before) + processes - 1
    assert started_by(os.getpid()) == before


@NUMBERS
def test_an_error_is_raised_in_its_turn_and_whole(processes):
    found = []
    with workers(processes) as ordered, pytest.raises(InputError) as caught:
        found.extend(ordered(fail_at_five, range(20)))
    error = caught.value
    assert str(error) == "rows.json, line 5: a fault, expected none; mend it"
    assert (error.place, error.found, error.expected, error.advice) == (
        "rows.json, line 5",
        "a fault",
        "none",
        "mend it",
    )


@NUMBERS
def test_parts_are_not_read_far_ahead(processes):
    taken = []

    def parts():
        for number in range(1000):
            taken.append(number)
            yield number

    with workers(processes) as ordered:
        assert next(iter(ordered(double, parts()))) == 0
    assert len(taken) < 100


@NUMBERS
def test_a_busy_process_leaves_the_parts_to_others(processes):
    with workers(processes, busy=True) as ordered:
        for count in (0, 1, 100):
            assert list(ordered(double, iter(range(count)))) == [2 * n for n in range(count)]
        own = os.getpid() in ordered(pid_of, range(40))
        assert own == (processes == 1)
        results = ordered(fail_at_five, range(20))
        assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(InputError, match="a fault"):
            next(results)


def test_parts_are_begun_before_the_first_result_is_asked_for(tmp_path):
    with workers(2, busy=True) as ordered:
        results = ordered(Path.touch, (tmp_path / str(number) for number in range(100)))
        until = time.monotonic() + 20
        while len(list(tmp_path.iterdir())) < 8 and time.monotonic() < until:
            time.sleep(0.01)
        assert len(list(tmp_path.iterdir())) == 8  # and no more: nobody has taken a result
        assert len(list(results)) == len(list(tmp_path.iterdir())) == 100


@pytest.mark.parametrize("busy", [False, True])
def test_a_process_that_is_killed_is_a_line_for_the_user(busy):
    before = started_by(os.getpid())
    with pytest.raises(InputError) as caught, workers(2, busy=busy) as ordered:
        list(ordered(die, range(2)))
    assert str(caught.value) == "a process of this run was killed; it may have run out of memory"
    assert started_by(os.getpid()) == before


SCRIPT = """
import time
from abacus.core.process import run
from abacus.core.workers import workers
def main():
    with workers(3) as ordered:
        for _ in ordered(time.sleep, [0.001] * 8):
            pass
        print("begun", flush=True)
        for _ in ordered(time.sleep, [0.05] * 4000):
            pass
run(main)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("group", [False, True])
def test_no_process_is_left_whatever_ends_the_first_one(tmp_path: Path, number, group):
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as first:
        assert first.stdout.readline() == "begun\n"
        others = started_by(first.pid)
        assert len(others) == 2
        (os.killpg if group else os.kill)(first.pid, number)
        said = first.communicate(timeout=30)[1]  # all that hold its end of the pipe have gone
    assert not psutil.wait_procs(others, timeout=5)[1]
    if number == signal.SIGKILL:
        assert (first.returncode, said) == (-signal.SIGKILL, "")
    else:
        what = "interrupted" if number == signal.SIGINT else f"stopped by {number.name}"
        assert (first.returncode, said) == (128 + number, f"{what}: what existed before is unchanged\n")
