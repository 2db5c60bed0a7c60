"""GGUF files of the architecture `llama`: architecture numbers, special ids, and weights under MindFormers' names.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from stages.command import InputError
from stages.model.weights import (
    EMBEDDING,
    HEAD,
    NORM,
    Progress,
    Shape,
    Weights,
    check_possible,
    check_sizes,
    layer,
)

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
# Numbers of an architecture and GGUF's keys for them, behind `llama.`; what is missing has a default.
NUMBERS = {
    "hidden_size": ("embedding_length", None),
    "num_layers": ("block_count", None),
    "num_heads": ("attention.head_count", None),
    "n_kv_heads": ("attention.head_count_kv", "num_heads"),
    "intermediate_size": ("feed_forward_length", None),
    "rms_norm_eps": ("attention.layer_norm_rms_epsilon", None),
    "rope_theta": ("rope.freq_base", 10000.0),
    "max_position_embedding": ("context_length", None),
}
NUMBER = re.compile("0|[1-9][0-9]{0,3}")  # of a layer; `isdecimal` would take other scripts' digits
SPECIALS = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}


def reader(path: Path) -> Any:
    """The `gguf.GGUFReader` of a file; InputError if it is damaged or not a whole Llama."""
    import gguf

    class Reader(gguf.GGUFReader):
        """GGUFReader takes what lies behind the end for empty, and counts on: for hours, if a count is damaged."""

        def _get(self, offset: int, dtype: Any, count: int = 1, *order: Any, **named: Any) -> np.ndarray:
            end = int(offset) + np.dtype(dtype).itemsize * int(count)
            if end > len(self.data):
                raise ValueError(f"it ends at byte {len(self.data)} and should go on to byte {end}")
            return super()._get(offset, dtype, count, *order, **named)

    try:
        found = Reader(path)
        values = fields(found)
    except OSError:
        raise
    except Exception as error:  # which one depends on how the file is damaged
        raise InputError(f"{path}: {error} ({type(error).__name__}), expected a whole GGUF file") from error
    if values.get("general.architecture") != "llama":
        architecture = values.get("general.architecture")
        raise InputError(f"{path.name}: its architecture is {architecture!r}, expected 'llama'")
    if values.get("split.count", 0) not in (0, 1):
        raise InputError(
            f"{path.name}: is one of {values['split.count']} parts, expected a model in one file"
        )
    return found


def fields(found: Any) -> dict[str, Any]:
    """The values of a reader's fields, by name."""
    return {name: field.contents() for name, field in found.fields.items() if "." in name}


def shape_of(found: Any, place: str) -> Shape:
    """The architecture numbers of a reader; InputError, naming `place`, for what is not a plain Llama."""
    values = fields(found)
    shape: Shape = {}
    for name, (key, default) in NUMBERS.items():
        value = values.get(f"llama.{key}", shape.get(default, default))
        if not isinstance(value, int | float) or value <= 0:
            raise InputError(f"{place}: llama.{key} is {value!r}, expected a number above 0")
        # In the file a float32; its shortest spelling is the number that was meant.
        shape[name] = float(str(np.float32(value))) if isinstance(value, float) else value
    names = {tensor.name for tensor in found.tensors}
    head_size = shape["hidden_size"] // shape["num_heads"]
    plain = {
        "expert_count": (0, "experts are not supported"),
        "rope.scaling.type": ("none", "scaled rotary positions are not supported"),
        "rope.scaling.factor": (1.0, "scaled rotary positions are not supported"),
        "rope.scale_linear": (1.0, "scaled rotary positions are not supported"),
        "rope.dimension_count": (head_size, "the size of a head"),
        "attention.key_length": (head_size, "the size of a head"),
        "attention.value_length": (head_size, "the size of a head"),
    }
    for key, (wanted, why) in plain.items():
        value = values.get(f"llama.{key}", wanted)
        if value != wanted:
            raise InputError(f"{place}: llama.{key} is {value!r}, expected {wanted!r} ({why})")
    if "rope_freqs.weight" in names:
        raise InputError(
            f"{place}: has the tensor rope_freqs.weight (Llama 3.1 and later), "
            "expected a model without scaled rotary positions"
        )
    tokens = values.get("tokenizer.ggml.tokens", [])
    shape["vocab_size"] = values.get("llama.vocab_size", len(tokens) if isinstance(tokens, list) else None)
    check_possible(shape, place)
    order = ("hidden_size", "num_layers", "num_heads", "n_kv_heads", "intermediate_size")
    return {
        **{name: shape[name] for name in order},
        "vocab_size": shape["vocab_size"],
        **{name: shape[name] for name in ("rms_norm_eps", "rope_theta", "max_position_embedding")},
        "tie_word_embeddings": "output.weight" not in names,
    }


def special_ids(found: Any) -> dict[str, int | None]:
    """The ids of bos, eos and pad; None for one that the file does not name."""
    values = fields(found)
    return {name: values.get(f"tokenizer.ggml.{key}_token_id") for name, key in SPECIALS.items()}


def read(path: Path, progress: Progress = iter, dtype: np.dtype | None = None) -> tuple[Shape, Weights]:
    """Shape and weights of a GGUF file; the weights as `dtype`, float32 if none is given.

    `progress` wraps the walk over the tensors. Without an output matrix of its own the file's model
    uses the embedding, which then stands under `lm_head.weight` too.
    """
    import gguf

    found = reader(path)
    shape = shape_of(found, path.name)
    heads = {"attention.wq.weight": shape["num_heads"], "attention.wk.weight": shape["n_kv_heads"]}
    weights = {}
    for name, tensor in progress(tensors(found, path.name).items()):
        array = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        inner = name.split(".", 3)[-1]
        if inner in heads:
            array = half_split(array, heads[inner])
        weights[name] = array.astype(np.float32 if dtype is None else dtype, copy=False)
    if shape["tie_word_embeddings"]:
        weights[HEAD] = weights[EMBEDDING]
    return shape, weights


def tensors(found: Any, place: str) -> dict[str, Any]:
    """The tensors of a reader by MindFormers' names; InputError if they are not those of its shape."""
    import gguf

    shape = shape_of(found, place)
    named = {our_name(tensor.name, place): tensor for tensor in found.tensors}
    sizes = {name: tuple(int(n) for n in reversed(tensor.shape)) for name, tensor in named.items()}
    if shape["tie_word_embeddings"]:
        sizes[HEAD] = sizes.get(EMBEDDING, ())
    check_sizes(sizes, shape, place)
    for tensor in named.values():
        try:
            gguf.quants.dequantize(tensor.data[:1], tensor.tensor_type)
        except NotImplementedError as error:
            kind = tensor.tensor_type.name
            raise InputError(
                f"{place}: {tensor.name} has the type {kind}, expected one that the package gguf can read"
            ) from error
    return named


def our_name(name: str, place: str) -> str:
    """MindFormers' name of a tensor; InputError, naming `place`, for one that a Llama does not have."""
    if name in OUTER:
        return OUTER[name]
    start, _, rest = name.partition(".")
    number, _, inner = rest.partition(".")
    if start != "blk" or not NUMBER.fullmatch(number) or inner not in INNER:
        raise InputError(f"{place}: the tensor {name} is unknown, expected those of a Llama")
    return layer(int(number), INNER[inner])


def half_split(rows: np.ndarray, heads: int) -> np.ndarray:
    """Query or key rows of GGUF, where a head's rotary pairs are neighbours, with the pairs half a head apart."""
    head_size = rows.shape[0] // heads
    return rows.reshape(heads, head_size // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)
