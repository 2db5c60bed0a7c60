"""Whole weights as a GGUF file of the architecture `llama`, with tokenizer and template: for llama.cpp and Ollama.

Read back by `abacus.formats.gguf`. Names, types and order of keys as llama.cpp's convert_hf_to_gguf.py has them:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from abacus.core.errors import InputError
from abacus.formats import vocabulary
from abacus.formats.gguf import INNER, NUMBERS, OUTER
from abacus.neighbours.texts import Texts
from abacus.text.tokenizer import Tokenizer, from_json
from abacus.weights.architecture import EMBEDDING, HEAD, Architecture, Progress, Weights, expected

Kind = Literal["f16", "q8_0"]
KINDS: tuple[Kind, ...] = ("f16", "q8_0")
LARGEST_F16 = 65504.0
UNUSED = 5  # token type of rows of the embedding that no token has
NAMES = {ours: theirs for theirs, ours in OUTER.items()}
INSIDE = {ours: theirs for theirs, ours in INNER.items()}


def their_name(name: str) -> str:
    """GGUF's name of one of MindFormers' weights."""
    if name in NAMES:
        return NAMES[name]
    _, _, number, inner = name.split(".", 3)
    return f"blk.{number}.{INSIDE[inner]}"


def neighbouring(rows: np.ndarray, heads: int) -> np.ndarray:
    """Query or key rows, rotary pairs half a head apart, with a pair's two as neighbours: `half_split` undone."""
    return rows.reshape(heads, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def pre_of(document: dict[str, Any], place: Path) -> str:
    """The name that llama.cpp has for how a tokenizer.json cuts texts; InputError for a way that is none of those."""
    model, normalizer = document.get("model") or {}, document.get("normalizer")
    cut = _steps(document.get("pre_tokenizer")), bool(model.get("ignore_merges"))
    names = [
        name for name, (split, whole_words) in vocabulary.PRE.items() if cut == (_known(split), whole_words)
    ]
    if model.get("type") != "BPE" or not names or (normalizer or {"type": "NFC"})["type"] != "NFC":
        kinds = ", ".join(vocabulary.PRE)
        advice = "llama.cpp's convert_hf_to_gguf.py reads the folder huggingface/ of `make export` without AS"
        raise InputError(place, "its tokenizer cuts texts in another way", f"one of: {kinds}", advice)
    if not model.get("merges"):
        raise InputError(
            place, "its tokenizer has no merges, and llama.cpp reads none without", "a BPE with merges"
        )
    return names[0]


def _known(split: Any) -> list[dict[str, Any]]:
    return [_step(json.loads(one.__getstate__())) for one in split]


def _steps(found: dict[str, Any] | None) -> list[dict[str, Any]]:
    if not found:
        return []
    return [_step(one) for one in found.get("pretokenizers", [found])]


def _step(one: dict[str, Any]) -> dict[str, Any]:
    # What is told of places in the text, and not of the tokens; `invert` and the pattern count.
    return {key: value for key, value in one.items() if key != "trim_offsets"}


def add_tokenizer(writer: Any, base: Path, texts: Texts, architecture: Architecture) -> None:
    """Add the tokenizer of the folder `base`, and the template of the texts, to a `gguf.GGUFWriter`."""
    used, inner, path = Tokenizer.load(base), from_json(base / "tokenizer.json"), base / "tokenizer.json"
    document = json.loads(inner.to_str())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_of(document, path))
    kinds = {
        one["id"]: vocabulary.CONTROL if one["special"] else vocabulary.OWN
        for one in document.get("added_tokens") or []
    }
    tokens, types = [], []
    for number in range(architecture.vocab_size):
        token = inner.id_to_token(number)
        tokens.append(f"[PAD{number}]" if token is None else token)
        types.append(UNUSED if token is None else kinds.get(number, vocabulary.NORMAL))
    if inner.get_vocab_size() > architecture.vocab_size:
        found = f"has {inner.get_vocab_size()} tokens"
        raise InputError(path, found, f"at most {architecture.vocab_size}, the rows of the embedding")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    merges = document["model"]["merges"]
    writer.add_token_merges([one if isinstance(one, str) else " ".join(one) for one in merges])
    for add, number in (
        (writer.add_bos_token_id, used.bos_id),
        (writer.add_eos_token_id, used.eos_id),
        (writer.add_pad_token_id, used.pad_id),
    ):
        add(number)
    writer.add_add_bos_token(texts.prompt.bos)  # as in training; a template's own BOS is not doubled
    writer.add_add_eos_token(False)
    writer.add_chat_template(texts.chat_template())


