"""Profiles: complete, checked, merged key by key, resolved without surprises."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.pipeline.lock import value_at
from abacus.profile import load
from abacus.profile.load import Profile
from abacus.profile.model import LLAMA_KEYS, ModelConfig
from abacus.training.configuration import Run, Training, training_of
from tests.workspace import ROOT

PLACE = "profiles/x.yaml"


def document(name: str, *changes: dict[str, Any]) -> dict[str, Any]:
    """A profile over its base, and changes over that."""
    merged = load.merge(read_yaml(load.PROFILES / load.BASE), load.overlay(load.PROFILES / f"{name}.yaml"))
    for change in changes:
        merged = load.merge(merged, change)
    return merged


def changed(name: str, *changes: dict[str, Any]) -> Profile:
    return load.parsed(document(name, *changes), "x", PLACE)


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        load.parsed(values, "x", PLACE)
    return str(error.value)


def training(profile: Profile, steps_per_checkpoint: int = 3) -> Training:
    return training_of(profile, checkpoints=5, steps_per_checkpoint=steps_per_checkpoint, seed=42)


def resolved(profile: Profile, rows: int = 100_000, steps_per_checkpoint: int = 3) -> Run:
    return training(profile, steps_per_checkpoint).resolve(
        base=Path("data/base"), mindrecord=Path("data/t.mindrecord"), rows=rows, output=Path("out")
    )


TWO_RANKS = {"use_parallel": True, "parallel_config": {"data_parallel": 2}}


@pytest.mark.parametrize("name", load.names())
def test_profile_is_complete(name: str) -> None:
    profile = load.profile(name)
    assert profile.document.abacus.finetune.steps_per_checkpoint >= 1
    assert resolved(profile).framework["lr_schedule"]["total_steps"] == 15


def test_names_are_the_files() -> None:
    files = {path.stem for path in load.PROFILES.glob("*.yaml")}
    assert files == {"base", *load.names()}


def test_unknown_profile_names_the_known_ones() -> None:
    known = f"expected one of: {', '.join(load.names())}"
    assert {"llama3-8b", "llama3-8b-packed", "llama3-8b-stepwise", "smollm2-135m", "tiny"} <= set(
        load.names()
    )
    with pytest.raises(InputError) as error:
        load.profile("x")
    assert str(error.value) == f"profile 'x' does not exist, {known}"
    with pytest.raises(InputError) as error:
        load.profile("smollm-135m")
    assert str(error.value) == (
        f"profile 'smollm-135m' does not exist, {known}; did you mean 'smollm2-135m'?"
    )


def test_merge_goes_key_by_key_and_leaves_its_arguments() -> None:
    under, over = {"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"c": [3]}, "d": {"e": 1}}
    before = copy.deepcopy((under, over))
    assert load.merge(under, over) == {"a": {"b": 1, "c": [3]}, "d": {"e": 1}}
    assert (under, over) == before


def written(folder: Path, **profiles: str) -> Path:
    """A folder of profiles with base.yaml, tiny and these."""
    for name in (load.BASE, "tiny.yaml"):
        (folder / name).write_text((load.PROFILES / name).read_text(encoding="utf-8"), encoding="utf-8")
    for name, text in profiles.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_profile_may_lie_over_another(tmp_path: Path) -> None:
    """And that one over a third: each says what it has otherwise."""
    fast = "over: slow\nlr_schedule: {learning_rate: 0.5}"
    folder = written(tmp_path, slow="over: tiny\nabacus: {decode: {batch_size: 3}}", fast=fast)
    found, tiny = load.profile("fast", folder), load.profile("tiny", folder)
    assert (found.document.lr_schedule.learning_rate, found.decode.batch_size) == (0.5, 3)
    assert (found.model, found.prompt) == (tiny.model, tiny.prompt)
    assert found.framework.keys() == tiny.framework.keys()


@pytest.mark.parametrize(
    "named", ["over: a", "over: b", "over: nobody", "over: base", "over: [tiny]", "over:"]
)
def test_a_profile_lies_over_one_that_is_there_and_not_over_it(tmp_path: Path, named: str) -> None:
    folder = written(tmp_path, a=named, b="over: a")
    with pytest.raises(InputError) as error:
        load.profile("a", folder)
    value = yaml.safe_load(named)["over"]
    place, others = ("b", "tiny") if value == "b" else ("a", "b, tiny")
    shown = "a" if value == "b" else value
    assert str(error.value) == f"{folder / place}.yaml: over is {shown!r}, expected one of: {others}"


def test_every_profile_says_itself_what_dvc_compares_runs_by() -> None:
    """DVC stops where a parameter is not in the file that it is asked for in."""
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    given = [one for one in stages["configure"]["params"] if isinstance(one, dict)]
    (keys,) = (keys for one in given for file, keys in one.items() if file != "params.yaml")
    assert len(keys) == 4
    for name in load.names():
        found = read_yaml(load.PROFILES / f"{name}.yaml")
        assert all(value_at(found, key) is not None for key in keys), name


def test_the_packed_profile_trains_what_the_reference_does() -> None:
    """The same model and LoRA, schedule, optimiser and template: packed, and on ranks that hold the whole model."""
    packed, reference = load.profile("llama3-8b-packed"), load.profile("llama3-8b")
    assert (packed.model, packed.lora, packed.source) == (reference.model, reference.lora, reference.source)
    same = {"lr_schedule", "optimizer", "callbacks", "runner_config", "context"}
    assert all(packed.framework[key] == reference.framework[key] for key in same)
    assert packed.prompt.template == reference.prompt.template
    assert (packed.ranks, packed.document.parallel_config.data_parallel) == (4, 4)
    files = training(packed, packed.document.abacus.finetune.steps_per_checkpoint).checkpoint_files(6_390)
    assert files[1596] == "llama3_8b_rank_0-798_2.ckpt"
    training(packed, 1596).check("packed", 6_390)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parallel_config": {"data_parallel": 1, "model_parallel": 4}, "parallel": {"parallel_mode": 1, "full_batch": True}},
         "parallel_config.model_parallel is 4, expected 1 where rows share sequences"),
        ({"model": {"model_config": {"use_eod_attn_mask_compression": True}}},
         "use_eod_attn_mask_compression is True, expected None where rows share sequences"),
        ({"model": {"model_config": {"use_attn_mask_compression": True}}}, "use_attn_mask_compression is True, expected"),
    ],
)  # fmt: skip
def test_masks_that_hide_no_row_from_another_are_refused(change: dict, said: str) -> None:
    assert said in refusal(document("llama3-8b-packed", change))


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        ("prompt.template", "foo", "is 'foo', expected one of: vicuna, alpaca, bare"),
        ("prompt.template", ["bare"], "is a list, expected one of: vicuna, alpaca, bare"),
        ("prompt.bos", 1, "is 1 (a whole number), expected true or false"),
        ("prompt.seq_length", True, "is True (true or false), expected a whole number of at least 8"),
        ("decode.batch_size", 0, "is 0, expected a whole number of at least 1"),
        ("decode.ranks", 0, "is 0, expected a whole number of at least 1"),
        ("decode.engine", "x", "is 'x', expected one of: cached, mindformers"),
        ("finetune.checkpoints", 3, "is not a known key; did you mean 'steps_per_checkpoint'?"),
        ("base.source", "moon", "is 'moon', expected one of: wheel, random, directory"),
        ("base.source", ["random"], "is ['random'], expected one of: wheel, random, directory"),
        ("base.seed", "7", "is '7' (text), expected a whole number of at least 1"),
    ],
)
def test_a_wrong_value_is_named(keys: str, value: object, said: str) -> None:
    section, key = keys.split(".")
    wrong = document("tiny", {"abacus": {section: {key: value}}})
    assert refusal(wrong) == f"{PLACE}: abacus.{keys} {said}"


def test_a_key_too_many_or_too_few_is_named() -> None:
    wrong = document("tiny", {"abacus": {"decode": {"beams": 4}}})
    assert refusal(wrong) == (
        f"{PLACE}: abacus.decode.beams is not a known key; "
        "known: engine, ranks, batch_size, math_new_tokens, reading_new_tokens, min_new_tokens"
    )
    del wrong["abacus"]["decode"]["beams"], wrong["abacus"]["prompt"]["bos"]
    assert refusal(wrong) == f"{PLACE}: abacus.prompt.bos is missing"
    wrong["abacus"]["prompt"] = 5
    assert refusal(wrong) == f"{PLACE}: abacus.prompt is 5 (a whole number), expected a mapping"
    wrong["abacus"] = None
    assert refusal(wrong) == f"{PLACE}: abacus is None (nothing), expected a mapping"
    del wrong["abacus"]
    assert refusal(wrong) == f"{PLACE}: abacus is missing"


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
@pytest.mark.parametrize("of_a_directory", [False, True])
def test_a_pin_leads_nowhere_else(key: str, value: str, said: str, of_a_directory: bool) -> None:
    wrong, where = document("smollm2-135m"), "abacus.base"
    if of_a_directory:
        del wrong["abacus"]["base"]["source"]
        wrong["abacus"]["base"] = {"source": "directory", "tokenizer": wrong["abacus"]["base"]}
        load.parsed(wrong, "x", PLACE)
        wrong["abacus"]["base"]["tokenizer"][key] = value
        where = "abacus.base.tokenizer"
    else:
        wrong["abacus"]["base"][key] = value
    assert refusal(wrong) == f"{PLACE}: {where}.{key} is {value!r}, {said}"


def test_layers_are_bounded_for_each_has_its_names() -> None:
    wrong = document("tiny", {"model": {"model_config": {"num_layers": 10**9}}})
    assert refusal(wrong).endswith("num_layers is 1000000000, expected a whole number from 1 to 1000")


def test_an_architecture_that_cannot_be_is_refused() -> None:
    wrong = document("tiny", {"model": {"model_config": {"num_heads": 5}}})
    assert refusal(wrong).endswith("hidden_size is 64, expected a multiple of num_heads (5)")


@pytest.mark.parametrize("token", ["bos_token_id", "eos_token_id", "pad_token_id"])
def test_special_ids_are_of_the_vocabulary(token: str) -> None:
    wrong = document("tiny", {"model": {"model_config": {token: 259}}})
    assert (
        refusal(wrong) == f"{PLACE}: model.model_config.{token} is 259, expected less than vocab_size (259)"
    )


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("num_layer", "did you mean 'num_layers'?"),
        ("use_past_", "did you mean 'use_past'?"),
        ("config", "did you mean 'pet_config'?"),
        ("zzz", "MindFormers' LlamaConfig would ignore it"),
    ],
)
def test_a_key_that_llama_s_configuration_would_ignore_is_refused(key: str, hint: str) -> None:
    wrong = document("tiny", {"model": {"model_config": {key: 1}}})
    assert refusal(wrong) == f"{PLACE}: model.model_config.{key} is not a known key; {hint}"


@pytest.mark.parametrize("key", ["compute_dtype", "param_init_type", "hidden_size", "pet_config"])
def test_what_mindformers_would_choose_otherwise_must_be_said(key: str) -> None:
    wrong = document("tiny")
    del wrong["model"]["model_config"][key]
    assert refusal(wrong) == f"{PLACE}: model.model_config.{key} is missing"


def test_known_keys_and_defaults_are_those_of_llama_s_configuration(tmp_path: Path) -> None:
    code = (
        "import inspect, json, sys; from mindformers import LlamaConfig; "
        "found = inspect.signature(LlamaConfig).parameters.values(); "
        "found = {p.name: p.default for p in found if p.kind is p.POSITIONAL_OR_KEYWORD}; "
        "json.dump(found, open(sys.argv[1], 'w'), default=repr)"
    )
    found = tmp_path / "signature.json"
    command = [sys.executable, "-c", code, str(found)]
    own = {"LOCAL_DEFAULT_PATH": str(tmp_path), "LOG_MF_PATH": str(tmp_path / "log")}
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, **own}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    signature = json.loads(found.read_text(encoding="utf-8"))
    # By `type` MindFormers finds the class, and `pet_config` is read from what the class leaves over.
    assert signature.keys() | {"type", "pet_config"} == LLAMA_KEYS
    ours = {key: field.default for key, field in ModelConfig.model_fields.items() if not field.is_required()}
    assert len(ours) > 3
    assert {key: signature[key] for key in ours} == ours


def test_resolve_repeats_the_rows_for_as_long_as_the_steps_last() -> None:
    profile = load.profile("tiny")
    assert resolved(profile, rows=18, steps_per_checkpoint=2).framework["runner_config"]["epochs"] == 3
    assert resolved(profile, rows=4_000).framework["runner_config"]["epochs"] == 1
    reference = resolved(load.profile("llama3-8b"), rows=99_994, steps_per_checkpoint=1562).framework
    assert reference["runner_config"]["epochs"] == 5
    assert reference["lr_schedule"]["total_steps"] == 7810


def test_ranks_share_the_rows_of_a_step() -> None:
    profile = changed("tiny", TWO_RANKS)
    assert (profile.ranks, training(profile).ranks, training(profile).settings.batch_rows) == (2, 2, 4)
    assert resolved(profile).framework["runner_config"]["batch_size"] == 2
    reference = load.profile("llama3-8b")
    assert (reference.ranks, training(reference).settings.batch_rows) == (4, 64)
    run = resolved(reference).framework
    assert run["runner_config"]["batch_size"] == run["model"]["model_config"]["batch_size"] == 64
    # one data-parallel group


def test_checkpoints_are_named_as_the_reference_s() -> None:
    """Data sinking counts calls of two steps, as in the reference's published files."""
    files = training(load.profile("llama3-8b"), 1562).checkpoint_files(99_994, rank=3)
    assert files == {step: f"llama3_8b_rank_3-{step // 2}_2.ckpt" for step in (1562, 3124, 4686, 6248, 7810)}
    assert list(training(load.profile("tiny"), 2).checkpoint_files(18).values()) == [
        f"adapter_rank_0-{name}.ckpt" for name in ("1_2", "1_4", "2_2", "2_4", "3_2")
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parallel_config": {"data_parallel": 3}}, "batch_rows is 4, expected a multiple of data_parallel (3)"),
        ({"parallel_config": {"pipeline_stage": 2}}, "pipeline_stage is 2, expected 1, for nothing else is"),
        ({"parallel_config": {"context_parallel": True}}, "context_parallel is True (true or false), expected 1, for"),
        ({"runner_config": {"gradient_accumulation_steps": 2}}, "accumulation_steps is 2, expected 1, for"),
        ({"use_parallel": False}, "use_parallel is False, expected True with 2 ranks"),
        ({"parallel": {"parallel_mode": 1}}, "parallel.parallel_mode is 1, expected 0 (0 and False for data"),
        ({"parallel": {"parallel_mode": False}}, "parallel.parallel_mode is False (true or false), expected a whole"),
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
        ({"abacus": {"decode": {"ranks": 3}, "launch": {"hosts": 2}}},
         "abacus.decode.ranks is 3, expected a multiple of abacus.launch.hosts (2)"),
        ({"abacus": {"launch": {"port": 80}}}, "launch.port is 80, expected a whole number from 1024 to 65535"),
    ],
)  # fmt: skip
def test_what_ranks_cannot_share_is_refused(change: dict, said: str) -> None:
    found = refusal(document("tiny", TWO_RANKS, change))
    assert said in found
    assert found.startswith(f"{PLACE}: ")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"abacus": {"prompt": {"packing": None}}}, "abacus.prompt.packing is missing, expected sequences"),
        ({"model": {"model_config": {"qkv_has_bias": True}}}, "model_config.qkv_has_bias is True, expected None for"),
        ({"context": {"device_target": "Ascend"}}, "context.device_target is 'Ascend', expected 'CPU' for Layerwise"),
        ({"model": {"model_config": {"softmax_compute_type": "float16"}}},
         "softmax_compute_type is 'float16', expected 'float32' for nothing else is computed by Layerwise"),
    ],
)  # fmt: skip
def test_what_is_not_computed_layer_by_layer_is_refused(change: dict, said: str) -> None:
    assert said in refusal(document("smollm2-135m", change))


