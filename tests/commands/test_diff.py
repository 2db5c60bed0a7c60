"""The sorted table of what `dvc metrics diff --json` says."""

import argparse
import json
import re
import subprocess
from pathlib import Path

import pytest

from abacus.commands import diff
from abacus.commands.diff import lines, paired
from abacus.core.errors import InputError
from abacus.scoring.questions import Outcome
from tests.scores import write_answers
from tests.workspace import dvc

CHANGED = {
    "metrics/checkpoints/2.json": {"math_strict": {"old": 10.0, "new": 12.5, "diff": 2.5}},
    "metrics/checkpoints/1.json": {
        "step": {"old": 30, "new": 60, "diff": 30},
        "math_nll": {"old": 2.0, "new": None},
        "kind": {"old": "a", "new": "b"},
    },
}


def test_rows_stand_in_the_order_of_file_and_metric():
    assert lines(CHANGED) == [
        ["file", "metric", "old", "new", "change"],
        ["metrics/checkpoints/1.json", "kind", "a", "b", "-"],
        ["metrics/checkpoints/1.json", "math_nll", "2.00000", "-", "-"],
        ["metrics/checkpoints/1.json", "step", "30", "60", "30"],
        ["metrics/checkpoints/2.json", "math_strict", "10.00000", "12.50000", "2.50000"],
    ]


def test_an_interval_stands_beside_its_value():
    bounds = {"old": 1.0, "new": 4.26, "diff": 3.26}, {"old": 2.0, "new": None}
    names = {"math_form": {"old": 1.5, "new": 4.5, "diff": 3.0}, "math_nll_low": bounds[0]}
    names |= {"math_form_low": bounds[0], "math_form_high": bounds[0]}
    assert lines({"m.json": names})[1:] == [
        ["m.json", "math_form", "1.50000 [1.0, 1.0]", "4.50000 [4.3, 4.3]", "3.00000"],
        ["m.json", "math_nll_low", "1.00000", "4.26000", "3.26000"],
    ]
    (row,) = lines({"m.json": names | {"math_form_high": bounds[1], "math_nll_low": {}}})[1:2]
    assert row[2:] == ["1.50000 [1.0, 2.0]", "4.50000", "3.00000"]


@pytest.fixture(scope="module")
def versions(tmp_path_factory) -> Path:
    """A repository with one metric in two commits (v1, v2) and a third value in the workspace."""
    folder = tmp_path_factory.mktemp("versions")

    def git(*words: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)

    git("init", "-q")
    dvc(folder, "init", "-q")
    (folder / "dvc.yaml").write_text("metrics: [m.json]\n", encoding="utf-8")
    for value, tag in ((1, "v1"), (2, "v2")):
        (folder / "m.json").write_text(f'{{"f1": {value}.0}}', encoding="utf-8")
        if value == 2:
            write_answers(folder / "metrics/answers", range(2))
        git("add", "-A")
        git("commit", "-qm", tag)
        git("tag", tag)
    git("update-ref", "refs/exps/ab/cdef/mine", "v2")
    (folder / "m.json").write_text('{"f1": 4.0}', encoding="utf-8")
    return folder


def run(old: str | None, new: str | None, *more: str) -> None:
    parser = argparse.ArgumentParser()
    diff.arguments(parser)
    words = [*(["--from", old] if old else []), *(["--to", new] if new else []), *more]
    diff.main(parser.parse_args(words))


@pytest.mark.parametrize(
    ("old", "new", "row"),
    [
        (None, None, "2.00000 | 4.00000 |  2.00000"),
        ("v1", None, "1.00000 | 4.00000 |  3.00000"),
        ("v1", "v2", "1.00000 | 2.00000 |  1.00000"),
        (None, "v1", "2.00000 | 1.00000 | -1.00000"),
    ],
)
def test_old_is_from_or_the_last_commit_and_new_is_to_or_the_workspace(
    versions, monkeypatch, capsys, old, new, row
):
    monkeypatch.chdir(versions)
    run(old, new)
    assert row.replace(" ", "") in capsys.readouterr().out.replace(" ", "")


