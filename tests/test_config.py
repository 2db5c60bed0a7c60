"""Profiles: complete, checked, merged key by key, resolved without surprises."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages.command import InputError
from stages.model import config

PLACE = "stages/model/profiles/x.yaml"


def resolved(profile: dict, rows: int = 100_000, **changes) -> dict:
    numbers = {"steps_per_checkpoint": 3, "seed": 42, **changes}
    return config.resolve(
        profile,
        base=Path("data/base"),
        mindrecord=Path("data/t.mindrecord"),
        rows=rows,
        output=Path("out"),
        **numbers,
    )


@pytest.mark.parametrize("name", config.names())
def test_profile_is_complete(name: str) -> None:
    profile = config.profile(name)
    assert profile["abacus"]["finetune"]["checkpoints"] == 5
    assert resolved(profile)["lr_schedule"]["total_steps"] == 15


def test_names_are_the_files() -> None:
    files = {path.stem for path in config.PROFILES.glob("*.yaml")}
    assert files == {"base", *config.names()}


def test_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(InputError) as error:
        config.profile("x")
    assert str(error.value) == ("profile 'x' does not exist; there are: llama3-8b, smollm2-135m, tiny")


def test_merge_goes_key_by_key_and_leaves_its_arguments() -> None:
    under, over = {"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"c": [3]}, "d": {"e": 1}}
    before = copy.deepcopy((under, over))
    assert config.merge(under, over) == {"a": {"b": 1, "c": [3]}, "d": {"e": 1}}
    assert (under, over) == before


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        ("prompt.template", "foo", "is 'foo', expected one of: vicuna, alpaca, bare"),
        ("prompt.template", ["bare"], "is ['bare'], expected one of: vicuna, alpaca, bare"),
        ("prompt.bos", 1, "is 1, expected true or false"),
        ("prompt.seq_length", True, "is True, expected an integer of at least 8"),
        ("decode.batch_size", 0, "is 0, expected an integer of at least 1"),
        ("decode.engine", "x", "is 'x', expected one of: cached, mindformers"),
        ("finetune.checkpoints", 3, "is 3, expected 5, as dvc.yaml evaluates"),
        ("base.source", "moon", "is 'moon', expected one of: wheel, random, directory"),
        ("base.source", ["random"], "is ['random'], expected one of: wheel, random, directory"),
        ("base.seed", "7", "is '7', expected an integer of at least 1"),
    ],
)
def test_a_wrong_value_is_named(keys: str, value: object, said: str) -> None:
    profile = config.profile("tiny")
    section, key = keys.split(".")
    profile["abacus"][section][key] = value
    with pytest.raises(InputError) as error:
        config.check(profile, PLACE)
    assert str(error.value) == f"{PLACE}: abacus.{keys} {said}"


def test_a_key_too_many_or_too_few_is_named() -> None:
    profile = config.profile("tiny")
    profile["abacus"]["decode"]["beams"] = 4
    with pytest.raises(InputError, match=r"abacus\.decode\.beams is unknown, expected only: engine"):
        config.check(profile, PLACE)
    del profile["abacus"]["decode"]["beams"], profile["abacus"]["prompt"]["bos"]
    with pytest.raises(InputError, match=r"abacus\.prompt\.bos is missing, expected all of: templ"):
        config.check(profile, PLACE)
    del profile["abacus"]
    with pytest.raises(InputError, match=r"x\.yaml: abacus is None, expected a mapping"):
        config.check(profile, PLACE)


def test_an_architecture_that_cannot_be_is_refused() -> None:
    profile = config.profile("tiny")
    profile["model"]["model_config"]["num_heads"] = 5
    with pytest.raises(InputError, match=r"hidden_size is 64, expected a multiple of num_heads \(5\)"):
        config.check(profile, PLACE)


def test_resolve_repeats_the_rows_for_as_long_as_the_steps_last() -> None:
    profile = config.profile("tiny")
    assert resolved(profile, rows=18, steps_per_checkpoint=2)["runner_config"]["epochs"] == 3
    assert resolved(profile, rows=4_000)["runner_config"]["epochs"] == 1
    reference = resolved(config.profile("llama3-8b"), rows=99_994, steps_per_checkpoint=1562)
    assert reference["runner_config"]["epochs"] == 5
    assert reference["lr_schedule"]["total_steps"] == 7810
    with pytest.raises(InputError, match="3 rows, expected at least one batch of 4"):
        resolved(profile, rows=3)


def test_resolve_is_plain_yaml_and_leaves_the_profile() -> None:
    profile = config.profile("tiny")
    before = copy.deepcopy(profile)
    run = resolved(profile)
    assert profile == before
    assert yaml.safe_load(yaml.safe_dump(run)) == run
    assert run["model"]["model_config"]["seq_length"] == profile["abacus"]["prompt"]["seq_length"]
    assert run["load_checkpoint"] == "data/base/model.ckpt"


def test_reading_a_profile_imports_no_mindspore() -> None:
    code = (
        "import sys; from stages.model import config, quiet; config.profile('llama3-8b'); "
        "sys.exit(any(name.startswith('mind') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runner_confg: {batch_size: 32}", "runner_confg is unknown; did you mean 'runner_config'?"),
        ("callbacks: 3", "callbacks is 3, expected a list"),
        ("parallel_config: 3", "parallel_config is 3, expected a mapping"),
        ("parallel_config: {data_parallel: x}", "parallel_config.data_parallel is 'x', expected an integer"),
        ("optimizer: {type: Nonsense}", "optimizer.type is 'Nonsense', expected one of: AdamW"),
        ("context: {device_target: GPU}", "context.device_target is 'GPU', expected one of: CPU, Ascend"),
        (
            "lr_schedule: {learning_rate: 1e-3}",
            "lr_schedule.learning_rate is '1e-3', expected a number above 0",
        ),
        ("lr_schedule: {learning_rate: .inf}", "lr_schedule.learning_rate is inf, expected a number above 0"),
        ("model: {model_config: {pet_config: 5}}", "pet_config is 5, expected a mapping"),
        (
            "model: {model_config: {pet_config: {lora_rank: 0}}}",
            "pet_config.lora_rank is 0, expected an integer of at least 1",
        ),
        (
            "model: {model_config: {pet_config: {lora_dropout: 1.0}}}",
            "pet_config.lora_dropout is 1.0, expected a number from 0 to below 1",
        ),
    ],
)
def test_what_a_profile_cannot_mean_is_refused(tmp_path, monkeypatch, text, message) -> None:
    tiny = yaml.safe_load((config.PROFILES / "tiny.yaml").read_text(encoding="utf-8"))
    base = (config.PROFILES / config.BASE).read_text(encoding="utf-8")
    (tmp_path / config.BASE).write_text(base, encoding="utf-8")
    changed = config.merge(tiny, yaml.safe_load(text))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    monkeypatch.setattr(config, "PROFILES", tmp_path)
    with pytest.raises(InputError) as error:
        config.profile("mine")
    assert message in str(error.value)
    assert "mine.yaml" in str(error.value)
