"""Profiles: complete, checked, merged key by key, resolved without surprises."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages.command import InputError
from stages.model import config, schema

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
        schema.check(profile, PLACE)
    assert str(error.value) == f"{PLACE}: abacus.{keys} {said}"


def test_a_key_too_many_or_too_few_is_named() -> None:
    profile = config.profile("tiny")
    profile["abacus"]["decode"]["beams"] = 4
    with pytest.raises(InputError, match=r"abacus\.decode\.beams is unknown, expected only: engine"):
        schema.check(profile, PLACE)
    del profile["abacus"]["decode"]["beams"], profile["abacus"]["prompt"]["bos"]
    with pytest.raises(InputError, match=r"abacus\.prompt\.bos is missing, expected all of: templ"):
        schema.check(profile, PLACE)
    del profile["abacus"]
    with pytest.raises(InputError, match=r"x\.yaml: abacus is None, expected a mapping"):
        schema.check(profile, PLACE)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("requirement", "--index-url=https://elsewhere", "expected a name and a version (name==1.0)"),
        ("requirement", "../../x==1", "expected a name and a version (name==1.0)"),
        ("requirement", "a==1==2", "expected a name and a version (name==1.0)"),
        ("requirement", "a", "expected a name and a version (name==1.0)"),
        ("member", "a/..", "expected the path of a file in the wheel"),
        ("member", "/", "expected the path of a file in the wheel"),
        ("member_sha256", "A" * 64, "expected 64 hexadecimal digits"),
    ],
)
def test_a_pin_leads_nowhere_else(key: str, value: str, said: str) -> None:
    profile = config.profile("smollm2-135m")
    profile["abacus"]["base"][key] = value
    with pytest.raises(InputError) as error:
        schema.check(profile, PLACE)
    assert str(error.value) == f"{PLACE}: abacus.base.{key} is {value!r}, {said}"


def test_layers_are_bounded_for_each_has_its_names() -> None:
    profile = config.profile("tiny")
    profile["model"]["model_config"]["num_layers"] = 10**9
    with pytest.raises(InputError, match=r"num_layers is 1000000000, expected an integer from 1 to 1000$"):
        schema.check(profile, PLACE)


def test_an_architecture_that_cannot_be_is_refused() -> None:
    profile = config.profile("tiny")
    profile["model"]["model_config"]["num_heads"] = 5
    with pytest.raises(InputError, match=r"hidden_size is 64, expected a multiple of num_heads \(5\)"):
        schema.check(profile, PLACE)


def test_resolve_repeats_the_rows_for_as_long_as_the_steps_last() -> None:
    profile = config.profile("tiny")
    assert resolved(profile, rows=18, steps_per_checkpoint=2)["runner_config"]["epochs"] == 3
    assert resolved(profile, rows=4_000)["runner_config"]["epochs"] == 1
    reference = resolved(config.profile("llama3-8b"), rows=99_994, steps_per_checkpoint=1562)
    assert reference["runner_config"]["epochs"] == 5
    assert reference["lr_schedule"]["total_steps"] == 7810


def test_ranks_share_the_rows_of_a_step() -> None:
    profile = two_ranks()
    assert (config.ranks(profile), config.batch_rows(profile)) == (2, 4)
    assert resolved(profile)["runner_config"]["batch_size"] == 2
    reference = config.profile("llama3-8b")
    assert (config.ranks(reference), config.batch_rows(reference)) == (4, 64)
    assert resolved(reference)["runner_config"]["batch_size"] == 64  # one data-parallel group


def two_ranks() -> dict:
    profile = config.profile("tiny")
    return config.merge(profile, {"use_parallel": True, "parallel_config": {"data_parallel": 2}})


def test_checkpoints_are_named_as_the_reference_s() -> None:
    """Data sinking counts calls of two steps, as in the reference's published files."""
    files = config.checkpoint_files(config.profile("llama3-8b"), 99_994, 1562, rank=3)
    assert files == {step: f"llama3_8b_rank_3-{step // 2}_2.ckpt" for step in (1562, 3124, 4686, 6248, 7810)}
    assert list(config.checkpoint_files(config.profile("tiny"), 18, 2).values()) == [
        f"adapter_rank_0-{name}.ckpt" for name in ("1_2", "1_4", "2_2", "2_4", "3_2")
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parallel_config": {"data_parallel": 3}}, "batch_rows is 4, expected a multiple of data_parallel (3)"),
        ({"parallel_config": {"pipeline_stage": 2}}, "pipeline_stage is 2, expected 1, for nothing else is"),
        ({"runner_config": {"gradient_accumulation_steps": 2}}, "accumulation_steps is 2, expected 1, for"),
        ({"use_parallel": False}, "use_parallel is False, expected True with 2 ranks"),
        ({"parallel": {"parallel_mode": 1}}, "parallel.parallel_mode is 1, expected 0 (0 and False for data"),
        ({"parallel": {"full_batch": True}}, "parallel.full_batch is True, expected False (0 and False for"),
        ({"parallel_config": {"data_parallel": 1, "model_parallel": 2},
          "parallel": {"parallel_mode": 1, "full_batch": True}},
         "vocab_size is 259, expected a multiple of model_parallel (2)"),
        ({"parallel_config": {"data_parallel": 1, "model_parallel": 2},
          "parallel": {"parallel_mode": 1, "full_batch": True}, "model": {"model_config": {"vocab_size": 260}}},
         "model_parallel is 2, expected 1 on a CPU"),
        ({"context": {"device_target": "Ascend"}, "runner_wrapper": {"type": "MFTrainOneStepCell"}},
         "runner_wrapper.type is 'MFTrainOneStepCell', expected 'TokenMeanTrainOneStepCell'"),
        ({"runner_wrapper": {"type": "TokenMeanTrainOneStepCell"}}, "expected 'PortableTrainOneStepCell'"),
        ({"runner_config": {"batch_size": 4}}, "batch_size is set, expected abacus.finetune.batch_rows alone"),
        ({"runner_config": {"sink_mode": True}}, "runner_config.sink_size is missing"),
        ({"abacus": {"launch": {"hosts": 3}}}, "is 2, expected a multiple of abacus.launch.hosts (3)"),
        ({"abacus": {"launch": {"port": 80}}}, "launch.port is 80, expected a port from 1024 to 65535"),
    ],
)  # fmt: skip
def test_what_ranks_cannot_share_is_refused(change: dict, said: str) -> None:
    with pytest.raises(InputError) as error:
        schema.check(config.merge(two_ranks(), change), PLACE)
    assert said in str(error.value)
    assert str(error.value).startswith(PLACE)


