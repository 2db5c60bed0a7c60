"""Training where memory or disk is short, where it is told to stop, and on a processor of another kind."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from abacus.weights.checkpoint import load_checkpoint
from tests.training import ROOT, command, files, history, make_inputs, start

GIGABYTE = 1 << 30


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stage reads, and what an earlier run has left."""
    folder = make_inputs(tmp_path_factory.mktemp("faults"))
    done = command(folder, "checkpoints", "first.log")
    assert done.returncode == 0, done.stderr
    return folder


def last_line(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_no_memory_is_one_line(inputs: Path) -> None:
    """A process that may have three gigabytes of addresses: MindSpore starts, but cannot set aside what it needs."""
    before = files(inputs / "checkpoints")
    words = "--train profile/train.yaml --base base --mindrecord train.mindrecord --out checkpoints"
    done = subprocess.run(
        [sys.executable, "-m", "stages.finetune", *words.split(), "--log", "logs/memory.log"],
        cwd=inputs,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 * GIGABYTE, 3 * GIGABYTE)),
    )
    line = last_line(done)
    assert line.startswith("error: there is not enough memory (")
    assert line.endswith("all that was said before: logs/memory.log")
    assert files(inputs / "checkpoints") == before


def test_a_disk_that_is_too_small_is_seen_before_training(inputs: Path, disk: Path) -> None:
    before = files(inputs / "checkpoints")
    (disk / "filler").write_bytes(bytes(20 * 2**20 - 100_000))
    done = command(inputs, "checkpoints", "disk.log", "--scratch", str(disk / "scratch"))
    assert last_line(done).startswith(f"error: {disk / 'scratch'}: ")
    assert "bytes are free on its disk, expected 286,720" in last_line(
        done
    )  # 5 checkpoints, 4 x 3 584 x 4 bytes each
    assert "compiling" not in done.stderr
    assert files(inputs / "checkpoints") == before


@pytest.mark.slow
def test_a_disk_that_fills_up_while_training_is_one_line(inputs: Path, disk: Path) -> None:
    """Room is there when it is looked for, and gone when the first checkpoint is saved."""
    before = files(inputs / "checkpoints")
    process = start(inputs, "checkpoints", "--log", "logs/full.log", "--scratch", str(disk / "scratch"))
    end = time.monotonic() + 60
    while not list(disk.glob("scratch/*/steps.csv")) and time.monotonic() < end:
        time.sleep(0.01)
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    said = process.communicate()[1]
    done = subprocess.CompletedProcess(process.args, process.returncode, "", said)
    assert last_line(done).startswith("error: ")
    assert "No space left on device" in last_line(done)
    assert files(inputs / "checkpoints") == before
    (disk / "filler").unlink()
    done = command(inputs, "checkpoints", "room.log", "--scratch", str(disk / "scratch"))
    assert done.returncode == 0, done.stderr
    assert files(inputs / "checkpoints") == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_training_cleanly(inputs: Path, number: signal.Signals) -> None:
    shutil.rmtree(inputs / ".scratch", ignore_errors=True)
    process = start(inputs, "never")
    end = time.monotonic() + 60
    while not list(inputs.glob(".scratch/finetune/*/steps.csv")) and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    # MindSpore's data pipeline has a handler of its own for SIGINT, after which the signal is the process's end.
    assert process.returncode in (-number, 128 + number)
    assert "Traceback" not in said
    assert not (inputs / "never").exists()


@pytest.mark.slow
def test_another_kind_of_processor_learns_the_same_to_rounding(inputs: Path) -> None:
    """oneDNN, told that there are no instructions after SSE4.1, adds in another order: other bytes, the same losses."""
    before = os.environ.get("DNNL_MAX_CPU_ISA")
    os.environ["DNNL_MAX_CPU_ISA"] = "SSE41"
    try:
        done = command(inputs, "older", "older.log")
    finally:
        os.environ.pop("DNNL_MAX_CPU_ISA") if before is None else os.environ.update(DNNL_MAX_CPU_ISA=before)
    assert done.returncode == 0, done.stderr
    here, there = inputs / "checkpoints", inputs / "older"
    for key in ("step", "loss", "learning_rate"):
        assert [row[key] for row in history(there)] == pytest.approx(
            [row[key] for row in history(here)], rel=1e-6
        )
    ours, theirs = (load_checkpoint(folder / "5" / "adapter.ckpt") for folder in (here, there))
    for name, array in ours.items():
        if "wv" in name:  # the gradients of wq are noise in a model of random weights, and Adam enlarges it
            assert np.abs(theirs[name] - array).max() < 0.01 * np.abs(array).max(), name
