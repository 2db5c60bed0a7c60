"""GGUF files of our own making: what the model says survives, and what is not a plain Llama is one line."""

import time

import gguf
import numpy as np
import pytest

from abacus.core.errors import InputError
from abacus.formats import gguf as ours
from abacus.weights.architecture import EMBEDDING, HEAD, NORM
from abacus.weights.checkpoint import random_weights
from tests.llama import SHAPE, equal, logits, write_gguf


@pytest.mark.parametrize("tied", [True, False])
def test_a_file_comes_back(tmp_path, tied):
    shape = SHAPE.model_copy(update={"tie_word_embeddings": tied})
    weights = random_weights(shape, 7)
    write_gguf(tmp_path / "model.gguf", shape, weights)
    found, read = ours.read(tmp_path / "model.gguf")
    assert found == shape
    assert equal({name: read[name] for name in weights}, weights)


def test_rows_in_llama_cpps_order_give_the_same_logits(tmp_path):
    """llama.cpp turns neighbours in its own order of rows; ours turns halves; both give one model."""
    weights = random_weights(SHAPE, 7)
    write_gguf(tmp_path / "model.gguf", SHAPE, weights)
    _, read = ours.read(tmp_path / "model.gguf")
    theirs = dict(read)
    for number in range(SHAPE.num_layers):
        for name, heads in (("wq", SHAPE.num_heads), ("wk", SHAPE.n_kv_heads)):
            key = f"model.layers.{number}.attention.{name}.weight"
            tensor = next(
                t
                for t in ours.reader(tmp_path / "model.gguf").tensors
                if t.name.endswith(f"{number}.attn_{name[1]}.weight")
            )
            theirs[key] = np.array(tensor.data)
            assert not np.array_equal(theirs[key], read[key])
            assert theirs[key].shape == (heads * 4, 16)
    ids = np.arange(9)
    expected = logits(SHAPE, weights, ids)
    assert np.allclose(logits(SHAPE, read, ids), expected, rtol=0, atol=1e-12)
    assert np.allclose(logits(SHAPE, theirs, ids, neighbours=True), expected, rtol=0, atol=1e-12)
    assert not np.allclose(logits(SHAPE, theirs, ids), expected, rtol=0, atol=1e-6)


def test_half_split_undoes_gguf_interleaving():
    # What llama.cpp's converter does to query and key rows (`permute` in convert_hf_to_gguf.py).
    rows = np.arange(16 * 3, dtype=np.float32).reshape(16, 3)
    interleaved = rows.reshape(4, 2, 2, 3).swapaxes(1, 2).reshape(16, 3)
    assert not np.array_equal(interleaved, rows)
    assert np.array_equal(ours.half_split(interleaved, 4), rows)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_quantised_weights_are_near_the_originals(tmp_path, kind):
    shape = SHAPE.model_copy(update={"hidden_size": 32, "num_heads": 4, "intermediate_size": 64})
    weights = random_weights(shape, 7)
    write_gguf(tmp_path / "model.gguf", shape, weights, kind=gguf.GGMLQuantizationType[kind])
    _, read = ours.read(tmp_path / "model.gguf")
    assert read[HEAD].dtype == np.float32
    for name, array in weights.items():
        assert np.abs(read[name] - array).max() < 0.02, name
        assert array.ndim == 1 or np.corrcoef(read[name].ravel(), array.ravel())[0, 1] > 0.99


def test_the_type_asked_for_is_rounded_once(tmp_path):
    import mindspore  # noqa: F401, registers bfloat16

    weights = random_weights(SHAPE, 7)
    write_gguf(tmp_path / "model.gguf", SHAPE, weights)
    _, read = ours.read(tmp_path / "model.gguf", dtype=np.dtype("bfloat16"))
    assert {array.dtype.name for array in read.values()} == {"bfloat16"}
    assert all(
        np.array_equal(read[name], array.astype(np.dtype("bfloat16"))) for name, array in weights.items()
    )


def test_progress_sees_every_tensor(tmp_path):
    write_gguf(tmp_path / "model.gguf", SHAPE, random_weights(SHAPE, 7))
    seen = []
    ours.read(tmp_path / "model.gguf", lambda items: [seen.append(name) or (name, t) for name, t in items])
    assert len(seen) == 3 + 9 * SHAPE.num_layers


