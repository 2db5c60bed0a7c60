"""Several ranks: two real ones train as one does, and none outlives the run, however that ends."""

import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from abacus.core import ranks
from abacus.core.errors import InputError
from abacus.profile import load
from abacus.training import launch
from abacus.training.configuration import Training, read_training, training_from, training_of
from abacus.training.progress import STEPS, read_steps
from abacus.weights.checkpoint import load_checkpoint, save_checkpoint
from tests.ranks import ranks_of, waited
from tests.training import (
    SEEN,
    TRAINING,
    changed,
    command,
    figures,
    files,
    free_port,
    history,
    make_inputs,
    start,
    write_training,
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stage reads, and the tiny profile with the same batch on two ranks, as `profile/two.yaml`."""
    folder = make_inputs(tmp_path_factory.mktemp("ranks"))
    there = TRAINING.settings.launch.model_copy(update={"port": free_port()})
    two = changed(use_parallel=True, parallel_config={"data_parallel": 2}, settings={"launch": there})
    write_training(folder, two, Path("two.yaml"))
    return folder


@pytest.fixture(scope="module")
def two(inputs: Path) -> Path:
    """The checkpoints of a run on two ranks; its scratch folder was looked at before it was cleared."""
    process = start(inputs, "two", "--train", "profile/two.yaml", *SEEN)
    seen: set[str] = set()
    while process.poll() is None:
        with suppress(FileNotFoundError):  # cleared meanwhile
            found = inputs.glob(".scratch/finetune/*/*/*/*.ckpt")
            seen |= {f"{path.parent.name}/{path.name}" for path in found}
        time.sleep(0.1)
    said = process.stderr.read()
    assert process.returncode == 0, said
    assert "10/10" in said
    assert "mindspore" not in said.lower()
    (inputs / "seen.txt").write_text("\n".join(sorted(seen)))
    return inputs / "two"


def test_two_ranks_learn_what_one_does(inputs: Path, two: Path) -> None:
    """The same rows, masks and mean over tokens a step: losses differ by rounding alone."""
    done = command(inputs, "one", "one.log")
    assert done.returncode == 0, done.stderr
    one_rank, two_ranks = history(inputs / "one"), history(two)
    assert len(one_rank) == 10
    for key in ("step", "loss", "learning_rate"):
        assert [row[key] for row in two_ranks] == pytest.approx([row[key] for row in one_rank], rel=1e-6)
    adapters = [load_checkpoint(folder / "5" / "adapter.ckpt") for folder in (inputs / "one", two)]
    for name, array in adapters[0].items():
        if "wv" in name:  # the gradients of wq are noise in a model of random weights, and Adam enlarges it
            assert np.abs(adapters[1][name] - array).max() < 0.01 * np.abs(array).max(), name


def test_one_rank_alone_writes_what_is_seen(inputs: Path, two: Path) -> None:
    assert figures(inputs, "loss") == [(row["step"], row["loss"]) for row in history(two)]
    assert len(list((inputs / "dvclive" / "tensorboard").iterdir())) == 1


def test_each_rank_has_its_folder(inputs: Path, two: Path) -> None:
    seen = (inputs / "seen.txt").read_text().split("\n")
    names = TRAINING.checkpoint_files(18).values()
    for rank in (0, 1):
        for name in names:
            assert f"rank_{rank}/{name.replace('_rank_0', f'_rank_{rank}')}" in seen
    assert sorted(files(two)) == sorted(
        ["config.yaml", "training.csv", "0/adapter.json"]
        + [f"{number}/adapter.{kind}" for number in range(1, 6) for kind in ("ckpt", "json")]
    )


@pytest.mark.slow
def test_weights_are_equal_over_ranks_and_runs_repeat(inputs: Path, two: Path) -> None:
    """A second run, whose ranks' own files are caught before the scratch folder is cleared."""
    kept: dict[tuple[str, int], bytes] = {}
    process = start(inputs, "again", "--train", "profile/two.yaml")
    while process.poll() is None:
        for path in inputs.glob(".scratch/finetune/*/checkpoint_trainable/rank_*/*.ckpt"):
            rank = int(path.parent.name[-1])
            try:
                kept[re.sub(r"_rank_\d", "", path.name), rank] = path.read_bytes()
            except FileNotFoundError:  # cleared meanwhile
                continue
        time.sleep(0.05)
    assert process.returncode == 0, process.stderr.read()
    names = {name for name, _ in kept}
    assert len(names) == 5
    compared = [(kept[name, 0], kept[name, 1]) for name in names if {(name, 0), (name, 1)} <= set(kept)]
    assert len(compared) >= 4, "the last pair may be cleared before it is seen whole"
    assert all(first == second for first, second in compared[:4])
    assert files(inputs / "again") == files(two)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(inputs: Path, two: Path) -> None:
    process = start(inputs, "killed", "--train", "profile/two.yaml")
    scratch = inputs / ".scratch" / "finetune"
    assert waited(lambda: any(len(read_steps(path)) >= 5 for path in scratch.glob(f"*/{STEPS}")))
    process.kill()
    process.communicate()
    assert waited(lambda: not ranks_of(inputs), 10)
    done = command(inputs, "killed", "killed.log", "--train", "profile/two.yaml")
    assert done.returncode == 0, done.stderr
    assert re.search("going on after step [468], ", done.stderr)
    assert files(inputs / "killed") == files(two)


@pytest.fixture
def running(inputs: Path) -> Iterator:
    """A run on two ranks that is at its first step, or about to be."""
    process = start(inputs, "never", "--train", "profile/two.yaml")
    assert waited(lambda: len(list(inputs.glob(".scratch/finetune/*/rank_*.pid"))) == 2)
    assert waited(lambda: len(ranks_of(inputs)) == 3)
    yield process
    process.kill()
    process.communicate()
    assert waited(lambda: not ranks_of(inputs), 10)


def test_a_rank_that_dies_ends_the_stage(inputs: Path, running) -> None:
    pid = int(next(inputs.glob(".scratch/finetune/*/rank_1.pid")).read_text())
    os.kill(pid, signal.SIGKILL)
    said = running.communicate(timeout=120)[1].strip().splitlines()
    assert running.returncode == 1
    assert said[-1] == "error: rank 1 was killed by SIGKILL; its log: logs/finetune/worker_1.log"
    assert not ranks_of(inputs)
    assert not (inputs / "never").exists()


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGTERM, signal.SIGINT))],
)
def test_no_rank_outlives_the_stage(inputs: Path, running, number: signal.Signals) -> None:
    running.send_signal(number)
    running.communicate(timeout=30)
    assert running.returncode in (-number, 128 + number)
    assert waited(lambda: not ranks_of(inputs), 10)
    assert not (inputs / "never").exists()


