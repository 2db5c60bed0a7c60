"""The same LoRA run for other trainers: what its YAMLs say is what the profile says, or it is refused."""

import contextlib
import json
from pathlib import Path

import pytest
import yaml

from abacus.core.errors import InputError
from abacus.neighbours import data, trainers
from abacus.profile import load
from abacus.training.configuration import asked, training_of
from tests.exports import TRAIN, workspace


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trainers")
    workspace(folder)
    return folder


def training(work: Path, change: dict):
    """The training of the profile `small` with a change laid over it."""
    profiles = work / "profiles"
    (profiles / "changed.yaml").write_text(yaml.safe_dump({"over": "small"} | change), encoding="utf-8")
    profile = load.profile("changed", profiles)
    return training_of(profile, **asked(profile, work / "params.yaml"))


def alpha(value: float) -> dict:
    return {"model": {"model_config": {"pet_config": {"lora_alpha": value}}}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lr_schedule": {"type": "ConstantWarmUpLR"}}, "lr_schedule.type is 'ConstantWarmUpLR', expected Cosine"),
        ({"lr_schedule": {"lr_end": 1.0e-5}}, r"lr_schedule.lr_end is 1e-05, expected 0.0, for another trainer"),
        ({"lr_schedule": {"num_cycles": 1.5}}, r"lr_schedule.num_cycles is 1.5, expected 0.5"),
        ({"lr_schedule": {"decay_ratio": 0.5}}, "lr_schedule.decay_ratio is 0.5, expected no such key"),
        (alpha(22.5), r"pet_config.lora_alpha is 22.5, expected a whole number"),
    ],
)  # fmt: skip
def test_what_others_cannot_be_told_is_refused(work, change, said):
    with pytest.raises(InputError, match=said):
        trainers.check(training(work, change), "profile 'changed'")


@pytest.mark.parametrize(
    ("change", "norm"),
    [
        ({}, 1.0),
        ({"runner_wrapper": {"max_grad_norm": 0.5}}, 0.5),
        ({"runner_wrapper": {"use_clip_grad": False}}, 0.0),
    ],
)
def test_gradients_are_cut_where_ours_are(work, change, norm):
    found = training(work, change | alpha(24.0))
    trainers.check(found, "")
    for document in (trainers.factory(found, "b", Path("x")), trainers.axolotl(found, "b", Path("x"))):
        assert document["max_grad_norm"] == norm
        assert document["lora_alpha"] == 24
    assert trainers.shared(found)["lr_scheduler"] == "cosine"


def test_data_that_cannot_be_the_same_run_leaves_nothing(work, tmp_path):
    training(work, alpha(22.5))
    profile = load.profile("changed", work / "profiles")
    with contextlib.chdir(work), pytest.raises(InputError, match=r"profile 'changed': model.model_config"):
        data.write(tmp_path / "out", profile, work / "data/base", "b")
    assert not (tmp_path / "out").exists()


def test_rows_that_the_stage_leaves_out_are_not_in(tmp_path):
    """One row of 102 is too long for a sequence of 255 tokens."""
    profile = workspace(tmp_path)
    rows = [TRAIN[0]] * 50 + [("很长" * 100, "计算过程：1")] + [TRAIN[0]] * 51
    turns = [
        {"id": str(n), "conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]}
        for n, (asked, said) in enumerate(rows, 1)
    ]
    place = tmp_path / "data/train-v2-conversation.json"
    place.write_text(json.dumps(turns), encoding="utf-8")
    with contextlib.chdir(tmp_path):
        found = data.write(tmp_path / "out", profile, Path("data/base"), "b")
    assert len(found.turns) == 101 and {turn.problem for turn in found.turns} == {TRAIN[0][0]}
    assert found.said[1].startswith("left out: row 51 has ")
    assert len((tmp_path / "out/train.jsonl").read_text(encoding="utf-8").splitlines()) == 101
    assert "`train` holds what a training reads" in (tmp_path / "out/README.md").read_text(encoding="utf-8")


def test_a_mindrecord_of_one_s_own_is_named_where_other_rows_go_out(tmp_path):
    profile = workspace(tmp_path)
    params = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    params["inputs"]["mindrecord"] = "mine.mindrecord"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    with contextlib.chdir(tmp_path):
        found = data.write(tmp_path / "out", profile, Path("data/base"), "b")
    said = "mine.mindrecord (inputs.mindrecord), not these rows but tokens, is trained on"
    assert found.said == [f"overlap: not known, {said}"]
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert f"`train` holds what the pipeline makes ({said})" in card
