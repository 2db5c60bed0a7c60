"""A Llama's architecture numbers, and the names and shapes of the weights that follow from them.

Everywhere else weights are a dictionary from MindFormers' names to numpy arrays, float32 or bfloat16.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from abacus.core.documents import read_json
from abacus.core.errors import InputError
from abacus.core.typed import Model, Positive, validated, whole

Weights = dict[str, np.ndarray]
# A walk over weights, and how it may be shown (tqdm does).
Progress = Callable[[Iterable[Any]], Iterable[Any]]

EMBEDDING = "model.tok_embeddings.embedding_weight"
HEAD = "lm_head.weight"
NORM = "model.norm_out.weight"

# Bytes of a number of each `param_init_type` that a base model may be kept in.
SIZES = {"float32": 4, "bfloat16": 2}
LARGEST = 2**31 - 1
MOST_LAYERS = 1000  # far above every Llama, and near enough that listing the weights takes no time


class Architecture(Model):
    """The numbers of a Llama, as they stand in `data/base/model.json`.

    Sizes are numbers of values; `rope_theta` is the base of the rotary angles; with `tie_word_embeddings` the
    output matrix is the embedding, and counts once.
    """

    hidden_size: Annotated[int, whole(1, LARGEST)]
    num_layers: Annotated[int, whole(1, MOST_LAYERS)]
    num_heads: Annotated[int, whole(1, LARGEST)]
    n_kv_heads: Annotated[int, whole(1, LARGEST)]
    intermediate_size: Annotated[int, whole(1, LARGEST)]
    vocab_size: Annotated[int, whole(1, LARGEST)]
    rms_norm_eps: Positive
    rope_theta: Positive
    max_position_embedding: Annotated[int, whole(1, LARGEST)]
    tie_word_embeddings: bool

    @property
    def head_size(self) -> int:
        """Values of one head."""
        return self.hidden_size // self.num_heads


def possible(numbers: dict[str, Any], place: object) -> Architecture:
    """The architecture of numbers out of somebody's file; InputError, naming `place`, for what no Llama can have.

    They are looked at before anything is counted or set aside by them.
    """
    found = validated(Architecture, numbers, place)
    pair = 2 * found.num_heads  # the rotary pairs take the two halves of a head
    if found.hidden_size % pair or found.num_heads % found.n_kv_heads:
        raise InputError(
            place,
            f"hidden_size {found.hidden_size}, num_heads {found.num_heads} and n_kv_heads {found.n_kv_heads}",
            "each a multiple of the next, and heads of an even size",
        )
    return found


def read_architecture(base: Path) -> Architecture:
    """The architecture of the base model in a folder that stage `base` has written."""
    path = base / "model.json"
    return validated(Architecture, read_json(path, "the output of stage base"), path)


def layer(number: int, name: str) -> str:
    """MindFormers' name of the weight `name` of a layer, as in `attention.wq.weight`."""
    return f"model.layers.{number}.{name}"


def expected(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Name and array shape of every weight of a model, in the order they are stored."""
    hidden, ffn = architecture.hidden_size, architecture.intermediate_size
    kv = architecture.head_size * architecture.n_kv_heads
    inside = {
        "attention.wq.weight": (hidden, hidden),
        "attention.wk.weight": (kv, hidden),
        "attention.wv.weight": (kv, hidden),
        "attention.wo.weight": (hidden, hidden),
        "feed_forward.w1.weight": (ffn, hidden),
        "feed_forward.w2.weight": (hidden, ffn),
        "feed_forward.w3.weight": (ffn, hidden),
        "attention_norm.weight": (hidden,),
        "ffn_norm.weight": (hidden,),
    }
    return {
        EMBEDDING: (architecture.vocab_size, hidden),
        **{
            layer(number, name): shape
            for number in range(architecture.num_layers)
            for name, shape in inside.items()
        },
        NORM: (hidden,),
        HEAD: (architecture.vocab_size, hidden),
    }


def check_same(found: Architecture, wanted: Architecture, path: Path) -> None:
    """Raise InputError unless the model that the file `path` describes is the profile's."""
    for key, value in wanted:
        # Both matrices are in model.ckpt whether they are tied or not.
        if key != "tie_word_embeddings" and getattr(found, key) != value:
            raise InputError(path, f"{key} is {getattr(found, key)}", f"{value} as in the profile")


def parameters(architecture: Architecture) -> int:
    """Number of parameters of a model; a tied matrix counts once."""
    sizes = {name: math.prod(shape) for name, shape in expected(architecture).items()}
    return sum(sizes.values()) - (sizes[HEAD] if architecture.tie_word_embeddings else 0)


def lora_parameters(architecture: Architecture, rank: int, targets: str) -> int:
    """Number of values that LoRA of this rank adds to the matrices that the pattern `targets` names."""
    return sum(
        rank * sum(shape)
        for name, shape in expected(architecture).items()
        if len(shape) == 2 and re.match(targets, name.removesuffix(".weight"))
    )


def check(weights: Weights, architecture: Architecture, place: str) -> None:
    """Raise InputError, naming `place`, unless `weights` are exactly those of a model of this architecture."""
    check_sizes({name: array.shape for name, array in weights.items()}, architecture, place)


def check_sizes(found: Mapping[str, tuple[int, ...]], architecture: Architecture, place: str) -> None:
    """`check` by the arrays' shapes alone, before they are read."""
    wanted = expected(architecture)
    for name, shape in wanted.items():
        if name not in found:
            raise InputError(place, f"{name} is missing", f"one of shape {shape}")
        if found[name] != shape:
            raise InputError(place, f"{name} has the shape {found[name]}", str(shape))
    for name in found:
        if name not in wanted:
            raise InputError(place, f"{name} is unknown", "only the weights of a Llama")
