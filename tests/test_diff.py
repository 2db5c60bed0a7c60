"""The sorted table of what `dvc metrics diff --json` says."""

import json

import pytest

from stages.diff import lines

CHANGED = {
    "metrics/checkpoint-2.json": {"math_strict": {"old": 10.0, "new": 12.5, "diff": 2.5}},
    "metrics/checkpoint-1.json": {
        "step": {"old": 30, "new": 60, "diff": 30},
        "math_nll": {"old": 2.0, "new": None},
        "kind": {"old": "a", "new": "b"},
    },
}


def test_rows_stand_in_the_order_of_file_and_metric():
    assert lines(CHANGED) == [
        ["file", "metric", "old", "new", "change"],
        ["metrics/checkpoint-1.json", "kind", "a", "b", "-"],
        ["metrics/checkpoint-1.json", "math_nll", "2.00000", "-", "-"],
        ["metrics/checkpoint-1.json", "step", "30", "60", "30"],
        ["metrics/checkpoint-2.json", "math_strict", "10.00000", "12.50000", "2.50000"],
    ]


def test_the_command_prints_a_table(stage):
    done = stage("diff", stdin=json.dumps(CHANGED))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 6 and done.stdout.startswith("|")


def test_no_change_is_said(stage):
    assert stage("diff", stdin="{}").stdout == "no metric has changed\n"


@pytest.mark.parametrize("text", ["", "error: no such revision", "[]", "null"])
def test_anything_else_is_refused(stage, error_line, text):
    message = error_line(stage("diff", stdin=text))
    assert message.startswith("standard input: expected the output of `dvc metrics diff --json`")
