"""GGUF files of the architecture `llama`: architecture numbers, special ids, and weights under MindFormers' names.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from abacus.core.errors import InputError
from abacus.weights.architecture import (
    EMBEDDING,
    HEAD,
    NORM,
    Architecture,
    Progress,
    Weights,
    check_sizes,
    layer,
    possible,
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
        raise InputError(path, f"{error} ({type(error).__name__})", "a whole GGUF file") from error
    if values.get("general.architecture") != "llama":
        architecture = values.get("general.architecture")
        raise InputError(path.name, f"its architecture is {architecture!r}", "'llama'")
    if values.get("split.count", 0) not in (0, 1):
        raise InputError(path.name, f"is one of {values['split.count']} parts", "a model in one file")
    return found


def fields(found: Any) -> dict[str, Any]:
    """The values of a reader's fields, by name."""
    return {name: field.contents() for name, field in found.fields.items() if "." in name}


def architecture_of(found: Any, place: str) -> Architecture:
    """The architecture numbers of a reader; InputError, naming `place`, for what is not a plain Llama."""
    values = fields(found)
    numbers: dict[str, Any] = {}
    for name, (key, default) in NUMBERS.items():
        value = values.get(f"llama.{key}", numbers.get(default, default))
        if not isinstance(value, int | float) or value <= 0:
            raise InputError(place, f"llama.{key} is {value!r}", "a number above 0")
        # In the file a float32; its shortest spelling is the number that was meant.
        numbers[name] = float(str(np.float32(value))) if isinstance(value, float) else value
    names = {tensor.name for tensor in found.tensors}
    head_size = numbers["hidden_size"] // numbers["num_heads"]
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
            raise InputError(place, f"llama.{key} is {value!r}", f"{wanted!r} ({why})")
    if "rope_freqs.weight" in names:
        raise InputError(
            place,
            "has the tensor rope_freqs.weight (Llama 3.1 and later)",
            "a model without scaled rotary positions",
        )
    numbers["vocab_size"] = _vocab_size(values, place)
    return possible(numbers | {"tie_word_embeddings": "output.weight" not in names}, place)


def _vocab_size(values: dict[str, Any], place: str) -> Any:
    """The number of tokens; llama.cpp counts them, transformers reads the number beside them."""
    tokens = values.get("tokenizer.ggml.tokens")
    counted = len(tokens) if isinstance(tokens, list) else None
    said = values.get("llama.vocab_size", counted)
    if counted not in (None, said):
        raise InputError(place, f"llama.vocab_size is {said!r}", f"{counted}, the number of its tokens")
    return said


def special_ids(found: Any, place: str) -> dict[str, int | None]:
    """The ids of bos, eos and pad, each one of the file's tokens; None for one that the file does not name."""
    values, ids = fields(found), {}
    tokens = values.get("tokenizer.ggml.tokens")
    for name, key in SPECIALS.items():
        number = ids[name] = values.get(f"tokenizer.ggml.{key}_token_id")
        if number is None:
            continue
        if type(number) is not int or number < 0:
            raise InputError(place, f"{key}_token_id is {number!r}", "a whole number")
        if isinstance(tokens, list) and number >= len(tokens):
            raise InputError(place, f"{key}_token_id is {number}", f"one of its {len(tokens)} tokens")
    return ids


def check_bos(found: Any, path: Path, starts: bool) -> None:
    """Raise InputError if the file says of bos before a text something else than the tokenizer does (`starts`)."""
    says = fields(found).get("tokenizer.ggml.add_bos_token")
    if says not in (None, starts):
        raise InputError(path, f"tokenizer.ggml.add_bos_token is {says!r}", f"{starts} as its tokenizer does")


def read(
    path: Path, progress: Progress = iter, dtype: np.dtype | None = None
) -> tuple[Architecture, Weights]:
    """Architecture and weights of a GGUF file; the weights as `dtype`, float32 if none is given.

    `progress` wraps the walk over the tensors. Without an output matrix of its own the file's model
    uses the embedding, which then stands under `lm_head.weight` too.
    """
    import gguf

    found = reader(path)
    architecture = architecture_of(found, path.name)
    heads = {"attention.wq.weight": architecture.num_heads, "attention.wk.weight": architecture.n_kv_heads}
    weights = {}
    for name, tensor in progress(tensors(found, path.name).items()):
        array = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        inner = name.split(".", 3)[-1]
        if inner in heads:
            array = half_split(array, heads[inner])
        weights[name] = array.astype(np.float32 if dtype is None else dtype, copy=False)
    if architecture.tie_word_embeddings:
        weights[HEAD] = weights[EMBEDDING]
    return architecture, weights


def tensors(found: Any, place: str) -> dict[str, Any]:
    """The tensors of a reader by MindFormers' names; InputError if they are not those of its shape."""
    import gguf

    architecture = architecture_of(found, place)
    named = {our_name(tensor.name, place): tensor for tensor in found.tensors}
    sizes = {name: tuple(int(n) for n in reversed(tensor.shape)) for name, tensor in named.items()}
    if architecture.tie_word_embeddings:
        sizes[HEAD] = sizes.get(EMBEDDING, ())
    check_sizes(sizes, architecture, place)
    for tensor in named.values():
        try:
            gguf.quants.dequantize(tensor.data[:1], tensor.tensor_type)
        except NotImplementedError as error:
            kind = tensor.tensor_type.name
            raise InputError(
                place, f"{tensor.name} has the type {kind}", "one that the package gguf can read"
            ) from error
    return named


def our_name(name: str, place: str) -> str:
    """MindFormers' name of a tensor; InputError, naming `place`, for one that a Llama does not have."""
    if name in OUTER:
        return OUTER[name]
    start, _, rest = name.partition(".")
    number, _, inner = rest.partition(".")
    if start != "blk" or not NUMBER.fullmatch(number) or inner not in INNER:
        raise InputError(place, f"the tensor {name} is unknown", "those of a Llama")
    return layer(int(number), INNER[inner])


def half_split(rows: np.ndarray, heads: int) -> np.ndarray:
    """Query or key rows of GGUF, where a head's rotary pairs are neighbours, with the pairs half a head apart."""
    head_size = rows.shape[0] // heads
    return rows.reshape(heads, head_size // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)
