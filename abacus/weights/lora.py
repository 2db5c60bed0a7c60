"""LoRA adapters: a checkpoint folder of `finetune` read, and folded into the weights of the base model."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from abacus.core.documents import read_json
from abacus.core.errors import InputError
from abacus.core.typed import Model, Open, validated, whole
from abacus.weights.architecture import Weights
from abacus.weights.checkpoint import load_checkpoint

LARGEST = 10**6  # of rank and alpha; LoRA's are about 8 and 16
PART = re.compile(r"(?P<target>.+)\.mindpet_delta_lora_(?P<part>[ab])", re.IGNORECASE)


class _Step(Open):
    step: Annotated[int, whole(0)]


class _About(_Step):
    trainable_parameters: Annotated[int, whole(0)]


class _Scale(Open):
    alpha: Annotated[int | float, Field(gt=0, le=LARGEST, description=f"a number above 0, at most {LARGEST}")]
    rank: Annotated[int, whole(1, LARGEST)]


class Adapter(Model):
    """What `adapter.json` says of a checkpoint: its step (0 is the base model) and its trained values."""

    step: int
    trainable_parameters: int


def read_adapter(path: Path) -> Adapter:
    """Read an adapter.json that finetune has written."""
    about = validated(_About, read_json(path, "the output of stage finetune"), path)
    return Adapter(step=about.step, trainable_parameters=about.trainable_parameters)


def fold(weights: Weights, adapter: Path) -> Weights:
    """`weights` with the adapter in the folder `adapter` folded in: W + (B A) * alpha / rank.

    A folder of step 0 is the base model, which comes back as it is. Arrays that the adapter leaves
    alone are shared with `weights`, not copied. The sum is taken in float64, a matrix at a time, and rounded
    once to the weight's own type.
    """
    path = adapter / "adapter.json"
    said = read_json(path, "the output of stage finetune")
    if validated(_Step, said, path).step == 0:
        return dict(weights)
    about = validated(_Scale, said, path)
    pairs = load_checkpoint(adapter / "adapter.ckpt")
    return fold_pairs(weights, pairs, about.alpha / about.rank, str(adapter))


def fold_pairs(weights: Weights, adapter: Weights, scale: float, place: str) -> Weights:
    """`weights` with `scale` times B A added to each weight that has a pair A, B in `adapter`."""
    folded = dict(weights)
    for name, (a, b) in paired(
        adapter, {name: array.shape for name, array in weights.items()}, place
    ).items():
        weight = weights[name]
        change = b.astype(np.float64) @ a.astype(np.float64) * scale
        folded[name] = (weight.astype(np.float64) + change).astype(weight.dtype)
    return folded


def paired(
    adapter: Weights, shapes: Mapping[str, tuple[int, ...]], place: str
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """LoRA's A (rank, in) and B (out, rank) by the name of their weight; InputError for what does not fit `shapes`."""
    pairs: dict[str, dict[str, np.ndarray]] = {}
    for name, array in adapter.items():
        match = PART.fullmatch(name)
        if match is None or f"{match['target']}.weight" not in shapes:
            raise InputError(place, f"{name} fits no weight of the base model", "LoRA weights")
        if not np.isfinite(array).all():
            raise InputError(place, f"{name} has values that are no numbers", "finite ones")
        pairs.setdefault(f"{match['target']}.weight", {})[match["part"].lower()] = array
    if not pairs:
        raise InputError(place, "the adapter is empty", "LoRA weights")
    found = {}
    for name, pair in pairs.items():
        if set(pair) != {"a", "b"}:
            raise InputError(place, f"{name} has only LoRA's {'/'.join(pair)}", "a and b")
        a, b = pair["a"], pair["b"]
        if {a.ndim, b.ndim} != {2} or (b.shape[0], a.shape[1]) != shapes[name] or a.shape[0] != b.shape[1]:
            raise InputError(place, f"LoRA shapes {b.shape} x {a.shape} for {name}", f"{shapes[name]} in all")
        found[name] = a, b
    return found