@pytest.mark.slow
def test_a_rank_s_own_error_is_the_stage_s(inputs: Path) -> None:
    """A base model with a value that is no number has no loss."""
    shutil.copytree(inputs / "base", inputs / "damaged")
    weights = load_checkpoint(inputs / "base" / "model.ckpt")
    weights["model.norm_out.weight"] = np.full_like(weights["model.norm_out.weight"], np.nan)
    save_checkpoint(inputs / "damaged" / "model.ckpt", weights)
    done = command(inputs, "no", "nan.log", "--train", "profile/two.yaml", "--base", "damaged")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert re.match(r"error: rank [01]: step 1 of 10: the loss is nan, expected a finite number", last)
    assert not ranks_of(inputs)
    assert not (inputs / "no").exists()


def test_a_taken_port_is_named(inputs: Path) -> None:
    port = read_training(inputs / "profile" / "two.yaml").settings.launch.port
    with socket.socket() as taken:
        taken.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # of the runs before, which have just ended
        taken.bind(("127.0.0.1", port))
        taken.listen()
        done = command(inputs, "no", "port.log", "--train", "profile/two.yaml")
    assert done.returncode == 1
    assert f"abacus.launch: 127.0.0.1:{port} cannot be used" in done.stderr.splitlines()[-1]


def reference(data_parallel: int = 1, **settings: object) -> Training:
    """The training of the reference run, on more ranks or hosts if asked."""
    profile = load.profile("llama3-8b")
    training = training_of(profile, checkpoints=5, steps_per_checkpoint=1562, seed=42)
    document = load.merge(training.document(), {"parallel_config": {"data_parallel": data_parallel}})
    return training_from(load.merge(document, {"abacus": settings}), "llama3-8b")


def test_the_command_of_the_reference() -> None:
    assert ranks.shown(launch.ranks_of(reference()).command()) == (
        "msrun --worker_num=4 --local_worker_num=4 --master_addr=127.0.0.1 --master_port=8118 "
        "--log_dir=logs/finetune --join=True python -m abacus.training.rank .scratch/finetune/run.yaml"
    )


def test_the_command_of_several_hosts() -> None:
    hosts = {"hosts": 2, "scheduler": "10.0.0.7", "port": 9000}
    several = launch.ranks_of(reference(data_parallel=2, launch=hosts))
    assert several.command(host=1)[:7] == [
        *("msrun", "--worker_num=8", "--local_worker_num=4", "--master_addr=10.0.0.7"),
        *("--master_port=9000", "--node_rank=1", "--log_dir=logs/finetune"),
    ]
    assert several.command(host=0)[5] == "--node_rank=0"
    with pytest.raises(InputError, match="host 2"):
        several.command(host=2)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("chatter\nerror: too bad\nmore", "too bad"),
        ("Traceback\nValueError: wrong shape\n", "ValueError: wrong shape; its log: "),
        (
            "RuntimeError: \n------\n- Kernel select failed:\n-----\nUnsupported op [X]\n",
            "Unsupported op [X]",
        ),
        ("", "it said nothing; its log: "),
    ],
)
def test_the_last_words_of_a_rank(tmp_path: Path, log: str, said: str) -> None:
    (tmp_path / "worker_0.log").write_text(log)
    assert ranks.last_words(tmp_path / "worker_0.log").startswith(said)
