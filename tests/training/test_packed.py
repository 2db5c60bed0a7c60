"""Rows that share sequences learn what they learn alone: the same loss and gradients, on one rank and on two.

So they do a layer at a time, by the step of the default profile, and in MindSpore's one graph.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abacus.core.documents import read_yaml
from abacus.profile import load
from abacus.profile.load import Profile
from abacus.profile.model import LAYERWISE
from abacus.text.encode import Encoded
from abacus.text.packing import OPEN, pack, packed
from abacus.text.prompt import IGNORED
from abacus.training.configuration import PACKED, Training, training_of
from abacus.weights.checkpoint import load_checkpoint
from tests.llama import logits
from tests.training import (
    LENGTH,
    MODEL,
    PROFILES,
    changed,
    command,
    files,
    free_port,
    history,
    kill_after,
    make_inputs,
    rows,
    write_mindrecord,
    write_training,
)

MATRICES = ("wq", "wk", "wv", "wo", "w1", "w2", "w3")
SEQUENCE, LEARNED = 2 * LENGTH, LENGTH  # two of the rows fit, whichever they are


def encoded(row: dict[str, np.ndarray]) -> Encoded:
    """A row without its padding."""
    size = int((row["input_ids"] != MODEL.pad_token_id).sum())
    ids, begin = row["input_ids"][:size].tolist(), int((row["labels"][:size] == IGNORED).sum())
    return Encoded(ids[:begin], ids[begin:])


def in_pairs() -> Iterator[dict[str, np.ndarray]]:
    """The rows of the tests of training, two in a sequence, in their order."""
    every = [encoded(row) for row in rows(18)]
    for start in range(0, len(every), 2):
        (both,) = pack(every[start : start + 2], SEQUENCE, LEARNED)
        yield packed(both, SEQUENCE, LEARNED, MODEL.pad_token_id)


def training(packing: bool, lora: dict[str, object] | None = None, **more: object) -> Training:
    """Four rows a step, alone in one graph, or in two sequences and a layer at a time; without dropout by default."""
    settings = {"seq_length": SEQUENCE, "learned": LEARNED, "batch_rows": 2} if packing else {}
    settings |= more.pop("settings", {})
    adapter = {"model_config": {"pet_config": lora or {"lora_dropout": 0.0}}}
    sections: dict[str, object] = {"model": adapter}
    if packing:
        sections = PACKED | {"model": PACKED["model"] | adapter, "runner_wrapper": {"type": LAYERWISE}}
    return changed(settings=settings, **sections | more)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_inputs(tmp_path_factory.mktemp("packed"))
    write_mindrecord(folder / "packed.mindrecord", list(in_pairs()))
    write_training(folder, training(False), Path("alone.yaml"))
    write_training(folder, training(True), Path("packed.yaml"))
    return folder


def trained(inputs: Path, out: str, profile: str = "packed", data: str = "packed") -> Path:
    words = ("--train", f"profile/{profile}.yaml", "--mindrecord", f"{data}.mindrecord")
    done = command(inputs, out, f"{out}.log", *words)
    assert done.returncode == 0, done.stderr
    return inputs / out


@pytest.fixture(scope="module")
def first(inputs: Path) -> Path:
    return trained(inputs, "packed")


def test_the_first_loss_is_that_of_the_rows_alone(inputs: Path, first: Path) -> None:
    """By the Llama in NumPy, in float64: the mean over what is learned, each row by itself."""
    base = load_checkpoint(inputs / "base" / "model.ckpt")
    losses = []
    for row in map(encoded, rows(4)):
        scores = logits(MODEL.architecture, base, np.array((row.asked + row.learned)[:-1]))[
            len(row.asked) - 1 :
        ]
        norms = np.log(np.exp(scores - scores.max(-1, keepdims=True)).sum(-1)) + scores.max(-1)
        losses.append(norms - scores[np.arange(len(row.learned)), row.learned])
    assert history(first)[0]["loss"] == pytest.approx(np.concatenate(losses).mean(), rel=1e-6)


def test_gradients_are_those_of_the_rows_alone(inputs: Path, first: Path) -> None:
    """Ten steps of the same four rows each, alone and packed: losses and adapters differ by rounding."""
    alone = trained(inputs, "alone", "alone", "train")
    one, other = ([row["loss"] for row in history(folder)] for folder in (alone, first))
    assert other == pytest.approx(one, rel=1e-5)
    weights = [load_checkpoint(folder / "5" / "adapter.ckpt") for folder in (alone, first)]
    for name, array in weights[0].items():
        if "wv" in name:  # the gradients of wq are noise in a model of random weights, and Adam enlarges it
            assert np.abs(weights[1][name] - array).max() < 0.01 * np.abs(array).max(), name


@pytest.mark.slow
def test_a_layer_at_a_time_is_as_the_whole_model(inputs: Path) -> None:
    """LoRA on every matrix, without dropout: what MindSpore's own gradients do in its one graph."""
    lora = {"lora_dropout": 0.0, "target_modules": "|".join(f".*{name}" for name in MATRICES)}
    folders = []
    for name in (LAYERWISE, "PortableTrainOneStepCell"):
        write_training(inputs, training(True, lora, runner_wrapper={"type": name}), Path(f"{name}.yaml"))
        folders.append(trained(inputs, name, name))
    one, other = ([row["loss"] for row in history(folder)] for folder in folders)
    assert one == pytest.approx(other, rel=1e-5)
    weights = [load_checkpoint(folder / "5" / "adapter.ckpt") for folder in folders]
    assert len(weights[0]) == 2 * 2 * 7 and list(weights[0]) == list(weights[1])
    for name, array in weights[0].items():
        if "wq" not in name and "wk" not in name:  # whose gradients are noise in a model of random weights
            assert np.abs(weights[1][name] - array).max() < 0.01 * np.abs(array).max(), name