def put(key, value):
    """Change one of the file's numbers."""

    def change(writer):
        writer.kv_data[-1][f"llama.{key}"].value = value
        if isinstance(value, bool):
            writer.kv_data[-1][f"llama.{key}"].type = gguf.GGUFValueType.BOOL

    return change


def scaled(writer):
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(8.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.add_expert_count(8), r"llama.expert_count is 8, expected 0"),
        (scaled, r"llama.rope.scaling.type is 'linear', expected 'none'"),
        (lambda w: w.add_rope_scaling_factor(4.0), r"llama.rope.scaling.factor is 4.0, expected 1.0"),
        (lambda w: w.add_rope_dimension_count(2), r"llama.rope.dimension_count is 2, expected 4"),
        (lambda w: w.add_key_length(8), r"llama.attention.key_length is 8, expected 4"),
        (lambda w: w.add_uint16("split.count", 3), r"model.gguf: is one of 3 parts, expected"),
        (lambda w: w.add_string("split.count", "3"), r"model.gguf: is one of 3 parts, expected"),
        (
            put("block_count", 10**9),
            r"model.gguf: num_layers is 1000000000, expected a whole number from 1 to 1000$",
        ),
        (
            put("embedding_length", 18),
            r"hidden_size 18, num_heads 4 and n_kv_heads 2, expected each a multiple",
        ),
        (
            put("attention.head_count_kv", 3),
            r"num_heads 4 and n_kv_heads 3, expected each a multiple of the next",
        ),
        (put("block_count", True), r"num_layers is True \(true or false\), expected a whole number"),
        (put("rope.freq_base", float("inf")), r"rope_theta is inf \(a number\), expected a number above 0"),
        (
            lambda w: w.add_tensor("blk.١.attn_norm.weight", np.ones(16, np.float32)),
            r"the tensor blk.١.attn_norm.weight is unknown, expected those of a Llama",
        ),
        (
            lambda w: w.add_tensor("a\nb", np.ones(16, np.float32)),
            r"the tensor a\\nb is unknown, expected those of a Llama$",
        ),
        (
            lambda w: w.add_tensor("rope_freqs.weight", np.ones(2, np.float32)),
            r"rope_freqs.weight \(Llama 3.1 and later\)",
        ),
        (
            lambda w: w.add_tensor("blk.0.attn_q.bias", np.ones(16, np.float32)),
            r"the tensor blk.0.attn_q.bias is unknown, expected those of a Llama",
        ),
        (
            lambda w: w.add_tensor("blk.9.attn_norm.weight", np.ones(16, np.float32)),
            r"model.layers.9.attention_norm.weight is unknown",
        ),
    ],
)
def test_what_is_no_plain_llama_is_named(tmp_path, change, message):
    write_gguf(tmp_path / "model.gguf", SHAPE, random_weights(SHAPE, 7), change=change)
    with pytest.raises(InputError, match=message):
        ours.read(tmp_path / "model.gguf")


def tokens(count, **ids):
    """A list of tokens, and special ids, for write_gguf."""

    def add(writer):
        writer.add_tokenizer_model("llama")
        writer.add_token_list([f"<{number}>" for number in range(count)])
        writer.add_token_types([1] * count)
        for name, number in ids.items():
            writer.add_uint32(f"tokenizer.ggml.{name}_token_id", number)

    return add


def test_a_number_of_tokens_that_is_not_theirs_is_named(tmp_path):
    write_gguf(tmp_path / "model.gguf", SHAPE, random_weights(SHAPE, 7), tokenizer=tokens(11))
    assert ours.read(tmp_path / "model.gguf")[0] == SHAPE
    write_gguf(tmp_path / "model.gguf", SHAPE, random_weights(SHAPE, 7), tokenizer=tokens(10))
    with pytest.raises(
        InputError, match=r"model.gguf: llama.vocab_size is 11, expected 10, the number of its tokens$"
    ):
        ours.read(tmp_path / "model.gguf")


