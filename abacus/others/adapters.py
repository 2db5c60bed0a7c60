"""Adapters that were made elsewhere, as a checkpoint folder of ours: PEFT's, and MindSpore's with MindFormers' names.

PEFT's format: https://huggingface.co/docs/peft/developer_guides/checkpoint
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from abacus.core.documents import read_json, write_json
from abacus.core.errors import InputError
from abacus.core.files import replacing
from abacus.core.typed import Open, validated, whole
from abacus.formats import safetensor
from abacus.formats.export import sort
from abacus.formats.huggingface import INNER
from abacus.profile.model import Lora
from abacus.weights.architecture import Weights, expected, read_architecture
from abacus.weights.checkpoint import load_checkpoint, save_checkpoint
from abacus.weights.lora import paired

OURS, CONFIG, TENSORS = "adapter.json", "adapter_config.json", "adapter_model.safetensors"
PART = re.compile(r"base_model\.model\.model\.layers\.(\d+)\.(.+)\.lora_([AB])\.weight")
MODULES = {theirs.removesuffix(".weight"): ours.removesuffix(".weight") for ours, theirs in INNER.items()}
STEP = 1  # of a checkpoint whose steps nobody has counted; 0 would be the base model


Empty = Annotated[dict[str, Any], Field(max_length=0, description="an empty mapping: one number for all")]


class Config(Open):
    """What must be known of adapter_config.json; of each of the others only some values mean LoRA as it is here.

    The keys are those of peft 0.21's LoraConfig that change the base model or what is computed with the matrices.
    """

    peft_type: Literal["LORA"]
    r: Annotated[int, whole(1, 10**6)]
    lora_alpha: Annotated[int | float, Field(gt=0, description="a number above 0")]
    use_rslora: bool = False
    use_dora: Literal[False] = False
    fan_in_fan_out: Literal[False] = False
    bias: Literal["none"] = "none"
    rank_pattern: Empty = Field(default_factory=dict)
    alpha_pattern: Empty = Field(default_factory=dict)
    modules_to_save: None = None
    # The other ways to begin (pissa, olora, corda, loftq, lora_ga) take something off the base model's own matrices.
    init_lora_weights: bool | Literal["gaussian", "orthogonal", "eva", "mica"] = True
    lora_bias: Literal[False] = False
    use_qalora: Literal[False] = False
    alora_invocation_tokens: None = None
    layer_replication: None = None
    trainable_token_indices: None = None
    target_parameters: None = None
    use_bdlora: None = None
    arrow_config: None = None
    kasa_config: None = None
    monteclora_config: None = None


class Taken(NamedTuple):
    """LoRA's matrices by MindFormers' names, and the scale alpha / rank as its two numbers."""

    pairs: Weights
    rank: int
    alpha: float


def folder_of(source: Path, base: Path, lora: Lora, alpha: float | None, to: Path) -> Path:
    """The adapter at `source` as a folder that stage predict takes: itself if it is one of ours, else `to`, written anew.

    `lora` has the numbers of a MindSpore checkpoint, which holds none, unless `alpha` is given.
    """
    said = next((name for name in (OURS, CONFIG) if (source / name).is_file()), None)
    if said and alpha is not None:
        raise InputError(source / said, f"says its alpha, and ALPHA is {alpha:g}", "no ALPHA with it")
    if said == OURS:
        return source
    if said == CONFIG:
        taken = read_peft(source)
        # Here, where the file has its own name.
        paired(taken.pairs, expected(read_architecture(base)), str(source / TENSORS))
    elif file := _checkpoint(source):
        taken = read_mindspore(file, base, lora, alpha)
    else:
        wanted = f"{CONFIG} (PEFT), {OURS} (ours) or a MindSpore .ckpt"
        raise InputError(source, "holds no adapter" if source.exists() else "no such folder", wanted)
    about = {"step": STEP, "rank": taken.rank, "alpha": taken.alpha}
    about["trainable_parameters"] = sum(array.size for array in taken.pairs.values())
    with replacing(to) as part:
        part.mkdir()
        save_checkpoint(part / "adapter.ckpt", taken.pairs)
        write_json(part / OURS, about)
    return to


def _checkpoint(source: Path) -> Path | None:
    """The one MindSpore checkpoint that `source` is or holds."""
    found = [source] if source.is_file() else sorted(source.glob("*.ckpt"))
    if len(found) > 1:
        raise InputError(
            source, f"holds {found[0].name} and {len(found) - 1} more", "the path of one of them"
        )
    return found[0] if found else None


def read_peft(folder: Path) -> Taken:
    """An adapter that `peft` has saved; InputError for one that is more than LoRA on the matrices of a layer."""
    config = validated(Config, read_json(folder / CONFIG, "PEFT's configuration"), folder / CONFIG)
    path = folder / TENSORS
    if not path.is_file():
        raise InputError(
            path, "no such file", "the adapter's weights", "PEFT's .bin is a program, and not read"
        )
    pairs = {}
    for name, array in _tensors(path).items():
        match = PART.fullmatch(name)
        if match is None or match[2] not in MODULES:
            raise InputError(path, f"{name} is no LoRA matrix of a layer", f"one of {', '.join(MODULES)}")
        if array.ndim != 2 or array.shape[0 if match[3] == "A" else 1] != config.r:
            raise InputError(path, f"{name} has the shape {array.shape}", f"rank {config.r}")
        ours = f"model.layers.{match[1]}.{MODULES[match[2]]}.mindpet_delta_lora_{match[3].lower()}"
        pairs[ours] = array.astype(np.float32)
    if not pairs:
        raise InputError(path, "there is nothing in it", "the adapter's weights")
    # rank-stabilised LoRA divides by the root of the rank
    return Taken(pairs, config.r, config.lora_alpha * (config.r**0.5 if config.use_rslora else 1))


def _tensors(path: Path) -> Weights:
    """The matrices of a safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            kinds = {name: opened.get_slice(name).get_dtype() for name in opened.keys()}  # noqa: SIM118, no mapping
            for name, kind in kinds.items():
                if kind not in safetensor.TYPES:
                    raise InputError(path, f"{name} has the type {kind}", ", ".join(safetensor.TYPES))
            return {name: safetensor.array(opened, name) for name in kinds}
    except SafetensorError as error:
        raise InputError(path, str(error), "a whole safetensors file") from error


def read_mindspore(path: Path, base: Path, lora: Lora, alpha: float | None) -> Taken:
    """LoRA's weights of a MindSpore checkpoint; a whole model may lie beside them, which must be the base model."""
    architecture = read_architecture(base)
    model, pairs, _ = sort(load_checkpoint(path), architecture, str(path))
    if not pairs:
        raise InputError(path, "holds no LoRA weights", "an adapter", "`make model` takes a whole model")
    paired(pairs, expected(architecture), str(path))
    ranks = {array.shape[0] for name, array in pairs.items() if name.endswith("a")}
    if ranks != {lora.lora_rank} and (alpha is None or len(ranks) != 1):
        found = f"is of rank {', '.join(map(str, sorted(ranks)))}, the profile of {lora.lora_rank}"
        raise InputError(path, found, "one rank, and its ALPHA=number")
    if model:
        known = load_checkpoint(base / "model.ckpt")
        other = [name for name, array in model.items() if not np.array_equal(array, known[name])]
        if other:
            raise InputError(
                path, f"{other[0]} and {len(other) - 1} more are not those of {base}", "its base model"
            )
    return Taken(pairs, *ranks, lora.lora_alpha if alpha is None else alpha)
