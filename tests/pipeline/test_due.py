"""What `make repro` will do is said before it does it, and how long each stage took is known the next time."""

import shutil
from pathlib import Path

import pytest

from abacus.pipeline import due
from abacus.pipeline.due import Due, durations, keep, spoken, text
from abacus.pipeline.reproduce import reproduce
from abacus.planning import needs
from abacus.profile import load
from abacus.training.configuration import asked, training_of


@pytest.fixture
def clone(template, tmp_path, monkeypatch) -> Path:
    """A small DVC repository after its run."""
    folder = tmp_path / "clone"
    shutil.copytree(template, folder, symlinks=True)
    (folder / "params.yaml").write_text("profile: tiny\n")
    monkeypatch.chdir(folder)
    return folder


def run() -> tuple[list[Due], int]:
    """Run the pipeline; what was told before."""
    told: list[tuple[list[Due], int]] = []
    reproduce("finetune", quiet=True, tell=lambda *words: told.append(words))
    (one,) = told
    return one


def test_the_plan_is_what_dvc_does(clone):
    assert run() == ([], 2)
    shutil.rmtree(clone / "checkpoints")
    assert run() == ([Due("finetune", "checkpoints deleted")], 2)
    assert (clone / "checkpoints" / "1").is_dir()
    assert durations("tiny") == {}, "what comes out of DVC's cache says nothing of how long it takes"
    pipeline = (clone / "dvc.yaml").read_text()
    (clone / "dvc.yaml").write_text(pipeline.replace("tokenizer.json 2000", "tokenizer.json 2001"))
    assert run() == ([Due("base", due.COMMAND), Due("finetune", "")], 2)
    assert set(durations("tiny")) == {"base", "finetune"}
    assert durations("another") == {}
    (clone / "dvc.lock").unlink()
    assert [one.why for one in run()[0]] == [due.NEVER] * 2
    assert run() == ([], 2)


def test_times_are_kept_by_profile_and_a_damaged_file_is_none(clone):
    keep("tiny", "base", 1.24)
    keep("other", "base", 9)
    keep("tiny", "base", 2.25)
    assert durations("tiny") == {"base": 2.2} and durations("other") == {"base": 9.0}
    for damaged in ("", "[]", '{"tiny": 3}', '{"tiny": {"base": "x"}}', "{"):
        due.TIMES.write_text(damaged)
        assert durations("tiny") == {}
    keep("tiny", "base", 1.0)
    assert durations("tiny") == {"base": 1.0}


def test_the_plan_is_a_line_a_stage():
    found = [Due("prepare", "params.yaml prepare modified"), Due("predict@0", ""), Due("predict@1", "")]
    assert text(found, 20, {"prepare": 14.0, "predict@0": 60.0, "predict@1": 70.0}).splitlines() == [
        "to do, 3 of 20 stages (times are those of the last run here):",
        "  prepare       14 s        params.yaml prepare modified",
        "  predict x 2   2 min       if what it reads comes out different",
        "about 2 min in all",
    ]
    assert text(found, 20, {"prepare": 14.0}).splitlines()[2:] == [
        "  predict x 2   no record   if what it reads comes out different",
        "about 14 s in all; no times yet of 2 stages",
    ]
    assert text([], 20, {}) == "nothing to do: all 20 stages are as their inputs ask"
    assert [spoken(s) for s in (0.4, 89, 91, 3600, 7260)] == ["0 s", "89 s", "2 min", "60 min", "2 h 1 min"]


def test_needs_are_near_what_was_measured(monkeypatch):
    """The default run held 2.89 GB at its peak (metrics/bench.json), and its base model has 654 846 684 bytes."""
    monkeypatch.chdir(Path(__file__).parents[2])
    profile = load.profile("smollm2-135m")
    training = training_of(profile, **asked(profile))
    assert needs.memory_bytes(profile, training) == pytest.approx(2.89e9, rel=0.1)
    found = needs.of(profile, {"base"})
    assert found.disk == pytest.approx(654_846_684, rel=0.01)
    assert needs.of(profile, {"report"})[::3] == (needs.FRAMEWORK, 0)
    whole = needs.of(load.profile("llama3-8b"), {"finetune"})
    assert 16e9 < whole.memory / 4 < 32e9, "a rank's memory, of four on this host"
