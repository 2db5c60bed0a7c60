"""LoRA adapters: a checkpoint folder of `finetune` folded into the weights of the base model."""

import re
from pathlib import Path

import numpy as np

from stages.command import InputError, read_json
from stages.model.weights import Weights, load_checkpoint

LARGEST = 10**6  # scale; LoRA's is about 2
PART = re.compile(r"(?P<target>.+)\.mindpet_delta_lora_(?P<part>[ab])", re.IGNORECASE)


def fold(weights: Weights, adapter: Path) -> Weights:
    """`weights` with the adapter in the folder `adapter` folded in: W + (B A) * alpha / rank.

    A folder of step 0 is the base model, which comes back as it is. Arrays that the adapter leaves
    alone are shared with `weights`, not copied. The sum is taken in float64, a matrix at a time, and rounded
    once to the weight's own type.
    """
    path = adapter / "adapter.json"
    about = read_json(path, "the adapter of a checkpoint")
    try:
        if about["step"] == 0:
            return dict(weights)
        scale = about["alpha"] / about["rank"]
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise InputError(
            f"{path}: {type(error).__name__} {error}, expected step, rank and alpha as numbers"
        ) from error
    if not 0 <= scale <= LARGEST:  # NaN and Infinity are numbers in JSON as Python reads it
        raise InputError(f"{path}: alpha / rank is {scale}, expected 0 to {LARGEST}")
    return fold_pairs(weights, load_checkpoint(adapter / "adapter.ckpt"), scale, str(adapter))


def fold_pairs(weights: Weights, adapter: Weights, scale: float, place: str) -> Weights:
    """`weights` with `scale` times B A added to each weight that has a pair A, B in `adapter`."""
    pairs: dict[str, dict[str, np.ndarray]] = {}
    for name, array in adapter.items():
        match = PART.fullmatch(name)
        if match is None or f"{match['target']}.weight" not in weights:
            raise InputError(f"{place}: {name} fits no weight of the base model, expected LoRA weights")
        pairs.setdefault(f"{match['target']}.weight", {})[match["part"].lower()] = array
    if not pairs:
        raise InputError(f"{place}: the adapter is empty, expected LoRA weights")
    folded = dict(weights)
    for name, pair in pairs.items():
        if set(pair) != {"a", "b"}:
            raise InputError(f"{place}: {name} has only LoRA's {'/'.join(pair)}, expected a and b")
        a, b, weight = pair["a"], pair["b"], weights[name]
        if (b.shape[0], a.shape[1]) != weight.shape or a.shape[0] != b.shape[1]:
            raise InputError(
                f"{place}: LoRA shapes {b.shape} x {a.shape} for {name}, expected {weight.shape} in all"
            )
        change = b.astype(np.float64) @ a.astype(np.float64) * scale
        folded[name] = (weight.astype(np.float64) + change).astype(weight.dtype)
    return folded