@pytest.mark.parametrize("heads", ["num_heads", "n_kv_heads"])
def test_tensor_parallel_divides_the_heads(heads: str) -> None:
    change = {"model": {"model_config": {heads: {"num_heads": 32, "n_kv_heads": 2}[heads]}}}
    profile = config.merge(config.profile("llama3-8b"), change)
    if heads == "num_heads":
        profile["parallel_config"]["model_parallel"] = 64
    with pytest.raises(InputError, match=rf"{heads} is \d+, expected a multiple of model_parallel"):
        schema.check(profile, PLACE)


@pytest.mark.parametrize(
    ("name", "numbers", "said"),
    [
        ("tiny", (3, 2), "3 rows, expected at least one batch of 4"),
        (
            "llama3-8b",
            (99_994, 781),
            "781 steps a checkpoint, expected a multiple of runner_config.sink_size",
        ),
        ("tiny", (18, 2, 258), "seq_length is 256, expected at least 257: the longest row has 258 ids"),
    ],
)
def test_a_run_that_cannot_work_is_refused(name: str, numbers: tuple, said: str) -> None:
    with pytest.raises(InputError) as error:
        config.check_run(config.profile(name), PLACE, *numbers)
    assert str(error.value).startswith(f"{PLACE}: ")
    assert said in str(error.value)
    config.check_run(config.profile("tiny"), PLACE, 4, 2, 257)


def test_a_profile_may_be_a_file_of_one_s_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((config.PROFILES / "tiny.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    assert config.profile(str(path)) == config.profile("tiny")
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        config.profile(str(tmp_path / "none.yaml"))


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
