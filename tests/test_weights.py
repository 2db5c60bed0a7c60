import json

import gguf
import numpy as np
import pytest

from stages.command import InputError
from stages.model.lora import fold
from stages.model.weights import (
    EMBEDDING,
    HEAD,
    INNER,
    check,
    expected,
    half_split,
    load_checkpoint,
    random_weights,
    read_gguf,
    save_checkpoint,
)

SHAPE = {
    "hidden_size": 16,
    "num_layers": 2,
    "num_heads": 4,
    "n_kv_heads": 2,
    "intermediate_size": 24,
    "vocab_size": 11,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embedding": 64,
    "tie_word_embeddings": False,
}
WQ = "model.layers.1.attention.wq"


def equal(left, right):
    return list(left) == list(right) and all(np.array_equal(left[name], right[name]) for name in left)


def test_random_weights_repeat_for_a_seed():
    weights = random_weights(SHAPE, 7)
    assert equal(weights, random_weights(SHAPE, 7))
    assert not np.array_equal(weights[EMBEDDING], random_weights(SHAPE, 8)[EMBEDDING])
    assert {name: array.shape for name, array in weights.items()} == expected(SHAPE)
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}


def test_tied_weights_are_equal():
    weights = random_weights({**SHAPE, "tie_word_embeddings": True}, 7)
    assert np.array_equal(weights[HEAD], weights[EMBEDDING])


def test_checkpoint_comes_back_and_repeats_byte_for_byte(tmp_path):
    weights = random_weights(SHAPE, 7)
    for name in ("one.ckpt", "two.ckpt"):
        save_checkpoint(tmp_path / name, weights)
    assert (tmp_path / "one.ckpt").read_bytes() == (tmp_path / "two.ckpt").read_bytes()
    assert equal(load_checkpoint(tmp_path / "one.ckpt"), weights)


def test_bad_checkpoints_are_named(tmp_path):
    with pytest.raises(InputError, match=r"none.ckpt: no such file"):
        load_checkpoint(tmp_path / "none.ckpt")
    (tmp_path / "bad.ckpt").write_bytes(b"\x0a\xff\xff\xff\xff not a checkpoint")
    with pytest.raises(InputError, match=r"bad.ckpt: .*, expected a MindSpore checkpoint"):
        load_checkpoint(tmp_path / "bad.ckpt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda weights: weights.update({HEAD: np.zeros((11, 15))}),
            r"here: lm_head.weight has the shape \(11, 15\), expected \(11, 16\)",
        ),
        (lambda weights: weights.pop(HEAD), r"here: lm_head.weight is missing"),
        (lambda weights: weights.update(more=np.zeros(1)), r"here: more is unknown"),
    ],
)
def test_wrong_weights_are_named(change, message):
    weights = random_weights(SHAPE, 7)
    check(weights, SHAPE, "here")
    change(weights)
    with pytest.raises(InputError, match=message):
        check(weights, SHAPE, "here")


def test_half_split_undoes_gguf_interleaving():
    # What llama.cpp's converter does to query and key rows (`permute` in convert_hf_to_gguf.py).
    rows = np.arange(16 * 3, dtype=np.float32).reshape(16, 3)
    interleaved = rows.reshape(4, 2, 2, 3).swapaxes(1, 2).reshape(16, 3)
    assert not np.array_equal(interleaved, rows)
    assert np.array_equal(half_split(interleaved, 4), rows)


