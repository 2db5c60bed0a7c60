"""What tests of training share: a base model of random weights, rows, and the stage as a command."""

import csv
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from abacus.profile import concerns, load
from abacus.training.configuration import Training, training_from, training_of
from abacus.training.progress import STEPS, read_steps
from abacus.weights.checkpoint import random_weights, save_checkpoint

ROOT = Path(__file__).parent.parent
PROFILES = ROOT / "profiles"
TINY = load.profile("tiny", PROFILES)
MODEL = TINY.llama
LENGTH = TINY.prompt.seq_length + 1
TRAINING = training_of(TINY, checkpoints=5, steps_per_checkpoint=2, seed=42)


def rows(number: int) -> list[dict[str, np.ndarray]]:
    """Rows whose second half of the text is learned, as `mindrecord` would write them."""
    source = np.random.default_rng(3)
    made = []
    for _ in range(number):
        size = int(source.integers(20, LENGTH - 1))
        ids = np.full(LENGTH, MODEL.pad_token_id, np.int32)
        ids[:size] = source.integers(32, 127, size)
        ids[size] = MODEL.eos_token_id
        labels = np.full(LENGTH, -100, np.int32)
        labels[size // 2 : size + 1] = ids[size // 2 : size + 1]
        made.append({"input_ids": ids, "labels": labels})
    return made


def write_mindrecord(path: Path, data: list[dict[str, np.ndarray]]) -> None:
    from mindspore.mindrecord import FileWriter

    writer = FileWriter(str(path), shard_num=1)
    field = {"type": "int32", "shape": [-1]}
    writer.add_schema(dict.fromkeys(data[0], field), "rows")
    writer.write_raw_data(data)
    writer.commit()


def start(folder: Path, out: str, *more: str) -> subprocess.Popen:
    """Start the stage in a process of its own, from `folder`; what it says is text in pipes."""
    words = f"--train profile/train.yaml --base base --mindrecord train.mindrecord --out {out}"
    return subprocess.Popen(
        [sys.executable, "-m", "stages.finetune", *words.split(), *more],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(folder: Path, out: str, log: str, *more: str) -> subprocess.CompletedProcess:
    """Run the stage to its end."""
    process = start(folder, out, "--log", f"logs/{log}", *more)
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def steps_done(folder: Path) -> int:
    """Steps that the run in the scratch folder has recorded."""
    return max((len(read_steps(path)) for path in folder.glob(f".scratch/finetune/*/{STEPS}")), default=0)


def kill_after(folder: Path, out: str, step: int, *more: str, wait: float = 0.0) -> None:
    """Start the stage and kill it when `step` is recorded, `wait` seconds later."""
    process = start(folder, out, *more)
    while steps_done(folder) < step and process.poll() is None:
        time.sleep(0.002)
    time.sleep(wait)
    process.kill()
    process.communicate()


# The words of a stage that is seen while it runs: what tests of the same bytes run with, against runs without them.
SEEN = ("--live", "profile/live.yaml", "--figures", "dvclive", "--summary", "training.json")


def figures(folder: Path, name: str) -> list[tuple[int, float]]:
    """Step and value of a figure that was seen of a training."""
    with (folder / "dvclive" / "plots" / "metrics" / f"{name}.tsv").open(encoding="utf-8") as file:
        return [(int(row["step"]), float(row[name])) for row in csv.DictReader(file, delimiter="\t")]


def write_training(folder: Path, training: Training, name: Path = concerns.TRAIN) -> None:
    """Write what stage configure says of a training into the folder `profile`."""
    live = {"dvclive": True, "tensorboard": True}
    concerns.write(folder / "profile", {name: training.document(), concerns.LIVE: live})


def changed(**sections: dict[str, Any]) -> Training:
    """The tiny training with keys of MindFormers' sections, or of `settings`, changed."""
    settings = TRAINING.settings.model_copy(update=sections.pop("settings", {}))
    document = {"abacus": settings.model_dump(), **load.merge(TRAINING.framework, sections)}
    return training_from(document, "tiny")


def make_inputs(folder: Path) -> Path:
    """Fill a folder: a base model of random weights, 18 rows (4 steps an epoch), and what the tiny profile says."""
    (folder / "base").mkdir()
    save_checkpoint(folder / "base" / "model.ckpt", random_weights(MODEL.architecture, 7))
    (folder / "base" / "model.json").write_text(json.dumps(MODEL.architecture.model_dump()))
    write_mindrecord(folder / "train.mindrecord", rows(18))
    write_training(folder, TRAINING)
    return folder


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def history(folder: Path) -> list[dict[str, float]]:
    with (folder / "training.csv").open(encoding="utf-8") as file:
        return [{key: float(text) for key, text in row.items()} for row in csv.DictReader(file)]


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
