"""Weights of a Llama: read from GGUF or drawn at random, and MindSpore checkpoints in and out.

Everywhere else weights are a dictionary from MindFormers' names to float32 numpy arrays, and a `shape`
is the dictionary of architecture numbers that stands in `data/base/model.json`.
"""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from stages.command import InputError

Weights = dict[str, np.ndarray]
Shape = dict[str, Any]

EMBEDDING = "model.tok_embeddings.embedding_weight"
HEAD = "lm_head.weight"
NORM = "model.norm_out.weight"

# GGUF's names and MindFormers', outside and inside a layer.
OUTER = {"token_embd.weight": EMBEDDING, "output.weight": HEAD, "output_norm.weight": NORM}
INNER = {
    "attn_q.weight": "attention.wq.weight",
    "attn_k.weight": "attention.wk.weight",
    "attn_v.weight": "attention.wv.weight",
    "attn_output.weight": "attention.wo.weight",
    "ffn_gate.weight": "feed_forward.w1.weight",
    "ffn_down.weight": "feed_forward.w2.weight",
    "ffn_up.weight": "feed_forward.w3.weight",
    "attn_norm.weight": "attention_norm.weight",
    "ffn_norm.weight": "ffn_norm.weight",
}


# Numbers of an architecture that a profile and model.json call by the same names, and all of them.
SAME = (
    "hidden_size",
    "num_layers",
    "num_heads",
    "n_kv_heads",
    "intermediate_size",
    "vocab_size",
    "rms_norm_eps",
)
SHAPE_NUMBERS = (*SAME, "rope_theta", "max_position_embedding")


def layer(number: int, name: str) -> str:
    """MindFormers' name of the weight `name` (as in INNER) of a layer."""
    return f"model.layers.{number}.{name}"


def shape_of(model_config: dict[str, Any]) -> Shape:
    """The architecture numbers of a profile's `model.model_config`, under the names of model.json."""
    return {
        **{key: model_config[key] for key in SAME},
        "rope_theta": model_config["theta"],
        "max_position_embedding": model_config["max_position_embedding"],
        "tie_word_embeddings": bool(model_config.get("tie_word_embeddings", False)),
    }


def expected(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Name and array shape of every weight of a model of this `shape`, in the order they are stored."""
    hidden, ffn = shape["hidden_size"], shape["intermediate_size"]
    kv = hidden // shape["num_heads"] * shape["n_kv_heads"]
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
        EMBEDDING: (shape["vocab_size"], hidden),
        **{
            layer(number, name): array_shape
            for number in range(shape["num_layers"])
            for name, array_shape in inside.items()
        },
        NORM: (hidden,),
        HEAD: (shape["vocab_size"], hidden),
    }


def check_shape(shape: Shape, place: str) -> None:
    """Raise InputError, naming `place`, unless `shape` has all numbers of an architecture."""
    for key in (*SHAPE_NUMBERS, "tie_word_embeddings"):
        if not isinstance(shape.get(key), int | float):
            raise InputError(f"{place}: {key} is {shape.get(key)!r}, expected a number")


def parameters(shape: Shape) -> int:
    """Number of parameters of a model of this `shape`; a tied matrix counts once."""
    sizes = {name: math.prod(array_shape) for name, array_shape in expected(shape).items()}
    return sum(sizes.values()) - (sizes[HEAD] if shape["tie_word_embeddings"] else 0)


def check(weights: Weights, shape: Shape, place: str) -> None:
    """Raise InputError, naming `place`, unless `weights` are exactly those of a model of this `shape`."""
    wanted = expected(shape)
    for name, array_shape in wanted.items():
        if name not in weights:
            raise InputError(f"{place}: {name} is missing, expected one of shape {array_shape}")
        if weights[name].shape != array_shape:
            raise InputError(f"{place}: {name} has the shape {weights[name].shape}, expected {array_shape}")
    for name in weights:
        if name not in wanted:
            raise InputError(f"{place}: {name} is unknown, expected only the weights of a Llama")


def random_weights(shape: Shape, seed: int) -> Weights:
    """Weights of a model that has learned nothing: normal, 0.02 wide; norms 1; the same for a `seed`."""
    source = np.random.default_rng(seed)
    drawn = {
        name: np.ones(array_shape, np.float32)
        if len(array_shape) == 1
        else source.standard_normal(array_shape, np.float32) * np.float32(0.02)
        for name, array_shape in expected(shape).items()
    }
    if shape["tie_word_embeddings"]:
        drawn[HEAD] = drawn[EMBEDDING]
    return drawn


def read_gguf(path: Path, progress: Callable[[Iterable[Any]], Iterable[Any]] = iter) -> tuple[Shape, Weights]:
    """Shape and float32 weights of a GGUF file of the architecture `llama`.

    `progress` wraps the walk over the tensors (tqdm does). Without an output matrix of its own the
    file's model uses the embedding, so `lm_head.weight` is a copy of it.
    """
    import gguf

    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items() if "." in name}
    if fields.get("general.architecture") != "llama":
        found = fields.get("general.architecture")
        raise InputError(f"{path.name}: its architecture is {found!r}, expected 'llama'")
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    shape = {
        "hidden_size": fields["llama.embedding_length"],
        "num_layers": fields["llama.block_count"],
        "num_heads": fields["llama.attention.head_count"],
        "n_kv_heads": fields["llama.attention.head_count_kv"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "vocab_size": fields["llama.vocab_size"],
        "rms_norm_eps": fields["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": fields["llama.rope.freq_base"],
        "max_position_embedding": fields["llama.context_length"],
        "tie_word_embeddings": "output.weight" not in tensors,
    }
    heads = {"attn_q.weight": shape["num_heads"], "attn_k.weight": shape["n_kv_heads"]}
    weights = {}
    for name, tensor in progress(tensors.items()):
        array = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        inner = name.split(".", 2)[2] if name.startswith("blk.") else ""
        if inner in heads:
            array = half_split(array, heads[inner])
        if name not in OUTER and inner not in INNER:
            raise InputError(f"{path.name}: the tensor {name} is unknown, expected those of a Llama")
        weights[layer(int(name.split(".")[1]), INNER[inner]) if inner else OUTER[name]] = array
    if shape["tie_word_embeddings"]:
        weights[HEAD] = weights[EMBEDDING]
    return shape, weights


def half_split(rows: np.ndarray, heads: int) -> np.ndarray:
    """Query or key rows of GGUF, where a head's rotary pairs are neighbours, with the pairs half a head apart."""
    head_size = rows.shape[0] // heads
    return rows.reshape(heads, head_size // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)


def save_checkpoint(path: Path, weights: Weights) -> None:
    """Write a MindSpore checkpoint: the same bytes for the same weights in the same order."""
    import mindspore

    mindspore.save_checkpoint(
        [{"name": name, "data": mindspore.Tensor(array)} for name, array in weights.items()],
        str(path),
    )
    path.chmod(0o644)  # MindSpore leaves it unreadable to others


def load_checkpoint(path: Path) -> Weights:
    """The arrays of a MindSpore checkpoint, by name."""
    import mindspore

    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a MindSpore checkpoint")
    try:
        found = mindspore.load_checkpoint(str(path))
    except Exception as error:  # which one depends on how the file is damaged
        first = str(error).strip().split("\n")[0]
        raise InputError(f"{path}: {first}, expected a MindSpore checkpoint") from error
    return {name: parameter.asnumpy() for name, parameter in found.items()}
