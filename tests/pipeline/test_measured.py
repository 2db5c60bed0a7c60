"""What was measured of a checkpoint is known only where dvc.lock says that it is this one, link by link."""

import json
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from abacus.pipeline.measured import md5_of_file, md5_of_folder, measured

SCORES = {"step": 6, "math_strict": 3.125}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """A folder with checkpoint 3 and its metrics, and the lock that says so; what it holds."""
    monkeypatch.chdir(tmp_path)
    for name, text in (
        ("checkpoints/3/adapter.json", '{"step": 6}'),
        ("checkpoints/3/adapter.ckpt", "weights"),
        ("metrics/checkpoints/3.json", json.dumps(SCORES)),
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    checkpoint = {"path": "checkpoints/3", "md5": md5_of_folder(Path("checkpoints/3"))}
    base, answers = {"path": "data/base", "md5": "b.dir"}, {"path": "data/predictions/3", "md5": "p.dir"}
    scores = {
        "path": "metrics/checkpoints/3.json",
        "md5": md5_of_file(Path("metrics/checkpoints/3.json")),
    }
    lock = {
        "base": {"cmd": "", "outs": [base]},
        "predict@3": {"cmd": "", "deps": [checkpoint, dict(base)], "outs": [answers]},
        "evaluate@3": {"cmd": "", "deps": [dict(answers)], "outs": [scores]},
    }
    write(lock)
    return lock


def write(lock: dict) -> None:
    document = yaml.dump({"schema": "2.0", "stages": lock}, Dumper=yaml.SafeDumper)
    Path("dvc.lock").write_text(document, encoding="utf-8")


def test_the_metrics_of_the_checkpoint_that_is_there(run):
    assert measured(3) == SCORES
    assert measured(4) == {}, "there is none of this number"


def test_a_checkpoint_of_a_later_training_has_none(run):
    Path("checkpoints/3/adapter.ckpt").write_text("weights of another rate", encoding="utf-8")
    assert measured(3) == {}


@pytest.mark.parametrize(
    ("stage", "key", "place"),
    [("predict@3", "deps", 1), ("predict@3", "outs", 0), ("evaluate@3", "deps", 0), ("base", "outs", 0)],
)
def test_a_link_that_is_of_another_run_breaks_it(run, stage, key, place):
    run[stage][key][place]["md5"] = "other.dir"
    write(run)
    assert measured(3) == {}


def test_metrics_that_evaluate_has_not_written_are_none(run):
    Path("metrics/checkpoints/3.json").write_text(json.dumps(SCORES | {"math_strict": 99.0}))
    assert measured(3) == {}


@pytest.mark.parametrize("stage", ["base", "predict@3", "evaluate@3"])
def test_without_a_stage_or_the_lock_nothing_is_known(run, stage):
    write({name: entry for name, entry in run.items() if name != stage})
    assert measured(3) == {}
    Path("dvc.lock").unlink()
    assert measured(3) == {}


def test_hashes_are_those_of_dvc(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/z.txt", "a/b/一.bin", "a/b-c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name}\r\n", encoding="utf-8")
    with Repo.init(".", no_scm=True) as repo:
        (stage,) = repo.add("a")
    assert stage.outs[0].hash_info.value == md5_of_folder(tmp_path / "a")
