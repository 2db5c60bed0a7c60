"""A tiny model for tests that is never fine-tuned: a base model of random weights and two checkpoints of it."""

import json
from pathlib import Path

import numpy as np

from abacus.profile.load import profile
from abacus.text.tokenizer import of_bytes, save
from abacus.weights.architecture import Weights

BOS, EOS, PAD = 256, 257, 258
TINY = profile("tiny")
ABOUT = {
    "0": {"step": 0, "trainable_parameters": 0},
    "1": {"step": 2, "trainable_parameters": 2048, "rank": 8, "alpha": 16},
}


def pairs(seed: int = 1) -> Weights:
    """LoRA's matrices of the tiny profile's shape, large enough to change what the model says."""
    random = np.random.default_rng(seed)
    sizes = {"a": (8, TINY.llama.architecture.hidden_size), "b": (TINY.llama.architecture.hidden_size, 8)}
    return {
        f"model.layers.{n}.attention.wq.mindpet_delta_lora_{part}": random.normal(0, 0.1, size).astype(
            np.float32
        )
        for n in range(TINY.llama.architecture.num_layers)
        for part, size in sizes.items()
    }


def write_model(base: Path, checkpoints: Path) -> None:
    """Write the base model to the folder `base`, and the checkpoints 0 and 1 below the folder `checkpoints`."""
    from abacus.weights.checkpoint import random_weights, save_checkpoint

    shape = TINY.llama.architecture
    weights = {k: v * np.float32(8 if v.ndim == 2 else 1) for k, v in random_weights(shape, 7).items()}
    base.mkdir(parents=True)
    save_checkpoint(base / "model.ckpt", weights)
    (base / "model.json").write_text(shape.model_dump_json())
    save(of_bytes(BOS, EOS, PAD), {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}, base)
    for number, about in ABOUT.items():
        (checkpoints / number).mkdir(parents=True)
        (checkpoints / number / "adapter.json").write_text(json.dumps(about))
    save_checkpoint(checkpoints / "1" / "adapter.ckpt", pairs())