@pytest.mark.parametrize("heads", ["num_heads", "n_kv_heads"])
def test_tensor_parallel_divides_the_heads(heads: str) -> None:
    change = {"model": {"model_config": {heads: {"num_heads": 32, "n_kv_heads": 2}[heads]}}}
    wrong = document("llama3-8b", change)
    if heads == "num_heads":
        wrong["parallel_config"]["model_parallel"] = 64
    number = wrong["model"]["model_config"][heads]
    tensor = wrong["parallel_config"]["model_parallel"]
    assert refusal(wrong).endswith(f".{heads} is {number}, expected a multiple of model_parallel ({tensor})")


@pytest.mark.parametrize(
    ("name", "rows", "steps", "said"),
    [
        ("tiny", 3, 2, "3 rows, expected at least one batch of 4"),
        (
            "llama3-8b",
            99_994,
            781,
            "781 steps a checkpoint, expected a multiple of runner_config.sink_size (2), for",
        ),
    ],
)
def test_a_run_that_cannot_work_is_refused(name: str, rows: int, steps: int, said: str) -> None:
    with pytest.raises(InputError) as error:
        training(load.profile(name), steps).check(PLACE, rows)
    assert str(error.value).startswith(f"{PLACE}: {said}")
    training(load.profile("tiny"), 2).check(PLACE, 4)
    training(load.profile("llama3-8b"), 782).check(PLACE, 99_994)


