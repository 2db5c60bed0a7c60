"""A fine-tuning that was killed goes on where it stood, to the same bytes; nothing of another run gets in."""

import random
from pathlib import Path

import mindspore
import numpy as np
import pytest

from abacus.training.configuration import Resumed
from abacus.training.progress import STEPS, Step, StepLog, read_steps
from abacus.training.repeatable import RepeatableDropout
from abacus.training.resume import Files, last_step
from abacus.weights.checkpoint import save_checkpoint
from tests.training import (
    SEEN,
    TRAINING,
    changed,
    command,
    figures,
    files,
    history,
    kill_after,
    make_inputs,
    write_training,
)

ROWS, STEPS_A_CHECKPOINT = 18, 2


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stage reads."""
    return make_inputs(tmp_path_factory.mktemp("resume"))


@pytest.fixture(scope="module")
def undisturbed(inputs: Path) -> dict[str, str]:
    """The hashes of the files of a run that nobody killed."""
    done = command(inputs, "whole", "whole.log")
    assert done.returncode == 0, done.stderr
    assert not list(inputs.glob(".scratch/finetune/*/"))
    return files(inputs / "whole")


@pytest.mark.parametrize("step", [5, pytest.param(9, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_to_the_same_bytes(inputs: Path, undisturbed: dict, step: int) -> None:
    """In an epoch and before the last step; rows and masks go on too, and what is seen of it."""
    out = f"killed-{step}"
    kill_after(inputs, out, step, *SEEN)
    assert not (inputs / out).exists()
    (graphs,) = inputs.glob(".scratch/finetune/*/graphs/*")
    assert not graphs.name.startswith("."), "what the first step compiled is there for the next process"
    done = command(inputs, out, f"{out}.log", *SEEN)
    assert done.returncode == 0, done.stderr
    assert f"going on after step {step // 2 * 2}, " in done.stderr
    assert files(inputs / out) == undisturbed
    assert figures(inputs, "loss") == [(row["step"], row["loss"]) for row in history(inputs / out)]
    assert len(figures(inputs, "memory_gb")) == 10, "those of the killed process, too"


@pytest.mark.slow
def test_killed_again_and_again(inputs: Path, undisturbed: dict) -> None:
    draw = random.Random(11)
    for step in (3, 5, 8):
        kill_after(inputs, "often", step, wait=draw.random() * 0.05)
    done = command(inputs, "often", "often.log")
    assert done.returncode == 0, done.stderr
    assert files(inputs / "often") == undisturbed


@pytest.mark.slow
def test_another_configuration_starts_afresh(inputs: Path, undisturbed: dict) -> None:
    kill_after(inputs, "mixed", 5)
    write_training(inputs, changed(lr_schedule={"learning_rate": 2e-3}), Path("other.yaml"))
    done = command(inputs, "mixed", "mixed.log", "--train", "profile/other.yaml")
    assert done.returncode == 0, done.stderr
    assert "going on" not in done.stderr
    assert not list(inputs.glob(".scratch/finetune/*/")), "the killed run's folder is gone, too"
    clean = command(inputs, "clean", "clean.log", "--train", "profile/other.yaml")
    assert clean.returncode == 0, clean.stderr
    assert files(inputs / "mixed") == files(inputs / "clean") != undisturbed


@pytest.mark.slow
def test_a_run_killed_after_its_last_step_is_only_put_in_place(inputs: Path, undisturbed: dict) -> None:
    """All five checkpoints are there: no model is built."""
    kill_after(inputs, "late", 10, wait=0.2)
    done = command(inputs, "late", "late.log")
    assert done.returncode == 0, done.stderr
    assert files(inputs / "late") == undisturbed


# The choice of the step, on files without a run.


@pytest.fixture
def run(tmp_path: Path) -> Files:
    """A run on two ranks that stopped after its third checkpoint, in the seventh step."""
    two = changed(parallel_config={"data_parallel": 2})
    found = Files(two, tmp_path / "run", ROWS)
    for step in found.steps[:3]:
        for path in found.of_step(step):
            path.parent.mkdir(parents=True, exist_ok=True)
            save_checkpoint(path, {"w": np.full(3, step, np.float32)})
    log = StepLog(found.folder / STEPS)
    for step in range(1, 8):
        log.write(Step(step, 1.5, 0.1, False))
    log.close()
    return found


def left(run: Files) -> tuple[int, int]:
    """Number of checkpoint files and of recorded steps."""
    return len(list(run.folder.rglob("*.ckpt"))), len(read_steps(run.folder / STEPS))


def test_names_are_the_monitor_s(run: Files) -> None:
    assert (
        run.adapter(4, 1)
        == run.folder / "checkpoint_trainable/rank_1/adapter_rank_1-trainable_params-1_4.ckpt"
    )
    assert run.resumable(6, 0) == run.folder / "checkpoint/rank_0/adapter_rank_0-2_2.ckpt"
    places = [str(run.resumable(6, rank)) for rank in (0, 1)]
    assert run.resumed(6) == Resumed(step=6, epoch=1, checkpoints=places)


def test_the_last_whole_step_is_taken(run: Files) -> None:
    assert last_step(run) == 6
    assert left(run) == (12, 6)
    assert last_step(run) == 6


def test_a_rank_that_was_killed_while_saving_takes_its_step_back(run: Files) -> None:
    run.adapter(6, 1).unlink()
    assert last_step(run) == 4
    assert left(run) == (8, 4)


@pytest.mark.parametrize("place", ["adapter", "resumable"])
def test_a_damaged_file_takes_its_step_back(run: Files, place: str) -> None:
    path = getattr(run, place)(6, 0)
    path.write_bytes(path.read_bytes()[:-5])
    assert last_step(run) == 4
    assert left(run) == (8, 4)


def test_a_step_that_was_not_recorded_is_not_taken(run: Files) -> None:
    history = run.folder / STEPS
    history.write_text("".join(history.read_text().splitlines(keepends=True)[:6]) + "6,1.")
    assert last_step(run) == 4
    assert left(run) == (8, 4)


def test_a_missing_adapter_of_an_earlier_step_starts_there(run: Files) -> None:
    run.adapter(2, 0).unlink()
    assert last_step(run) == 0
    assert left(run) == (0, 0)


def test_no_run_is_step_0(tmp_path: Path) -> None:
    assert last_step(Files(TRAINING, tmp_path / "none", ROWS)) == 0
    assert not (tmp_path / "none").exists()


# Dropout's masks.


def spread(x: np.ndarray) -> np.ndarray:
    """The hash of 32 bits, in 64 so that nothing is lost before it is cut off."""
    x = (x ^ x >> 16) * 0x7FEB352D % 2**32
    x = (x ^ x >> 15) * 0x846CA68B % 2**32
    return x ^ x >> 16


def kept(p: float, seed: int, step: int, places: range, channels: int) -> np.ndarray:
    """What a mask keeps, by its definition."""
    key = spread((spread(np.array([step], np.uint64)) + np.uint64(seed)) % 2**32)
    rows = spread((np.array(places, np.uint64) + key) % 2**32)
    columns = spread((spread(np.arange(channels, dtype=np.uint64)) + key) % 2**32)
    both = (rows[:, None] ^ columns) * 0x7FEB352D % 2**32
    return (both ^ both >> 15) * 0x846CA68B % 2**32 >= round(p * 2**32)


def mask(p: float, seed: int, step: int, tokens: int, channels: int, rank: int = 0) -> np.ndarray:
    """What the layer keeps, in graph mode as in training."""
    mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
    counter = mindspore.Parameter(mindspore.Tensor([step], mindspore.int32), name="step", requires_grad=False)
    layer = RepeatableDropout(p, seed, counter, rank).set_train()
    found = layer(mindspore.Tensor(np.ones((tokens, channels), np.float32))).asnumpy()
    assert set(np.unique(found)) <= {np.float32(0), np.float32(1 / (1 - p))}
    return found > 0


def test_a_mask_is_what_its_definition_says() -> None:
    for p, seed, step in ((0.2, 420_295, 0), (0.2, 420_295, 7), (0.5, 2**31 - 2, 99_999)):
        assert np.array_equal(mask(p, seed, step, 40, 64), kept(p, seed, step, range(40), 64))


def test_two_ranks_have_the_halves_of_one_s_mask() -> None:
    whole = mask(0.2, 9, 3, 40, 64)
    assert np.array_equal(np.concatenate([mask(0.2, 9, 3, 20, 64, rank) for rank in (0, 1)]), whole)


def test_masks_look_like_chance() -> None:
    """Share of values kept; correlation of rows, of channels, and of masks, against those of coin tosses."""
    p, tokens, channels = 0.2, 300, 576
    masks = [kept(p, seed, step, range(tokens), channels) for seed in (42, 43) for step in (0, 1, 2)]
    scaled = [(found - (1 - p)) / np.sqrt(p * (1 - p)) for found in masks]
    for number, one in enumerate(scaled):
        assert abs(one.mean()) * np.sqrt(one.size) < 4
        for matrix, length in ((one @ one.T, channels), (one.T @ one, tokens)):
            pairs = matrix[np.triu_indices(len(matrix), 1)] / np.sqrt(length)
            assert 0.98 < pairs.std() < 1.02
            assert np.abs(pairs).max() < 6
        for other in scaled[:number]:
            assert abs((one * other).mean()) * np.sqrt(one.size) < 4
