import json

import mindspore
import numpy as np
import pytest

from abacus.core.errors import InputError
from abacus.weights.architecture import EMBEDDING, HEAD, check, expected
from abacus.weights.checkpoint import load_checkpoint, number_type, random_weights, save_checkpoint
from abacus.weights.lora import fold
from tests.llama import SHAPE, equal

WQ = "model.layers.1.attention.wq"


def test_random_weights_repeat_for_a_seed():
    weights = random_weights(SHAPE, 7)
    assert equal(weights, random_weights(SHAPE, 7))
    assert not np.array_equal(weights[EMBEDDING], random_weights(SHAPE, 8)[EMBEDDING])
    assert {name: array.shape for name, array in weights.items()} == expected(SHAPE)
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}


def test_tied_weights_are_equal():
    weights = random_weights(SHAPE.model_copy(update={"tie_word_embeddings": True}), 7)
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


def test_checkpoint_is_mindspores_own(tmp_path):
    weights = random_weights(SHAPE, 7)
    listed = [{"name": name, "data": mindspore.Tensor(array)} for name, array in weights.items()]
    mindspore.save_checkpoint(listed, str(tmp_path / "theirs.ckpt"))
    save_checkpoint(tmp_path / "ours.ckpt", weights)
    assert (tmp_path / "ours.ckpt").read_bytes() == (tmp_path / "theirs.ckpt").read_bytes()
    mindspore.save_checkpoint(listed, str(tmp_path / "checked.ckpt"), crc_check=True)
    assert (tmp_path / "checked.ckpt").stat().st_size == (tmp_path / "ours.ckpt").stat().st_size + 17
    assert equal(load_checkpoint(tmp_path / "checked.ckpt"), weights)


def test_large_weight_in_pieces_comes_back(tmp_path, monkeypatch):
    from mindspore.train import serialization

    monkeypatch.setattr(serialization, "SLICE_SIZE", 1)  # KB; MindSpore's own is half a gigabyte
    weights = random_weights(SHAPE.model_copy(update={"vocab_size": 1000}), 7)
    save_checkpoint(tmp_path / "model.ckpt", weights)
    done = []
    assert equal(load_checkpoint(tmp_path / "model.ckpt", progress=done.append), weights)
    assert sum(done) == (tmp_path / "model.ckpt").stat().st_size
    assert len(done) > 100
    theirs = mindspore.load_checkpoint(str(tmp_path / "model.ckpt"))
    assert equal({name: parameter.asnumpy() for name, parameter in theirs.items()}, weights)


def test_bfloat16_comes_back_and_is_rounded_to_the_nearest(tmp_path):
    half = number_type("bfloat16")
    weights = {name: array.astype(half) for name, array in random_weights(SHAPE, 7).items()}
    save_checkpoint(tmp_path / "model.ckpt", weights)
    found = load_checkpoint(tmp_path / "model.ckpt")
    assert equal(found, weights)
    assert {array.dtype for array in found.values()} == {half}
    assert (tmp_path / "model.ckpt").stat().st_size < 0.7 * 4 * sum(array.size for array in weights.values())
    values = np.array([1 + 1 / 256, 1 + 3 / 256, 1 + 1 / 256 + 1e-6, -0.0, 3e38], np.float32)  # two halfway
    save_checkpoint(tmp_path / "full.ckpt", {"x": values})
    [read] = load_checkpoint(tmp_path / "full.ckpt", half).values()
    assert read.dtype == half
    assert read.view(np.uint16).tolist() == [0x3F80, 0x3F82, 0x3F81, 0x8000, 0x7F62]


def test_arrays_may_be_written_to_and_keep_their_shape(tmp_path):
    weights = {"number": np.float32([3.0]), "square": np.ones((2, 2), np.float32).T, "count": np.int32([7])}
    save_checkpoint(tmp_path / "model.ckpt", weights)
    found = load_checkpoint(tmp_path / "model.ckpt")
    assert {name: (a.shape, a.dtype) for name, a in found.items()} == {
        name: (a.shape, a.dtype) for name, a in weights.items()
    }
    found["square"] += 1


def test_every_cut_of_a_checkpoint_is_named(tmp_path):
    save_checkpoint(tmp_path / "model.ckpt", {"a": np.ones(3, np.float32), "b": np.ones((2, 2), np.float32)})
    whole = (tmp_path / "model.ckpt").read_bytes()
    ends = {len(whole)}
    for size in range(len(whole)):
        (tmp_path / "cut.ckpt").write_bytes(whole[:size])
        try:
            ends.add(size if load_checkpoint(tmp_path / "cut.ckpt") else 0)
        except InputError as error:
            assert str(error).startswith(f"{tmp_path / 'cut.ckpt'}: ")
            assert str(error).endswith(", expected a MindSpore checkpoint")
    assert len(ends) == 2  # the whole, and what ends after the first weight


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
        ({"step": 4}, pair(), r"adapter.json: alpha is missing"),
        ({"step": 4, "rank": 3, "alpha": 6}, None, r"adapter.ckpt: no such file"),
        ({"step": 4, "rank": 0, "alpha": 6}, pair(), r"rank is 0, expected a whole number from 1 to 1000000"),
        (
            {"step": 4, "rank": 3, "alpha": 10**400},
            pair(),
            r"alpha is 10{199}, expected a number above 0, at",
        ),
        (
            {"step": 4, "rank": 3, "alpha": float("nan")},
            pair(),
            r"alpha is nan .*, expected a number above 0",
        ),
        ({"step": 4, "rank": 1, "alpha": 1e300}, pair(), r"alpha is 1e\+300, expected .* at most 1000000"),
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