def add_numbers(writer: Any, architecture: Architecture) -> None:
    """Add the architecture's numbers."""
    adders = {
        "embedding_length": writer.add_embedding_length,
        "block_count": writer.add_block_count,
        "attention.head_count": writer.add_head_count,
        "attention.head_count_kv": writer.add_head_count_kv,
        "feed_forward_length": writer.add_feed_forward_length,
        "attention.layer_norm_rms_epsilon": writer.add_layer_norm_rms_eps,
        "rope.freq_base": writer.add_rope_freq_base,
        "context_length": writer.add_context_length,
    }
    for name, (key, _) in NUMBERS.items():
        adders[key](getattr(architecture, name))
    writer.add_vocab_size(architecture.vocab_size)
    writer.add_rope_dimension_count(architecture.head_size)


def type_of(shape: tuple[int, ...], kind: Kind) -> Any:
    """The type of a weight in the file: norms are float32, as llama.cpp asks; blocks of Q8_0 need whole rows of them."""
    import gguf

    kinds = gguf.GGMLQuantizationType
    if len(shape) == 1:
        return kinds.F32
    whole = shape[-1] % gguf.GGML_QUANT_SIZES[kinds.Q8_0][0] == 0
    return kinds.Q8_0 if kind == "q8_0" and whole else kinds.F16


def converted(name: str, array: np.ndarray, architecture: Architecture, kind: Kind) -> np.ndarray:
    """A weight's numbers as they stand in the file."""
    import gguf

    heads = {"attention.wq.weight": architecture.num_heads, "attention.wk.weight": architecture.n_kv_heads}
    if count := heads.get(name.split(".", 3)[-1]):
        array = neighbouring(array, count)
    array, its_type = np.ascontiguousarray(array, np.float32), type_of(array.shape, kind)
    if its_type == gguf.GGMLQuantizationType.F16 and not np.abs(array).max() <= LARGEST_F16:
        raise InputError(name, "holds a number that float16 cannot", f"at most {LARGEST_F16:.0f} in size")
    return gguf.quants.quantize(array, its_type)


def write(
    path: Path,
    architecture: Architecture,
    weights: Weights,
    base: Path,
    texts: Texts,
    *,
    name: str,
    kind: Kind,
    progress: Progress = iter,
) -> None:
    """Write one file, matrices as `kind`; `base` is a folder with our tokenizer. The same bytes each time.

    The output matrix is left out if it equals the embedding. One matrix is converted at a time, and goes to the disk.
    """
    import gguf

    tied = bool(np.array_equal(weights[HEAD], weights[EMBEDDING]))
    kept = [one for one in expected(architecture) if one != HEAD or not tied]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    add_numbers(writer, architecture)
    types = gguf.LlamaFileType
    writer.add_file_type({"f16": types.MOSTLY_F16, "q8_0": types.MOSTLY_Q8_0}[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_tokenizer(writer, base, texts, architecture)
    for one in kept:
        shape = weights[one].shape
        its_type = type_of(shape, kind)
        values, size = gguf.GGML_QUANT_SIZES[its_type]
        bytes_of_all = weights[one].size // values * size
        writer.add_tensor_info(their_name(one), shape, np.dtype(np.float16), bytes_of_all, its_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for one in progress(kept):
        writer.write_tensor_data(converted(one, weights[one], architecture, kind))
    writer.close()
