"""A tiny Llama for tests: its logits in NumPy, in float64, and its file in GGUF."""

from pathlib import Path

import gguf
import numpy as np

from abacus.formats.gguf import INNER
from abacus.weights.architecture import EMBEDDING, HEAD, NORM, Architecture, Weights

SHAPE = Architecture(
    hidden_size=16,
    num_layers=2,
    num_heads=4,
    n_kv_heads=2,
    intermediate_size=24,
    vocab_size=11,
    rms_norm_eps=1e-5,
    rope_theta=10000.0,
    max_position_embedding=64,
    tie_word_embeddings=False,
)


def equal(left: Weights, right: Weights) -> bool:
    """Whether two models have the same weights in the same order, of the same types, to the bit."""
    return list(left) == list(right) and all(
        left[name].dtype == right[name].dtype and np.array_equal(left[name], right[name]) for name in left
    )


def logits(
    architecture: Architecture, weights: Weights, ids: np.ndarray, *, neighbours: bool = False
) -> np.ndarray:
    """Logits [ids, vocabulary]; `neighbours`: rotary pairs are neighbours in a head, not half a head apart."""
    heads, kv_heads, size = (
        architecture.num_heads,
        architecture.n_kv_heads,
        architecture.hidden_size // architecture.num_heads,
    )
    wide = {name: array.astype(np.float64) for name, array in weights.items()}
    angles = np.arange(len(ids))[:, None] * architecture.rope_theta ** (-np.arange(0, size, 2) / size)
    turns = np.exp(1j * angles)[:, None]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + architecture.rms_norm_eps) * wide[name]

    def turned(x: np.ndarray) -> np.ndarray:
        first, second = (
            (slice(0, None, 2), slice(1, None, 2))
            if neighbours
            else (slice(size // 2), slice(size // 2, None))
        )
        turned = (x[..., first] + 1j * x[..., second]) * turns
        found = np.empty_like(x)
        found[..., first], found[..., second] = turned.real, turned.imag
        return found

    hidden = wide[EMBEDDING][ids]
    for number in range(architecture.num_layers):
        at = f"model.layers.{number}."
        x = norm(hidden, f"{at}attention_norm.weight")
        q, k, v = (
            (x @ wide[f"{at}attention.{name}.weight"].T).reshape(len(ids), count, size)
            for name, count in (("wq", heads), ("wk", kv_heads), ("wv", kv_heads))
        )
        k, v = (np.repeat(part, heads // kv_heads, 1) for part in (turned(k), v))
        scores = np.einsum("qhd,khd->hqk", turned(q), k) / np.sqrt(size)
        scores = np.where(np.tri(len(ids), dtype=bool), scores, -np.inf)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", shares, v).reshape(len(ids), -1)
        hidden = hidden + mixed @ wide[f"{at}attention.wo.weight"].T
        x = norm(hidden, f"{at}ffn_norm.weight")
        gate, up = (x @ wide[f"{at}feed_forward.{name}.weight"].T for name in ("w1", "w3"))
        hidden = hidden + gate / (1 + np.exp(-gate)) * up @ wide[f"{at}feed_forward.w2.weight"].T
    return norm(hidden, NORM) @ wide[HEAD].T


def write_gguf(
    path: Path, architecture: Architecture, weights: Weights, *, kind=None, change=None, tokenizer=None
) -> None:
    """Write a GGUF file as llama.cpp's converter does; matrices as the type `kind`; `change` and `tokenizer` add to it."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_embedding_length(architecture.hidden_size)
    writer.add_block_count(architecture.num_layers)
    writer.add_head_count(architecture.num_heads)
    writer.add_head_count_kv(architecture.n_kv_heads)
    writer.add_feed_forward_length(architecture.intermediate_size)
    writer.add_vocab_size(architecture.vocab_size)
    writer.add_layer_norm_rms_eps(architecture.rms_norm_eps)
    writer.add_rope_freq_base(architecture.rope_theta)
    writer.add_context_length(architecture.max_position_embedding)
    for add in (change, tokenizer):
        if add:
            add(writer)
    names = {EMBEDDING: "token_embd.weight", NORM: "output_norm.weight"}
    if not architecture.tie_word_embeddings:
        names[HEAD] = "output.weight"
    for number in range(architecture.num_layers):
        names |= {f"model.layers.{number}.{ours}": f"blk.{number}.{theirs}" for theirs, ours in INNER.items()}
    heads = {"attn_q.weight": architecture.num_heads, "attn_k.weight": architecture.n_kv_heads}
    for ours, theirs in names.items():
        if ours not in weights:
            continue
        array, count = weights[ours], heads.get(theirs.split(".", 2)[-1])
        if count:
            array = array.reshape(count, 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
        if kind is not None and array.ndim == 2:
            writer.add_tensor(theirs, gguf.quants.quantize(np.ascontiguousarray(array), kind), raw_dtype=kind)
        else:
            writer.add_tensor(theirs, np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
