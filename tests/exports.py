"""What tests of exports share: a workspace of a tiny model whose tokenizer has merges, with one checkpoint and its rows."""

import contextlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import yaml

from abacus.formats import huggingface
from abacus.formats.vocabulary import SMOLLM
from abacus.neighbours import data
from abacus.profile import load
from abacus.text import tokenizer
from abacus.text.tokenizer import byte_alphabet, byte_level
from abacus.weights.architecture import Weights
from abacus.weights.checkpoint import load_checkpoint, random_weights, save_checkpoint
from tests.workspace import ROOT

IDS = {"bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 258}
VOCABULARY = 300  # rows of the embedding: more than there are tokens
PROBLEMS = [
    ("计算 967.09 - -688.16 等于多少？", "967.09 - -688.16 = 1655.25"),
    ("解方程 -39x + 20 = 0", "方程的解为：0.5128205128205128"),
    ("将分数 6/8 进行简化。", "最简化的形式为：3/4"),
]
TRAIN = [
    ("计算 1.00 + 2.00 等于多少？", "计算过程：1.00 + 2.00 = 3"),
    ("一个长方形的长为 87 厘米，宽为 4 厘米，请计算其面积。", "计算过程：87 * 4 = 348"),
    (PROBLEMS[1][0], "计算过程：-39x = -20, x = -20 / -39, x = 0.5128"),  # the evaluation asks it
    ("It's a   test of 12 e\u0301?", "计算过程：12"),
]
TEXTS = ["", *(text for pair in PROBLEMS + TRAIN for text in pair), "a\n\n b  12345 it's", "🙂 \\frac{1}{2}"]


def merging() -> object:
    """A tokenizer of bytes that cuts as SmolLM2's does and merges what arithmetic in Chinese says often."""
    alphabet = byte_alphabet()
    tokens, merges = [*alphabet, "<|bos|>", "<|eos|>", "<|pad|>"], []
    for word in ("计算", "过程", "：", "等于", "？", " =", " the"):
        parts = [alphabet[byte] for byte in word.encode()]
        for end in range(2, len(parts) + 1):
            pair = ("".join(parts[: end - 1]), parts[end - 1])
            if "".join(pair) not in tokens:
                tokens.append("".join(pair))
                merges.append(pair)
    return byte_level(tokens, merges, ["<|bos|>", "<|eos|>", "<|pad|>"], SMOLLM)


def lora_weights(shape, seed: int = 5) -> Weights:
    """An adapter of rank 8 on wq and wv that moves the logits well."""
    source = np.random.default_rng(seed)
    rows = {"wq": shape.hidden_size, "wv": shape.head_size * shape.n_kv_heads}
    return {
        f"model.layers.{number}.attention.{target}.mindpet_delta_lora_{part}": (
            source.standard_normal((8, shape.hidden_size) if part == "a" else (rows[target], 8)) / 8
        ).astype(np.float32)
        for number in range(shape.num_layers)
        for target in rows
        for part in "ab"
    }


def workspace(
    folder: Path, *, template: str = "bare", bos: bool = False, seq_length: int = 255
) -> load.Profile:
    """Fill a folder: the profile `small`, data/base, checkpoints 0 and 3, rows and held-out problems; return the profile."""
    (folder / "profiles").mkdir(parents=True)
    shutil.copy(ROOT / "profiles" / "base.yaml", folder / "profiles")
    document = yaml.safe_load((ROOT / "profiles" / "tiny.yaml").read_text(encoding="utf-8"))
    document["model"]["model_config"]["vocab_size"] = VOCABULARY
    prompt = {"template": template, "bos": bos, "reading": "one_shot", "seq_length": seq_length}
    document["abacus"]["prompt"] = prompt
    (folder / "profiles" / "small.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params |= {"profile": "small", "checkpoints": [0, 1, 2, 3]}
    params["predict"] |= {"math_limit": 3, "squad_limit": 4}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    profile = load.profile("small", folder / "profiles")
    shape = profile.llama.architecture
    base = folder / "data" / "base"
    base.mkdir(parents=True)
    weights = random_weights(shape, 7)
    # Logits of a random model are nearly alike: its embedding is made to tell tokens apart.
    save_checkpoint(
        base / "model.ckpt", {name: array * (1 if array.ndim == 1 else 4) for name, array in weights.items()}
    )
    (base / "model.json").write_text(json.dumps(shape.model_dump()), encoding="utf-8")
    tokenizer.save(merging(), IDS, base)
    for number, about in (
        (0, {"step": 0, "trainable_parameters": 0}),
        (3, {"step": 6, "trainable_parameters": 3584}),
    ):
        place = folder / "checkpoints" / str(number)
        place.mkdir(parents=True)
        numbers = {"rank": 8, "alpha": 16, "dropout": 0.2} if number else {}
        (place / "adapter.json").write_text(json.dumps(about | numbers), encoding="utf-8")
    save_checkpoint(folder / "checkpoints" / "3" / "adapter.ckpt", lora_weights(shape))
    shutil.copytree(ROOT / "data" / "reading", folder / "data" / "reading")
    rows = [{"problem": problem, "solution": solution} for problem, solution in PROBLEMS]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "data" / "math-test.jsonl").write_text(text, encoding="utf-8")
    turns = [
        {"id": str(n), "conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]}
        for n, (asked, said) in enumerate(TRAIN, 1)
    ]
    (folder / "data" / "train-v2-conversation.json").write_text(json.dumps(turns), encoding="utf-8")
    return profile


def written_for_others(folder: Path, made: load.Profile) -> None:
    """Write a workspace's base model as a Hugging Face directory, `base`, and its data, `exported`."""
    base = folder / "data/base"
    huggingface.write(folder / "base", made.llama.architecture, load_checkpoint(base / "model.ckpt"), base)
    with contextlib.chdir(folder):
        data.write(folder / "exported", made, base, "exports/0/huggingface")


def peers() -> Path | None:
    """The interpreter with torch, transformers, peft and datasets that `make bench` sets up, or another that is named."""
    path = Path(os.environ.get("ABACUS_TORCH_PYTHON") or ROOT / ".venv-peers/bin/python")
    return path if path.is_file() else None