def write_gguf(path, weights, output):
    """`weights` as a GGUF file in float32, with or without an output matrix of its own."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_embedding_length(SHAPE["hidden_size"])
    writer.add_block_count(SHAPE["num_layers"])
    writer.add_head_count(SHAPE["num_heads"])
    writer.add_head_count_kv(SHAPE["n_kv_heads"])
    writer.add_feed_forward_length(SHAPE["intermediate_size"])
    writer.add_vocab_size(SHAPE["vocab_size"])
    writer.add_layer_norm_rms_eps(SHAPE["rms_norm_eps"])
    writer.add_rope_freq_base(SHAPE["rope_theta"])
    writer.add_context_length(SHAPE["max_position_embedding"])
    writer.add_tensor("token_embd.weight", weights[EMBEDDING])
    writer.add_tensor("output_norm.weight", weights["model.norm_out.weight"])
    if output:
        writer.add_tensor("output.weight", weights[HEAD])
    heads = {"attn_q.weight": SHAPE["num_heads"], "attn_k.weight": SHAPE["n_kv_heads"]}
    for number in range(SHAPE["num_layers"]):
        for name, ours in INNER.items():
            array = weights[f"model.layers.{number}.{ours}"]
            if name in heads:
                array = array.reshape(heads[name], 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
            writer.add_tensor(f"blk.{number}.{name}", np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("output", [True, False])
def test_gguf_comes_back(tmp_path, output):
    weights = random_weights({**SHAPE, "tie_word_embeddings": not output}, 7)
    write_gguf(tmp_path / "model.gguf", weights, output)
    shape, found = read_gguf(tmp_path / "model.gguf")
    assert shape == pytest.approx({**SHAPE, "tie_word_embeddings": not output})
    assert equal({name: found[name] for name in weights}, weights)


def write_adapter(folder, about, arrays=None):
    folder.mkdir(exist_ok=True)
    (folder / "adapter.json").write_text(json.dumps(about))
    if arrays:
        save_checkpoint(folder / "adapter.ckpt", arrays)
    return folder


def pair(rank=3):
    source = np.random.default_rng(5)
    return {
        f"{WQ}.mindpet_delta_lora_a": source.standard_normal((rank, 16), np.float32),
        f"{WQ}.mindpet_delta_lora_b": source.standard_normal((16, rank), np.float32),
    }


def test_fold_adds_the_scaled_product(tmp_path):
    weights = random_weights(SHAPE, 7)
    before = {name: array.copy() for name, array in weights.items()}
    arrays = pair()
    folded = fold(weights, write_adapter(tmp_path / "1", {"step": 4, "rank": 3, "alpha": 6}, arrays))
    a, b = arrays.values()
    assert np.allclose(folded[f"{WQ}.weight"], before[f"{WQ}.weight"] + 2 * (b @ a), atol=1e-6)
    assert equal(weights, before), "the base weights were changed"
    assert [name for name in before if not np.array_equal(folded[name], before[name])] == [f"{WQ}.weight"]


def test_folded_layer_gives_what_the_adapter_gives(tmp_path):
    weights, arrays = random_weights(SHAPE, 7), pair()
    folded = fold(weights, write_adapter(tmp_path / "1", {"step": 4, "rank": 3, "alpha": 6}, arrays))
    a, b = arrays.values()
    x = np.random.default_rng(1).standard_normal((5, 16), np.float32)
    beside = x @ weights[f"{WQ}.weight"].T + (x @ a.T) @ b.T * 2
    assert np.allclose(x @ folded[f"{WQ}.weight"].T, beside, atol=1e-4)


def test_step_0_is_the_base(tmp_path):
    weights = random_weights(SHAPE, 7)
    assert equal(fold(weights, write_adapter(tmp_path / "0", {"step": 0})), weights)


@pytest.mark.parametrize(
    ("about", "arrays", "message"),
    [
        ({"step": 4}, pair(), r"adapter.json: KeyError 'alpha', expected"),
        ({"step": 4, "rank": 3, "alpha": 6}, None, r"adapter.ckpt: no such file"),
        ({"step": 4, "rank": 3, "alpha": 6}, {"x.weight": np.ones(2)}, r"x.weight fits no weight"),
        (
            {"step": 4, "rank": 3, "alpha": 6},
            dict([next(iter(pair().items()))]),
            r"wq.weight has only LoRA's a, expected a and b",
        ),
        (
            {"step": 4, "rank": 3, "alpha": 6},
            {name: array[:2] for name, array in pair().items()},
            r"LoRA shapes \(2, 3\) x \(2, 16\) for .*wq.weight, expected \(16, 16\)",
        ),
    ],
)
def test_wrong_adapters_are_named(tmp_path, about, arrays, message):
    with pytest.raises(InputError, match=message):
        fold(random_weights(SHAPE, 7), write_adapter(tmp_path / "1", about, arrays))


def test_missing_adapter_is_named(tmp_path):
    with pytest.raises(InputError, match=r"1/adapter.json: no such file"):
        fold({}, tmp_path / "1")
