"""What tests of asking share: a tiny base model with checkpoints, and the stage as a command in a folder of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from abacus.profile.load import Profile, profile
from abacus.text.tokenizer import of_bytes, save
from abacus.weights.checkpoint import random_weights, save_checkpoint
from tests.workspace import ROOT, configure

BOS, EOS, PAD = 256, 257, 258
TINY = profile("tiny")


def make_model(folder: Path) -> Path:
    """Fill a folder: a base model of random weights, a checkpoint 0, and a checkpoint 1 whose adapter is random."""
    shape = TINY.llama.architecture
    weights = {k: v * np.float32(8 if v.ndim == 2 else 1) for k, v in random_weights(shape, 7).items()}
    (folder / "base").mkdir()
    save_checkpoint(folder / "base" / "model.ckpt", weights)
    (folder / "base" / "model.json").write_text(shape.model_dump_json())
    ids = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}
    save(of_bytes(BOS, EOS, PAD), ids, folder / "base")
    random = np.random.default_rng(1)
    pairs = {
        f"model.layers.{n}.attention.wq.mindpet_delta_lora_{part}": random.normal(0, 0.1, size).astype(
            np.float32
        )
        for n in range(2)
        for part, size in (("a", (8, 64)), ("b", (64, 8)))
    }
    for number, about in enumerate(
        [
            {"step": 0, "trainable_parameters": 0},
            {"step": 2, "trainable_parameters": 2048, "rank": 8, "alpha": 16},
        ]
    ):
        (folder / str(number)).mkdir()
        (folder / str(number) / "adapter.json").write_text(json.dumps(about))
    save_checkpoint(folder / "1" / "adapter.ckpt", pairs)
    return folder


def start(folder: Path, told: Profile, out: str, **changes: object) -> subprocess.Popen[str]:
    """Start stage predict for checkpoint 1 in the folder, as a profile has it; `changes` are other options."""
    options = {
        "profile": configure(folder / f"profile-{out}", told),
        "base": "base",
        "adapter": "1",
        "math": "math.jsonl",
        "squad": ROOT / "data/reading/reading-v1.1.json",
        "params": "params.yaml",
        "out": out,
    } | changes
    return subprocess.Popen(
        [sys.executable, "-m", "stages.predict", *(f"--{key}={value}" for key, value in options.items())],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