@pytest.mark.slow
def test_a_killed_run_goes_on_and_two_ranks_learn_the_same(inputs: Path, first: Path) -> None:
    words = ("--train", "profile/packed.yaml", "--mindrecord", "packed.mindrecord")
    kill_after(inputs, "killed", 5, *words)
    assert files(trained(inputs, "killed")) == files(first)
    there = training(True).settings.launch.model_copy(update={"port": free_port()})
    two = training(True, settings={"launch": there}, use_parallel=True, parallel_config={"data_parallel": 2})
    write_training(inputs, two, Path("two.yaml"))
    losses = [[row["loss"] for row in history(folder)] for folder in (first, trained(inputs, "two", "two"))]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


def test_rows_that_are_not_packed_are_refused(inputs: Path) -> None:
    done = command(inputs, "no", "no.log", "--train", "profile/packed.yaml")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: train.mindrecord: fields input_ids, labels, expected input_ids and rows and places and targets"
    )


# What the profile tiny has otherwise than Llama-3-8B on NPUs because of its shape and of a CPU's kernels.
SHAPE = {
    key: value
    for key, value in read_yaml(PROFILES / "tiny.yaml")["model"]["model_config"].items()
    if key != "pet_config"
}
ON_A_CPU: dict[str, Any] = {
    "model": {"model_config": SHAPE},
    "context": {"device_target": "CPU", "max_device_memory": None},
    "runner_config": {"sink_mode": False},
    "runner_wrapper": {"type": "PortableTrainOneStepCell"},
}


def small_8b(ranks: int) -> Profile:
    """llama3-8b-packed of the tiny shape, on CPU ranks: the rest is its own."""
    ours = {"launch": {"port": free_port()}}
    own = {"use_parallel": ranks > 1, "parallel_config": {"data_parallel": ranks}, "abacus": ours}
    document = read_yaml(PROFILES / load.BASE)
    for over in (load.overlay(PROFILES / "llama3-8b-packed.yaml"), ON_A_CPU, own):
        document = load.merge(document, over)
    return load.parsed(document, "packed", "packed")


@pytest.mark.slow
def test_two_ranks_train_llama3_8b_packed_as_one_does(inputs: Path) -> None:
    """Its sequences, LoRA and dropout, schedule and data parallel, in one graph; no bfloat16 and no flash attention."""
    prompt = small_8b(1).prompt
    length, most = prompt.seq_length, prompt.packing.learned
    every = [
        packed(one, length, most, MODEL.pad_token_id) for one in pack(map(encoded, rows(80)), length, most)
    ]
    assert (length, len(every) >= 8) == (1152, True)
    write_mindrecord(inputs / "8b.mindrecord", every)
    losses = []
    for ranks in (1, 2):
        run = training_of(small_8b(ranks), checkpoints=2, steps_per_checkpoint=2, seed=42)
        assert (run.ranks, run.settings.batch_rows) == (ranks, 4)
        write_training(inputs, run, Path(f"8b-{ranks}.yaml"))
        losses.append([row["loss"] for row in history(trained(inputs, f"8b-{ranks}", f"8b-{ranks}", "8b"))])
    assert len(losses[0]) == 4 and np.isfinite(losses[0]).all()
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


LENGTHS = st.tuples(st.integers(1, 20), st.integers(1, 12))


@given(st.lists(LENGTHS, max_size=80))
def test_every_row_lies_whole_in_one_sequence(lengths: list[tuple[int, int]]) -> None:
    """Numbered tokens: what comes out of the arrays is what went in, nothing more, and no limit is passed."""
    every, token = [], 1
    for asked, answered in lengths:
        ids = list(range(token, token := token + asked + answered))
        every.append(Encoded(ids[:asked], ids[asked:]))
    found = []
    for sequence in pack(every, 40, 20):
        assert sequence.taken <= 40 and sequence.learned <= 20
        part = packed(sequence, 40, 20, pad=0)
        assert [array.shape for array in part.values()] == [(40,), (40,), (20,), (20,)]
        assert all(array.dtype == np.int32 for array in part.values())
        targets = part["targets"] != IGNORED
        learned = dict(zip(part["places"][targets].tolist(), part["targets"][targets].tolist(), strict=True))
        for number in range(1, part["rows"].max() + 1):
            (places,) = np.nonzero(part["rows"] == number)
            ids = part["input_ids"][places].tolist()
            labels = [learned.pop(place) for place in places.tolist() if place in learned]
            begin = len(ids) + 1 - len(labels)
            assert ids[begin:] == labels[:-1], "the last token is a target alone"
            found.append(Encoded(ids[:begin], labels))
        assert not learned and (part["input_ids"][part["rows"] == 0] == 0).all()
    assert sorted(found) == sorted(every)


def test_the_order_is_nearly_kept() -> None:
    """A row goes no further back than to the last OPEN sequences, so that an easy beginning stays one."""
    every = [Encoded([n], [n] * (4 + n % 7)) for n in range(1000)]
    begun = [sequence.rows[0].asked[0] for sequence in pack(every, 24, 24)]
    assert begun == sorted(begun)
    for at, sequence in enumerate(pack(every, 24, 24)):
        later = begun[at + OPEN] if at + OPEN < len(begun) else len(every)
        assert all(row.asked[0] < later for row in sequence.rows)