def special_ids(path, count, **ids):
    write_gguf(path, SHAPE, {}, tokenizer=tokens(count, **ids))
    return ours.special_ids(ours.reader(path), path.name)


def test_special_ids_are_of_the_file_s_tokens(tmp_path):
    path = tmp_path / "model.gguf"
    found = special_ids(path, 11, bos=1, padding=10)
    assert found == {"bos_token_id": 1, "eos_token_id": None, "pad_token_id": 10}
    with pytest.raises(InputError, match=r"model.gguf: eos_token_id is 11, expected one of its 11 tokens$"):
        special_ids(path, 11, bos=1, eos=11)


def test_special_ids_are_numbers(tmp_path):
    def add(writer):
        writer.add_string("tokenizer.ggml.eos_token_id", "2")

    write_gguf(tmp_path / "model.gguf", SHAPE, {}, tokenizer=add)
    with pytest.raises(InputError, match=r"model.gguf: eos_token_id is '2', expected a whole number$"):
        ours.special_ids(ours.reader(tmp_path / "model.gguf"), "model.gguf")


def test_missing_and_misshapen_weights_are_named(tmp_path):
    weights = random_weights(SHAPE, 7)
    write_gguf(tmp_path / "less.gguf", SHAPE, {name: a for name, a in weights.items() if name != NORM})
    with pytest.raises(InputError, match=r"less.gguf: model.norm_out.weight is missing"):
        ours.read(tmp_path / "less.gguf")
    write_gguf(tmp_path / "odd.gguf", SHAPE, {**weights, EMBEDDING: weights[EMBEDDING][:, :8]})
    with pytest.raises(InputError, match=r"odd.gguf: .*embedding_weight has the shape \(11, 8\)"):
        ours.read(tmp_path / "odd.gguf")


def test_a_type_that_cannot_be_read_is_named(tmp_path):
    weights = random_weights(SHAPE, 7)
    write_gguf(
        tmp_path / "model.gguf", SHAPE, {name: a for name, a in weights.items() if name != HEAD}, change=odd
    )
    with pytest.raises(
        InputError, match=r"output.weight has the type I8, expected one that the package gguf"
    ):
        ours.read(tmp_path / "model.gguf")


def odd(writer):
    writer.add_tensor("output.weight", np.zeros((11, 16), np.int8))


def test_other_architecture_is_named(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "qwen2")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(InputError, match=r"model.gguf: its architecture is 'qwen2', expected 'llama'"):
        ours.read(tmp_path / "model.gguf")


def test_a_count_that_the_file_cannot_hold_is_found_at_once(tmp_path):
    """The package `gguf` takes what lies behind the end for empty, and would count to 2 ** 60."""

    def add(writer):
        writer.add_array("tokenizer.ggml.token_type", [1, 2, 3])

    write_gguf(tmp_path / "model.gguf", SHAPE, random_weights(SHAPE, 7), change=add)
    whole = (tmp_path / "model.gguf").read_bytes()
    count = (
        whole.index(b"token_type") + len("token_type") + 8
    )  # behind the types of the field and of its items
    assert whole[count : count + 8] == (3).to_bytes(8, "little")
    for place in (8, 16, count):  # of tensors, of fields, of items
        spoiled = whole[:place] + (1 << 60).to_bytes(8, "little") + whole[place + 8 :]
        (tmp_path / "model.gguf").write_bytes(spoiled)
        start = time.perf_counter()
        with pytest.raises(InputError, match=r"model.gguf: .*expected a whole GGUF file"):
            ours.read(tmp_path / "model.gguf")
        assert time.perf_counter() - start < 5


def test_damaged_files_are_named(tmp_path):
    write_gguf(tmp_path / "model.gguf", SHAPE, random_weights(SHAPE, 7))
    whole = (tmp_path / "model.gguf").read_bytes()
    for number, data in enumerate((b"", b"not a model", whole[:100], whole[: len(whole) // 2], whole[:-64])):
        path = tmp_path / f"{number}.gguf"
        path.write_bytes(data)
        with pytest.raises(InputError, match=rf"{number}.gguf: .*, expected a whole GGUF file"):
            ours.read(path)
