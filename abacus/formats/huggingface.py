"""Hugging Face directories of `LlamaForCausalLM`: read into MindFormers' names, and written for transformers.

Query and key rows have their rotary pairs half a head apart in both, so only the names change.
Format: https://huggingface.co/docs/transformers/model_doc/llama
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from abacus.core.documents import write_json
from abacus.core.errors import InputError
from abacus.formats import safetensor, tokenizer_config, vocabulary
from abacus.formats.hf_config import architecture_of, config
from abacus.text.tokenizer import Tokenizer
from abacus.weights.architecture import (
    EMBEDDING,
    HEAD,
    NORM,
    Architecture,
    Progress,
    Weights,
    check_sizes,
    expected,
)

# MindFormers' names and Hugging Face's, outside and inside a layer.
OUTER = {EMBEDDING: "model.embed_tokens.weight", NORM: "model.norm.weight", HEAD: "lm_head.weight"}
INNER = {
    "attention.wq.weight": "self_attn.q_proj.weight",
    "attention.wk.weight": "self_attn.k_proj.weight",
    "attention.wv.weight": "self_attn.v_proj.weight",
    "attention.wo.weight": "self_attn.o_proj.weight",
    "feed_forward.w1.weight": "mlp.gate_proj.weight",
    "feed_forward.w2.weight": "mlp.down_proj.weight",
    "feed_forward.w3.weight": "mlp.up_proj.weight",
    "attention_norm.weight": "input_layernorm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
}


def name_of(ours: str) -> str:
    """Hugging Face's name of one of MindFormers' weights."""
    if ours in OUTER:
        return OUTER[ours]
    _, _, number, inner = ours.split(".", 3)
    return f"model.layers.{number}.{INNER[inner]}"


def tokenizer(folder: Path) -> Any:
    """The `tokenizers.Tokenizer` of a directory; InputError that says what to do where there is none."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(
            folder,
            "there is no tokenizer.json",
            "one (with transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder) writes it)",
        )
    inner = vocabulary.from_json(path)
    tokenizer_config.check_added(folder, inner)
    return inner


def read(
    folder: Path, progress: Progress = iter, dtype: np.dtype | None = None
) -> tuple[Architecture, Weights]:
    """Architecture and weights of a directory, tensor by tensor; `progress` wraps the walk over them.

    The weights come as `dtype`; if none is given as they are, but float16 as float32. The model's own
    numbers are not looked at: a NaN stays one. A tied model has its embedding under `lm_head.weight` too.
    """
    weights = {}
    with ExitStack() as stack:
        architecture, entries = _open(folder, stack)
        for name in progress(entries.keys()):
            array = safetensor.array(entries[name], name_of(name))
            weights[name] = array if dtype is None else array.astype(dtype, copy=False)
    if architecture.tie_word_embeddings:
        weights[HEAD] = weights[EMBEDDING]
    return architecture, weights


def check(folder: Path) -> None:
    """Raise InputError for what `read` would not read; looks at the files' heads only."""
    with ExitStack() as stack:
        _open(folder, stack)


def _open(folder: Path, stack: ExitStack) -> tuple[Architecture, dict[str, Any]]:
    """The model's shape, and each weight to read, by MindFormers' name, with the open file that holds it."""
    architecture = architecture_of(folder)
    entries = safetensor.entries(folder, stack)
    ours = {name_of(name): name for name in expected(architecture)}
    sizes = {
        ours.get(name, name): tuple(entry.get_slice(name).get_shape()) for name, entry in entries.items()
    }
    if architecture.tie_word_embeddings:
        both = HEAD in sizes
        sizes[HEAD] = sizes.get(EMBEDDING, ())
        ours.pop(OUTER[HEAD])
    check_sizes(sizes, architecture, str(folder))
    if architecture.tie_word_embeddings and both:
        _check_tied(folder, entries)
    return architecture, {name: entries[theirs] for theirs, name in ours.items()}


def _check_tied(folder: Path, entries: dict[str, Any]) -> None:
    """Raise InputError for a tied model whose files hold another output matrix: transformers 4 drops it, 5 uses it."""
    if not safetensor.equal(entries, OUTER[EMBEDDING], OUTER[HEAD]):
        raise InputError(
            folder / "config.json",
            "tie_word_embeddings is true",
            f"false, for {OUTER[HEAD]} is there and is not {OUTER[EMBEDDING]}",
        )


def write(folder: Path, architecture: Architecture, weights: Mapping[str, np.ndarray], base: Path) -> None:
    """Write a directory that transformers, vLLM and llama.cpp's converter read: the same bytes each time.

    `weights` are of one type, float32 or bfloat16; `base` is a folder with our tokenizer. `lm_head.weight` is
    left out if it equals the embedding. Nothing is copied: the weights go to the disk one by one.
    """
    types = {array.dtype.name for array in weights.values()}
    if len(types) != 1 or not types <= set(safetensor.WRITTEN):
        raise InputError(folder, f"weights of {', '.join(sorted(types))}", "all float32 or all bfloat16")
    check_sizes({name: array.shape for name, array in weights.items()}, architecture, str(folder))
    tied = bool(np.array_equal(weights[HEAD], weights[EMBEDDING]))
    used = Tokenizer.load(base)
    ids = {"bos_token_id": used.bos_id, "eos_token_id": used.eos_id, "pad_token_id": used.pad_id}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config(architecture, ids, tied, *types))
    write_json(folder / "generation_config.json", {"_from_model_config": True, **ids})
    _write_tokenizer(folder, base, ids, architecture.max_position_embedding)
    kept = [name for name in expected(architecture) if name != HEAD or not tied]
    safetensor.write(folder, {name_of(name): weights[name] for name in kept})


def _write_tokenizer(folder: Path, base: Path, ids: dict[str, int], positions: int) -> None:
    inner = vocabulary.from_json(base / "tokenizer.json")
    tokens = {key.removesuffix("_id"): inner.id_to_token(number) for key, number in ids.items()}
    for key, token in tokens.items():
        if token is None:
            raise InputError(base, f"{key}_id is {ids[key + '_id']}", "the id of one of its tokens")
    (folder / "tokenizer.json").write_bytes((base / "tokenizer.json").read_bytes())
    settings = {
        **tokens,
        "clean_up_tokenization_spaces": False,
        "model_max_length": positions,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "special_tokens_map.json", tokens)
