"""What a profile asks for and no run of it can give: seen before a stage runs, by `configure` and `make plan`.

`profile.model` says what a profile is; this is what its numbers have to do with each other, with LoRA, and with a CPU.
"""

import re
from typing import Any

from abacus.core.errors import InputError
from abacus.planning import memory
from abacus.profile.load import Profile
from abacus.training.configuration import MONITOR
from abacus.weights.architecture import lora_parameters

Limit = tuple[str, Any, bool, str]  # key, value, whether it is good, and what is expected


def check(profile: Profile) -> None:
    """Raise InputError, naming the profile and the key, for what cannot work."""
    for key, value, good, expected in [*_model(profile), *_lora(profile), *_run(profile)]:
        if not good:
            raise InputError(f"profile {profile.name!r}", f"{key} is {value!r}", expected)


def _model(profile: Profile) -> list[Limit]:
    """Limits of the model's numbers."""
    positions, length = profile.model.max_position_embedding, profile.prompt.seq_length
    flash = profile.model.use_flash_attention
    answers = {key: getattr(profile.decode, key) for key in ("math_new_tokens", "reading_new_tokens")}
    return [
        (
            "abacus.prompt.seq_length",
            length,
            length <= positions,
            f"at most max_position_embedding ({positions})",
        ),
        *(
            (
                f"abacus.decode.{key}",
                value,
                value < positions,
                f"at most {positions - 1}, the model's positions but one",
            )
            for key, value in answers.items()
        ),
        (
            "model.model_config.use_flash_attention",
            flash,
            not (flash and profile.device == "CPU"),
            "False on a CPU, which has none",
        ),
    ]


def _lora(profile: Profile) -> list[Limit]:
    """Limits of LoRA."""
    lora, where = profile.lora, "model.model_config.pet_config"
    targets, hidden = lora.target_modules, profile.model.hidden_size
    try:
        re.compile(targets)
    except re.error as error:
        return [(f"{where}.target_modules", targets, False, f"a regular expression ({error})")]
    found = lora_parameters(profile.llama.architecture, lora.lora_rank, targets)
    matching = "what matches a layer's matrix, such as .*wq|.*wv"
    return [
        (f"{where}.lora_rank", lora.lora_rank, lora.lora_rank <= hidden, f"at most hidden_size ({hidden})"),
        (f"{where}.target_modules", targets, found > 0, matching),
    ]


def _run(profile: Profile) -> list[Limit]:
    """Limits of optimiser, checkpoints and memory."""
    betas = profile.framework["optimizer"].get("betas", [0.9, 0.95])
    prefixes = [one.get("prefix") for one in profile.document.callbacks if one.get("type") == MONITOR]
    named = len(prefixes) == 1 and isinstance(prefixes[0], str) and re.fullmatch(r"[\w.-]+", prefixes[0])
    most = profile.framework["context"].get("max_device_memory")
    name = "one AdapterMonitor whose prefix is letters, digits, '_', '.' and '-'"
    return [
        (
            "optimizer.betas",
            betas,
            isinstance(betas, list) and len(betas) == 2 and all(map(_share, betas)),
            "two numbers from 0 to below 1",
        ),
        ("callbacks", prefixes, bool(named), name),
        (
            "context.max_device_memory",
            most,
            most is None or memory.limit(profile.framework) is not None,
            "a number and GB, as in 58GB",
        ),
    ]


def _share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