ROW = r"\| +1 \| +math strict \| +8 \| +12\.50 \| +87\.50 \| +6 \| +0 \| 0\.031 \| +better \|"


@pytest.mark.parametrize("old", [None, "v2", "mine"])
def test_answers_to_the_same_questions_are_compared_with_a_commit_or_an_experiment(
    versions, monkeypatch, capsys, old
):
    monkeypatch.chdir(versions)
    run(old, None)
    said = capsys.readouterr().out
    assert said.endswith("\nthe answers are right and wrong as they were\n")
    answers = versions / "metrics/answers/1.csv"
    before = answers.read_text(encoding="utf-8")
    write_answers(answers.parent / "more", [7])
    (answers.parent / "more/7.csv").rename(answers)
    try:
        run(old, None)
    finally:
        answers.write_text(before, encoding="utf-8")
    said = capsys.readouterr().out
    assert "On the same questions (McNemar's exact test):" in said
    assert re.search(ROW, said) and said.count("better") == 2 and not re.search(r"\| +0 \| +math", said)


def test_as_json_there_are_all_changes_and_counts_and_nothing_else(versions, monkeypatch, capsys):
    monkeypatch.chdir(versions)
    run("v2", None, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"] == {"m.json": {"f1": {"old": 2.0, "new": 4.0, "diff": 2.0}}}
    same = {"questions": 8, "before": 1, "now": 1, "gained": 0, "lost": 0, "p": 1.0}
    assert found["answers"]["1"]["math_strict"] == same | {"verdict": "not distinguishable"}
    run("v1", "v2", "--json")
    assert json.loads(capsys.readouterr().out)["answers"] == {}


def test_a_version_without_answers_is_named(versions, monkeypatch, capsys):
    monkeypatch.chdir(versions)
    run("v1", "v2")
    assert capsys.readouterr().out.endswith("\nanswers are not compared: none in metrics/answers of v1\n")


def test_other_questions_are_not_compared():
    one, other = ({name: Outcome("root", {"math_strict": True})} for name in "ab")
    assert paired({1: one}, {1: other}, "v1", "v2") == (
        "\nanswers are not compared: no question was asked in both"
    )


def test_no_change_is_said(versions, monkeypatch, capsys):
    monkeypatch.chdir(versions)
    run("v1", "v1")
    assert capsys.readouterr().out == "no metric has changed\n"


def test_a_revision_that_is_none_is_refused(versions, monkeypatch):
    monkeypatch.chdir(versions)
    with pytest.raises(InputError, match=r"^FROM=nope: .*nope.*, expected metrics to compare$"):
        run("nope", None)
    with pytest.raises(InputError, match=r"^FROM=v1 TO=nope: .*nope.*, expected metrics to compare$"):
        run("v1", "nope")


def test_metrics_that_cannot_be_read_are_refused(versions, monkeypatch):
    monkeypatch.chdir(versions)
    metric = versions / "m.json"
    before = metric.read_text(encoding="utf-8")
    metric.write_text("{", encoding="utf-8")
    try:
        with pytest.raises(InputError, match=r"'workspace', expected metrics that can be read$"):
            run(None, None)
    finally:
        metric.write_text(before, encoding="utf-8")


def test_the_file_and_line_that_cannot_be_read_are_named(versions, monkeypatch):
    monkeypatch.chdir(versions)
    place = versions / "metrics" / "summary.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text('{"a": ', encoding="utf-8")
    metric = versions / "m.json"
    before = metric.read_text(encoding="utf-8")
    metric.write_text("{", encoding="utf-8")
    try:
        with pytest.raises(InputError, match=r"^metrics/summary\.json, line 1: not JSON"):
            run(None, None)
    finally:
        metric.write_text(before, encoding="utf-8")
        place.unlink()


def test_the_figures_of_a_running_training_are_compared_with_nothing():
    """No commit has them."""
    found = {"metrics/live/training.json": {"loss": {"old": None, "new": 1.5}}}
    assert lines(found) == lines({})
