"""The machinery of `make bench` on trivial commands, and that the documents show what metrics/bench.json says."""

import json
import os
import sys
import time
from pathlib import Path
from random import Random

import psutil
import pytest

from abacus.core.errors import InputError
from abacus.problems.categories import CATEGORIES
from abacus.problems.workings import recognise, working
from benchmarks import __main__ as bench
from benchmarks import table
from benchmarks.alternate import Competitor, alternate, times
from benchmarks.process import Watch, measured
from benchmarks.workers import plain_prepare
from benchmarks.workspace import needed

ROOT = Path(__file__).parents[2]


def run(folder: Path, code: str, **how):
    """A program of one line, measured."""
    return measured([sys.executable, "-c", code], cwd=folder, log=folder / "log", **how)


def test_competitors_take_turns_and_ratios_are_taken_pair_by_pair():
    turns = []
    ours, theirs = iter([1.0, 4.0, 2.0]), iter([2.0, 4.0, 1.0])
    found = alternate(
        [Competitor("a", lambda: {"s": next(ours)}), Competitor("b", lambda: {"s": next(theirs)})],
        3,
        lambda name, pair: turns.append(f"{name}{pair}"),
    )
    assert turns == ["a1", "b1", "a2", "b2", "a3", "b3"]
    assert found.values == {"a": {"s": [1, 4, 2]}, "b": {"s": [2, 4, 1]}}
    assert times(*(found.values[name]["s"] for name in "ab"), more=False) == (1, 0.5, 2)
    assert times(*(found.values[name]["s"] for name in "ab"), more=True) == (1, 0.5, 2)
    assert times([10, 30], [5, 10], more=True) == (2.5, 2, 3)


def test_a_competitor_that_fails_is_one_line_and_the_others_go_on(tmp_path):
    code = "import sys; print('much'); sys.exit('why it failed')"
    found = alternate(
        [Competitor("good", lambda: {"s": 1.23456}), Competitor("bad", lambda: run(tmp_path, code))], 2
    )
    assert found.values == {"good": {"s": [1.235, 1.235]}}
    assert list(found.failed) == ["bad"]
    assert found.failed["bad"].endswith("ended with 1: why it failed")
    with pytest.raises(InputError, match="none: No such file"):
        measured([tmp_path / "none"], cwd=tmp_path, log=tmp_path / "log")


def test_memory_is_that_of_the_whole_tree(tmp_path):
    hold = "x = bytearray(b'1') * 80_000_000; import time; time.sleep(2.5)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    alone, tree = run(tmp_path, hold), run(tmp_path, f"y = bytearray(b'1') * 60_000_000; {child}")
    assert 80e6 < alone.memory < 130e6
    assert 140e6 < tree.memory < 220e6
    assert alone.seconds > 1


def test_lines_are_seen_as_they_are_written_and_a_run_can_be_killed_with_all_it_started(tmp_path):
    write = "import time; f = open('steps', 'w', buffering=1)\nfor n in range({}): f.write('x\\n'); time.sleep(0.1)"
    lines = run(tmp_path, write.format(4), watch=Watch(tmp_path, "st*s")).lines
    assert len(lines) == 4 and lines == sorted(lines) and lines[3] - lines[0] > 0.15
    (tmp_path / "steps").unlink()
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {write.format(600)!r}])"
    done = run(tmp_path, code, watch=Watch(tmp_path, "steps", until=2))
    assert len(done.lines) >= 2
    time.sleep(0.3)
    assert not [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == os.fspath(tmp_path)]


def test_what_a_run_must_have_left_is_one_line():
    with pytest.raises(InputError, match=r"data/nothing: no such file, .*; run `make repro` first"):
        needed("data/nothing")
    with pytest.raises(InputError, match="ONLY: 'speed' is no comparison, expected prepare, "):
        bench.chosen_of("prepare,speed")


@pytest.mark.parametrize("name", table.DOCS)
def test_the_documents_show_what_was_measured(name):
    found = json.loads(bench.METRICS.read_text(encoding="utf-8"))
    text = (ROOT / name).read_text(encoding="utf-8")
    assert table.MARKS.search(text)
    assert table.rendered(text, found) == text, "`make bench` writes both"


def test_the_table_has_a_row_for_every_comparison_and_no_other():
    assert {row.comparison for row in table.ROWS} == set(bench.COMPARISONS)


def test_a_row_says_what_failed_and_whether_its_target_is_met():
    row = table.Row("x", "s", "work", "s", "peer", table.Target("times", 2.0))
    met = {"values": {"abacus": {"s": [1.0, 2.0]}, "peer": {"s": [3.0, 4.0]}}}
    assert table.texts(row, met, "peer")[1:6] == (
        "1.5",
        "peer",
        "3.5",
        "**2.50** (2.00 to 3.00)",
        "2 times: met",
    )
    gone = {"values": {"abacus": {"s": [1.0]}}, "failed": {"peer": "why"}}
    assert table.texts(row, gone, "peer")[3:6] == ("failed", "", "2 times: short")


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda one: one.name)
def test_the_plain_script_does_the_same_work(category):
    """What it writes is the recipe `reference`, but for the last digit where it rounds the published number."""
    random, same = Random(3), 0
    for _ in range(200):
        text = category.text(category.draw(random))
        problem = recognise(text)
        kind, written = plain_prepare.rewritten(text, problem.published)
        assert kind == category.name
        same += written == working(problem, "reference", 4)
    assert same >= 198
