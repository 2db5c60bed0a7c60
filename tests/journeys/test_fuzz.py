"""A little of the fuzzer, drawn by hypothesis, so that it cannot rot; and that it finds what it looks for."""

import ctypes
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abacus.core.errors import InputError
from abacus.profile import load
from tests.fuzz import __main__ as runner
from tests.fuzz import readers, worker
from tests.fuzz.contract import REFUSED, Finding, Target, outcome

ROOT = Path(__file__).parents[2]
BY_NAME = pytest.mark.parametrize("target", worker.TARGETS, ids=lambda target: target.name)


@BY_NAME
def test_no_input_breaks_a_promise(target, tmp_path):
    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def check(random):
        target.check(target.make(random), tmp_path)

    check()


@BY_NAME
def test_inputs_repeat_and_good_and_bad_ones_are_among_them(target, tmp_path):
    inputs = [worker.make(target, 1, number) for number in range(150)]
    assert inputs == [worker.make(target, 1, number) for number in range(150)]
    assert {target.check(data, tmp_path) for data in inputs} == {True, False}


def test_the_shares_are_a_million():
    assert sum(target.share for target in worker.TARGETS) == 1000


def test_a_profile_of_the_fuzzer_is_the_one_that_stages_read(tmp_path):
    for name in load.names():
        path = load.PROFILES / f"{name}.yaml"
        assert readers.lay_over(path) == load.profile(name)


def hungry():
    try:
        bytearray(1 << 45)
    except MemoryError as error:
        raise InputError("", "swallowed") from error


def refuse(text):
    raise InputError("", text)


@pytest.mark.parametrize(
    ("read", "finding"),
    [
        (lambda: {}["a"], "KeyError: 'a'"),
        (lambda: refuse(" "), "an error without words"),
        (hungry, "asks for more memory than there is: swallowed"),
    ],
)
def test_what_breaks_the_promise_is_found(read, finding):
    with pytest.raises(Finding, match=finding):
        outcome(read)


def test_what_keeps_the_promise_is_none():
    assert outcome(lambda: 5) == 5
    assert outcome(lambda: refuse("a.json, line 2: is a\nfolder, expected a file")) is REFUSED


# What goes wrong in a process of its own: the worker imports this module, and it puts its targets among the others.


def faulty(data: bytes, folder: Path) -> bool:
    number = data[0]
    if number == 3:
        raise Finding("number 3")
    if number == 5:
        time.sleep(600)
    if number == 7:
        ctypes.string_at(0)  # a segmentation fault
    if number == 9:
        os._exit(3)
    return number % 2 == 0


FAULTY = Target("faulty", 1, lambda random: b"", faulty)
WORKER = """
import sys
from tests.journeys import test_fuzz
from tests.fuzz import worker
worker.NAMED["faulty"] = test_fuzz.FAULTY
worker.make = lambda target, seed, number: bytes([number if seed == 1 else 0])
sys.exit(worker.main())
"""


def test_a_hang_a_crash_and_a_finding_are_told_and_the_rest_goes_on(tmp_path, monkeypatch):
    start = subprocess.Popen
    monkeypatch.setattr(
        runner.subprocess,
        "Popen",
        lambda command, **how: start([sys.executable, "-c", WORKER, *command[3:]], cwd=ROOT, **how),
    )
    monkeypatch.setattr(runner, "LIMIT", 1.0)
    (tmp_path / worker.FOUND).touch()
    with runner.tqdm(disable=True) as bar:
        result = runner.run(FAULTY, 1, 12, tmp_path, bar)
    assert result.findings == {
        3: "number 3",
        5: "no end within 1 s",
        7: "the process died with exit code -11",
        9: "the process died with exit code 3",
    }
    assert result.good == 6 and result.inputs == 12
    assert "| faulty | 12 | 6 |" in runner.table([result])


def test_the_command_ends_with_a_table(tmp_path):
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", "2000", "--target", "classifier"]
    done = subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| classifier | 320 |" in done.stdout and done.stdout.splitlines()[-1].endswith("| 0 |")


def test_atheris_finds_new_ways_through_the_row_reader(tmp_path):
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.coverage",
        "--inputs",
        "3000",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "Done 3000 runs" in done.stderr, done.stderr[-2000:]
    assert int(re.search(r"new_units_added: *(\d+)", done.stderr)[1]) > 0
