"""A checkpoint's LoRA weights as a PEFT adapter: what `PeftModel.from_pretrained` loads over the base model.

Format: https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from abacus.core.documents import read_json, write_json
from abacus.core.errors import InputError
from abacus.core.typed import Open, validated, whole
from abacus.formats.huggingface import name_of
from abacus.weights.architecture import Architecture, Weights, expected
from abacus.weights.checkpoint import load_checkpoint
from abacus.weights.lora import LARGEST, PART

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


class Adapter(Open):
    """LoRA's numbers in the adapter.json of a checkpoint."""

    step: Annotated[int, whole(1)]
    rank: Annotated[int, whole(1, LARGEST)]
    alpha: Annotated[int | float, Field(gt=0, le=LARGEST, description=f"a number above 0, at most {LARGEST}")]
    dropout: Annotated[float, Field(ge=0, lt=1, description="a share below 1")] = 0.0


def read(folder: Path) -> tuple[Adapter, Weights]:
    """The numbers and the weights of a checkpoint's folder; InputError for the base model, which has no adapter."""
    path = folder / "adapter.json"
    said = read_json(path, "the adapter of a checkpoint")
    if said.get("step") == 0:
        raise InputError(folder, "is the base model, which has no adapter", "a later checkpoint")
    return validated(Adapter, said, path), load_checkpoint(folder / "adapter.ckpt")


def tensors(pairs: Weights, rank: int, architecture: Architecture, place: str) -> Weights:
    """The weights under PEFT's names, float32; InputError, naming `place`, unless all are pairs that fit the model."""
    wanted, found, seen = expected(architecture), {}, {}
    for name, array in pairs.items():
        match = PART.fullmatch(name)
        target = f"{match['target']}.weight" if match else ""
        if match is None or len(wanted.get(target, ())) != 2:
            raise InputError(place, f"{name} fits no weight of the base model", "LoRA weights")
        part = match["part"].upper()
        shape = (rank, wanted[target][1]) if part == "A" else (wanted[target][0], rank)
        if array.shape != shape:
            raise InputError(place, f"{name} has the shape {array.shape}", str(shape))
        seen.setdefault(target, set()).add(part)
        module = name_of(target).removesuffix(".weight")
        found[f"base_model.model.{module}.lora_{part}.weight"] = np.ascontiguousarray(array, np.float32)
    for target, parts in seen.items():
        if parts != {"A", "B"}:
            raise InputError(place, f"{target} has only LoRA's {'/'.join(parts).lower()}", "a and b")
    if not found:
        raise InputError(place, "the adapter is empty", "LoRA weights")
    return found


def targets(names: list[str], layers: int) -> list[str]:
    """What PEFT is told to adapt: kinds of modules where every layer has them all, or else each module by its name."""
    modules = sorted({name.removeprefix("base_model.model.").rpartition(".lora_")[0] for name in names})
    kinds = sorted({module.rpartition(".")[2] for module in modules})
    return kinds if len(modules) == len(kinds) * layers else modules


def config(adapter: Adapter, modules: list[str], base_name: str) -> dict[str, Any]:
    """What adapter_config.json says; keys that are not here have PEFT's defaults."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": adapter.rank,
        "lora_alpha": adapter.alpha,
        "lora_dropout": adapter.dropout,
        "target_modules": modules,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }


def write(folder: Path, source: Path, architecture: Architecture, base_name: str) -> Adapter:
    """Write both files for the checkpoint in `source` into the folder; the same bytes each time."""
    from safetensors.numpy import save_file

    adapter, pairs = read(source)
    found = tensors(pairs, adapter.rank, architecture, str(source))
    save_file(found, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)  # the library leaves it unreadable to others
    write_json(folder / CONFIG, config(adapter, targets(list(found), architecture.num_layers), base_name))
    return adapter


def base_of(folder: Path) -> Path | None:
    """The folder of the base model that an adapter names, seen from the adapter or from here; None for no adapter.

    InputError for a base model that is not here: nothing is downloaded.
    """
    path = folder / CONFIG
    if not path.is_file():
        return None
    name = read_json(path, "a PEFT adapter's configuration").get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise InputError(
            path, f"base_model_name_or_path is {name!r}", "a folder, or a name on the Hugging Face Hub"
        )
    for place in (folder / name, Path(name)):
        if place.exists():
            return place
    advice = (
        f"`hf download {name} --local-dir FOLDER`, then FROM=FOLDER"
        if name.count("/") == 1
        else "FROM=its folder"
    )
    raise InputError(path, f"its base model, {name}, is no folder here", "one", advice)
