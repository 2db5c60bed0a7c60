"""A checkpoint's shapes, read without its arrays."""

import numpy as np
import pytest

from abacus.core.errors import InputError
from abacus.formats import fetch, source
from abacus.profile.load import profile
from abacus.weights.checkpoint import load_checkpoint, random_weights, read_shapes, save_checkpoint

TINY = profile("tiny").llama


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.ckpt"
    save_checkpoint(path, random_weights(TINY.architecture, 3))
    return path


def test_shapes_are_those_of_the_arrays(model, tmp_path):
    assert read_shapes(model) == {name: array.shape for name, array in load_checkpoint(model).items()}
    save_checkpoint(
        tmp_path / "x.ckpt", {"a": np.float32(1), "b": np.zeros((2, 3, 4), np.float16), "c": np.zeros(5)}
    )
    assert read_shapes(tmp_path / "x.ckpt") == {"a": (1,), "b": (2, 3, 4), "c": (5,)}


def test_a_model_of_another_shape_is_found_before_a_run(model):
    own = source.find(model)
    fetch.check_own(own, TINY, "tiny")
    other = TINY.model_copy(update={"hidden_size": 2 * TINY.hidden_size})
    with pytest.raises(InputError, match=r"model\.ckpt: .* has the shape"):
        fetch.check_own(own, other, "tiny")


def test_a_damaged_one_is_one_line(model, tmp_path):
    whole = model.read_bytes()
    for size in (0, 1, 2, 30, len(whole) // 2, len(whole) - 20):
        (tmp_path / "cut.ckpt").write_bytes(whole[:size])
        with pytest.raises(InputError, match="a MindSpore checkpoint"):
            read_shapes(tmp_path / "cut.ckpt")
    (tmp_path / "cut.ckpt").write_bytes(b"\x0a\x05hello" + whole)
    with pytest.raises(InputError, match="a MindSpore checkpoint"):
        read_shapes(tmp_path / "cut.ckpt")
