"""Parts of a tensor-parallel run: cut by MindSpore along a strategy and joined, they are the original again."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from abacus.core.errors import InputError
from abacus.training import shards
from abacus.training.resume import Files
from abacus.training.run import adapters as adapters_of
from abacus.weights.architecture import Weights
from abacus.weights.checkpoint import load_checkpoint, number_type, random_weights
from tests.cutting import cut, cut_dimension, write_strategies
from tests.llama import equal
from tests.training import MODEL, changed

SHAPE = MODEL.architecture.model_copy(update={"vocab_size": 260, "n_kv_heads": 4})
NAME = "llama3_8b_rank_{rank}-781_2.ckpt"


def model(kind: str) -> Weights:
    """A whole model with LoRA beside its weights, as a reference's checkpoint has it."""
    weights = random_weights(SHAPE, 3) | lora()
    return {name: array.astype(number_type(kind)) for name, array in weights.items()}


def lora() -> Weights:
    source = np.random.default_rng(4)
    hidden = SHAPE.hidden_size
    found = {}
    for number in range(SHAPE.num_layers):
        for target in ("wq", "wv"):
            at = f"model.layers.{number}.attention.{target}.mindpet_delta_lora_"
            found[at + "a"] = source.standard_normal((8, hidden)).astype(np.float32)
            found[at + "b"] = source.standard_normal((hidden, 8)).astype(np.float32)
    return found


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize(("data", "tensor"), [(1, 4), (2, 2)])
def test_what_was_cut_is_joined_to_the_bit(tmp_path: Path, data: int, tensor: int, kind: str) -> None:
    whole = model(kind)
    write_strategies(tmp_path / "strategy", whole, data, tensor)
    files = cut(whole, tmp_path / "strategy", tmp_path / "run", NAME)
    assert len(files) == data * tensor
    for name, array in load_checkpoint(files[1]).items():  # it was cut, where it should be
        expected = list(whole[name].shape)
        if (at := cut_dimension(name)) is not None:
            expected[at] //= tensor
        assert list(array.shape) == expected, name
    joined = shards.join(shards.find(tmp_path / "run"), tmp_path / "strategy", tmp_path / "scratch")
    assert equal({name: joined[name] for name in whole}, whole)
    assert set(joined) == set(whole)
    assert not (tmp_path / "scratch").exists()


def test_one_strategy_file_is_enough(tmp_path: Path) -> None:
    whole = model("float32")
    write_strategies(tmp_path / "strategy", whole, 1, 2)
    files = cut(whole, tmp_path / "strategy", tmp_path / "run", NAME)
    joined = shards.join(files, tmp_path / "strategy" / "ckpt_strategy_rank_1.ckpt", tmp_path / "scratch")
    assert equal({name: joined[name] for name in whole}, whole)


def test_a_tensor_parallel_run_of_the_stage_leaves_whole_adapters(tmp_path: Path) -> None:
    """The ranks' files hold LoRA alone, the strategy all of the model."""
    training = changed(parallel_config={"model_parallel": 2})
    write_strategies(tmp_path / "strategy", model("float32"), 1, 2)
    files = Files(training, tmp_path, 18)
    adapters = {}
    for number, step in enumerate((2, 4, 6, 8, 10)):
        adapters[step] = {name: array + number for name, array in lora().items()}
        cut(adapters[step], tmp_path / "strategy", tmp_path / f"run{step}", "{rank}.ckpt")
        for rank in (0, 1):
            target = files.adapter(step, rank)
            target.parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / f"run{step}" / f"rank_{rank}" / f"{rank}.ckpt").rename(target)
    found = adapters_of(training, files)
    assert list(found) == [2, 4, 6, 8, 10]
    for step, path in found.items():
        joined = load_checkpoint(path)
        assert equal({name: joined[name] for name in adapters[step]}, adapters[step])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on four ranks."""
    folder = tmp_path_factory.mktemp("run")
    write_strategies(folder / "strategy", model("float32"), 1, 4)
    cut(model("float32"), folder / "strategy", folder, NAME)
    return folder


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: shutil.rmtree(run / "rank_2"), "strategies of the ranks [0, 1, 2, 3], expected those of [0"),
        (lambda run: shutil.rmtree(run / "strategy"), "strategy: no such file, expected MindSpore's strategy"),
        (
            lambda run: (run / "strategy" / "ckpt_strategy_rank_0.ckpt").write_bytes(b"damaged"),
            "ckpt_strategy_rank_0.ckpt: ",
        ),
        (
            lambda run: (run / "rank_3" / NAME.format(rank=3)).write_bytes(b"half"),
            "llama3_8b_rank_3-781_2.ckpt: ",
        ),
        (
            lambda run: (run / "rank_1" / NAME.format(rank=1)).rename(run / "rank_1" / "x_rank_1-782_2.ckpt"),
            "are of different steps (rank 0: 781_2, rank 1: 782_2",
        ),
        (lambda run: shutil.copy(next((run / "rank_0").iterdir()), run / "rank_0" / "x-9_9.ckpt"),
         "holds the steps 781_2, 9_9, expected one file of one step"),
    ],
    ids=["rank", "strategy", "damaged-strategy", "damaged-part", "steps", "two"],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(run: Path, tmp_path: Path, damage, said: str) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    damage(copy)
    with pytest.raises(InputError) as error:
        shards.join(shards.find(copy), copy / "strategy", tmp_path / "scratch")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "scratch").exists()


def test_a_missing_rank_is_named_where_one_strategy_file_is_given(run: Path, tmp_path: Path) -> None:
    files = shards.find(run)
    del files[2]
    with pytest.raises(InputError, match=r"rank 2 is missing, expected all of \[0, 1, 2, 3\]"):
        shards.join(files, run / "strategy" / "ckpt_strategy_rank_0.ckpt", tmp_path / "scratch")


def test_the_step_is_chosen_by_the_end_of_the_name(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    for rank in range(4):
        folder = copy / f"rank_{rank}"
        shutil.copy(folder / NAME.format(rank=rank), folder / f"llama3_8b_rank_{rank}-1562_2.ckpt")
    found = shards.find(copy, "1562_2")
    assert [path.name for path in found.values()] == [f"llama3_8b_rank_{n}-1562_2.ckpt" for n in range(4)]
    with pytest.raises(InputError, match="expected one file of the step '5_2'"):
        shards.find(copy, "5_2")
    with pytest.raises(InputError, match="holds no rank_0"):
        shards.find(tmp_path / "nothing")