def test_a_profile_may_be_a_file_of_one_s_own(tmp_path: Path) -> None:
    path, base = tmp_path / "tiny.yaml", load.PROFILES / load.BASE
    path.write_text((load.PROFILES / "tiny.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    assert load.load(path, base) == load.profile("tiny")
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        load.load(tmp_path / "none.yaml", base)
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        load.load(path, tmp_path / "none.yaml")


def test_resolve_is_plain_yaml_and_leaves_the_profile() -> None:
    profile = load.profile("tiny")
    before = copy.deepcopy(profile)
    run = resolved(profile).framework
    assert profile == before
    assert yaml.safe_load(yaml.safe_dump(run)) == run
    assert run["model"]["model_config"]["seq_length"] == profile.prompt.seq_length
    assert run["load_checkpoint"] == "data/base"


def test_reading_a_profile_imports_no_mindspore() -> None:
    code = (
        "import sys; from abacus.profile import load; from abacus.core import quiet; load.profile('llama3-8b'); "
        "sys.exit(any(name.startswith('mind') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runner_confg: {batch_size: 32}", "runner_confg is not a known key; did you mean 'runner_config'?"),
        ("callbacks: 3", "callbacks is 3, expected a list"),
        ("parallel_config: 3", "parallel_config is 3, expected a mapping"),
        (
            "parallel_config: {data_parallel: x}",
            "parallel_config.data_parallel is 'x' (text), expected a whole number of at least 1",
        ),
        ("optimizer: {type: Nonsense}", "optimizer.type is 'Nonsense', expected one of: AdamW"),
        ("context: {device_target: GPU}", "context.device_target is 'GPU', expected one of: CPU, Ascend"),
        (
            "lr_schedule: {learning_rate: 1e-3}",
            "lr_schedule.learning_rate is '1e-3' (text), expected a number above 0 (with a point: 1.0e-3)",
        ),
        (
            "lr_schedule: {learning_rate: .inf}",
            "lr_schedule.learning_rate is inf (a number), expected a number above 0",
        ),
        ("model: {model_config: {pet_config: 5}}", "pet_config is 5, expected a mapping"),
        ("model: {model_config: 5}", "model.model_config is 5, expected a mapping"),
        ("model: {config: {}, model_config: 5}", "model.model_config is 5, expected a mapping"),
        (
            "model: {model_config: {pet_config: {lora_rank: 0}}}",
            "pet_config.lora_rank is 0, expected a whole number of at least 1",
        ),
        (
            "model: {model_config: {pet_config: {lora_dropout: 1.0}}}",
            "pet_config.lora_dropout is 1.0, expected a number from 0 to below 1",
        ),
        ("abacus: {5: 1}", "abacus.5 is not a known key, expected text"),
        ("5: 1", "5 is not a known key; known: abacus, run_mode"),
    ],
)
def test_what_a_profile_cannot_mean_is_refused(tmp_path: Path, text: str, message: str) -> None:
    tiny = yaml.safe_load((load.PROFILES / "tiny.yaml").read_text(encoding="utf-8"))
    base = (load.PROFILES / load.BASE).read_text(encoding="utf-8")
    (tmp_path / load.BASE).write_text(base, encoding="utf-8")
    over = load.merge(tiny, yaml.safe_load(text))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(over), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load.profile("mine", tmp_path)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'mine.yaml'}: ")
