"""The sorted table of what `dvc metrics diff --json` says."""

import argparse
import subprocess
from pathlib import Path

import pytest

from abacus.commands import diff
from abacus.commands.diff import lines
from abacus.core.errors import InputError
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
        git("add", "-A")
        git("commit", "-qm", tag)
        git("tag", tag)
    (folder / "m.json").write_text('{"f1": 4.0}', encoding="utf-8")
    return folder


def run(old: str | None, new: str | None) -> None:
    parser = argparse.ArgumentParser()
    diff.arguments(parser)
    words = [*(["--from", old] if old else []), *(["--to", new] if new else [])]
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
    place.parent.mkdir()
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
