"""What a profile asks for and no run of it can give: seen before a stage runs, by `make repro` and `make plan`.

`schema` says what a profile is; this is what its numbers have to do with each other, with LoRA, and with a CPU.
"""

import re
from typing import Any

from stages.command import InputError
from stages.model import memory, weights

TYPES = ("compute_dtype", "layernorm_compute_type", "softmax_compute_type", "rotary_dtype", "param_init_type")


def check(config: dict[str, Any], place: str) -> None:
    """Raise InputError, naming `place` (a profile) and the key, for what cannot work."""
    for key, value, good, expected in [*_model(config), *_lora(config), *_run(config)]:
        if not good:
            raise InputError(f"{place}: {key} is {value!r}, expected {expected}")


def _model(config: dict[str, Any]) -> list[tuple[str, Any, bool, str]]:
    """Key, value, whether it is good, and what is expected: of the model's numbers."""
    model, abacus = config["model"]["model_config"], config["abacus"]
    positions, length = model["max_position_embedding"], abacus["prompt"]["seq_length"]
    most = positions - 1
    answers = [
        ("abacus.decode." + key, abacus["decode"][key]) for key in ("math_new_tokens", "reading_new_tokens")
    ]
    found = [
        (
            "abacus.prompt.seq_length",
            length,
            length <= positions,
            f"at most max_position_embedding ({positions})",
        ),
        *(
            (key, value, value < positions, f"at most {most}, the model's positions but one")
            for key, value in answers
        ),
    ]
    for key in TYPES:
        value = model.get(key, "float32")
        found.append((f"model.model_config.{key}", value, value in memory.WIDTHS, _one_of(memory.WIDTHS)))
    if config["context"]["device_target"] == "CPU":
        flash = model.get("use_flash_attention", False)
        found.append(
            ("model.model_config.use_flash_attention", flash, not flash, "False on a CPU, which has none")
        )
    return found


def _lora(config: dict[str, Any]) -> list[tuple[str, Any, bool, str]]:
    """The same of LoRA."""
    model = config["model"]["model_config"]
    pet, where = model["pet_config"], "model.model_config.pet_config"
    targets = pet["target_modules"]
    try:
        re.compile(targets)
    except re.error as error:
        return [(f"{where}.target_modules", targets, False, f"a regular expression ({error})")]
    hidden = model["hidden_size"]
    return [
        (
            f"{where}.lora_rank",
            pet["lora_rank"],
            pet["lora_rank"] <= hidden,
            f"at most hidden_size ({hidden})",
        ),
        (
            f"{where}.target_modules",
            targets,
            weights.lora_parameters(model) > 0,
            "what matches a layer's matrix, such as .*wq|.*wv",
        ),
    ]


def _run(config: dict[str, Any]) -> list[tuple[str, Any, bool, str]]:
    """The same of schedule, optimiser, checkpoints and memory."""
    ratio, betas = config["lr_schedule"].get("warmup_ratio", 0), config["optimizer"].get("betas", [0.9, 0.95])
    prefixes = [one.get("prefix") for one in config["callbacks"] if one.get("type") == "AdapterMonitor"]
    named = len(prefixes) == 1 and isinstance(prefixes[0], str) and re.fullmatch(r"[\w.-]+", prefixes[0])
    most = config["context"].get("max_device_memory")
    return [
        ("lr_schedule.warmup_ratio", ratio, _share(ratio), "a number from 0 to below 1"),
        (
            "optimizer.betas",
            betas,
            isinstance(betas, list) and all(map(_share, betas)),
            "two numbers from 0 to below 1",
        ),
        (
            "callbacks",
            prefixes,
            bool(named),
            "one AdapterMonitor whose prefix is letters, digits, '_', '.' and '-'",
        ),
        (
            "context.max_device_memory",
            most,
            most is None or memory.limit(config) is not None,
            "a number and GB, as in 58GB",
        ),
    ]


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1


def _one_of(names: Any) -> str:
    return f"one of: {', '.join(names)}"
