"""A grid is run in copies: git's state here stays, results are small files, a killed run goes on."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journeys.test_git_state import NOBODY, WHO, abacus, git, state
from tests.workspace import PATH, ROOT, dvc, small_clone

ENV = {**os.environ, "PATH": PATH, "PYTHONPATH": "", **NOBODY}
RESULTS = ["reference-42.csv", "reference-42.json", "stepwise-42.csv", "stepwise-42.json"]


@pytest.fixture
def edited(tmp_path) -> Path:
    """A clone with a commit, something staged, something changed and something in the stash; no git identity."""
    folder = tmp_path / "clone"
    folder.mkdir()
    small_clone(folder)
    git(folder, "add", "-A")
    git(folder, *WHO, "commit", "-qm", "first")
    (folder / "LICENSE").write_text("stashed\n", encoding="utf-8")
    git(folder, *WHO, "stash")
    (folder / "new.txt").write_text("staged\n", encoding="utf-8")
    git(folder, "add", "new.txt")
    (folder / "LICENSE").write_text("changed\n", encoding="utf-8")
    return folder


def kept(folder: Path) -> dict[str, object]:
    """Git's state but for DVC's experiments, and every file that git has or does not ignore but the results."""
    found: dict[str, object] = dict(state(folder))
    refs = str(found["refs"]).splitlines()
    found["refs"] = [line for line in refs if "refs/exps/" not in line]
    names = git(folder, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    here = sorted(name for name in names if not name.startswith("experiments/results/"))
    return found | {name: (folder / name).read_bytes() for name in here}


def run(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return abacus(folder, *words, **NOBODY, PYTHONPATH="")


@pytest.mark.slow
def test_a_grid_from_nothing_to_its_leaderboard(edited):
    before = kept(edited)
    done = run(edited, "experiments", "GRID=tiny")
    assert done.returncode == 0, done.stderr[-3000:]
    assert kept(edited) == before
    results = edited / "experiments/results/tiny"
    assert sorted(path.name for path in results.iterdir()) == RESULTS
    assert sorted(path.name for path in (edited / ".scratch/experiments/tiny").iterdir()) == ["lock"]
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in results.glob("*.json")}
    for one in found.values():  # equal to half a step a checkpoint
        each = one["budget"]["trained_tokens"] / one["budget"]["steps"]
        assert abs(one["budget"]["trained_tokens"] - 4000) <= each + 1
        assert one["last"]["step"] == one["budget"]["steps"]
    # Nothing is run twice: of a finished grid, of the base model and the raw rows.
    again = run(edited, "experiments", "GRID=tiny")
    assert again.returncode == 0 and again.stderr == "tiny: 2 of 2 runs are done\n"
    assert done.stdout.count("Stage 'base' is cached") + done.stderr.count("Stage 'base' is cached") == 1
    # What DVC shows are the same figures.
    shown = csv.DictReader(io.StringIO(dvc(edited, "exp", "show", "--csv", "--all-commits")))
    experiments = {row["Experiment"]: row for row in shown if row["Experiment"].startswith("tiny-")}
    assert set(experiments) == {f"tiny-{name}" for name in found}
    for name, one in found.items():
        column = "metrics/checkpoints/2.json:math_nll"
        value = next(
            v for k, v in experiments[f"tiny-{name}"].items() if k in (column, column.split(":")[1]) and v
        )
        assert float(value) == pytest.approx(one["last"]["math_nll"], rel=1e-3)
    # A fresh clone has the results and no cache.
    git(edited, "add", "experiments")
    git(edited, *WHO, "commit", "-qm", "results")
    fresh = edited.parent / "fresh"
    git(edited.parent, "clone", "-q", str(edited), str(fresh))
    board = run(fresh, "leaderboard", "GRID=tiny", "FORMAT=json")
    assert board.returncode == 0 and board.stderr == "", board.stderr
    assert {row["recipe"] for row in json.loads(board.stdout)} == {"reference", "stepwise"}
    rows = list(csv.DictReader(io.StringIO(run(fresh, "leaderboard", "GRID=tiny", "FORMAT=csv").stdout)))
    assert [row["recipe"] for row in rows] == [row["recipe"] for row in json.loads(board.stdout)]
    # What has changed since is said.
    (fresh / "abacus/scoring/new.py").write_text('"""New."""\n', encoding="utf-8")
    path = fresh / "experiments/tiny.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("mean: 1", "mean: 2"), encoding="utf-8")
    said = run(fresh, "leaderboard", "GRID=tiny").stderr.splitlines()
    assert said == [
        "reference-42: made by other code: abacus/scoring",
        "stepwise-42: was made with other parameters or data and is left out; `make experiments GRID=tiny`",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_goes_on(edited, number):
    grid = edited / "experiments/tiny.yaml"
    text = grid.read_text(encoding="utf-8").replace("trained_tokens: 4000", "steps: 200")
    grid.write_text(text, encoding="utf-8")
    before = kept(edited)
    process = subprocess.Popen(
        [sys.executable, "-m", "abacus", "experiments", "GRID=tiny", "ONLY=reference"],
        cwd=edited,
        env=ENV,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    checkpoint, deadline = (
        ".scratch/experiments/tiny/reference-42/.scratch/finetune/*/checkpoint_trainable/**/*.ckpt",
        time.time() + 300,
    )
    while not list(edited.glob(checkpoint)):
        assert process.poll() is None and time.time() < deadline
        time.sleep(0.2)
    if number == signal.SIGKILL:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    said = process.communicate()[1]
    assert "Traceback" not in said, said
    assert kept(edited) == before and not (edited / "experiments/results/tiny").exists()
    done = run(edited, "experiments", "GRID=tiny", "ONLY=reference")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "going on after step 100" in done.stdout + done.stderr
    assert kept(edited) == before
    assert (
        json.loads((edited / "experiments/results/tiny/reference-42.json").read_text("utf-8"))["last"]["step"]
        == 200
    )


def test_a_clone_without_a_commit(tmp_path):
    small_clone(tmp_path)
    done = run(tmp_path, "experiments", "GRID=tiny")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: git rev-parse"), (
        done.stderr
    )
    assert ROOT not in tmp_path.parents
