"""Base model: the profile's pinned model, or your own, converted with its tokenizer into one folder.

python -m stages.base --profile smollm2-135m --source data/models/smollm2-135m --out data/base
"""

import argparse
import math
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import tokenizers

from stages.command import InputError, check_room, replacing, run, write_json
from stages.model import gguf, source, tokenizer, vocabulary
from stages.model.config import profile
from stages.model.quiet import framework_log
from stages.model.weights import (
    EMBEDDING,
    HEAD,
    SIZES,
    Shape,
    Weights,
    check,
    expected,
    number_type,
    random_weights,
    save_checkpoint,
    shape_of,
)
from stages.model.wheel import member_file

OWN = Path("data/models")


def main() -> None:
    """Write model.ckpt, model.json, tokenizer.json and tokenizer_config.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--profile", required=True, help="a profile of stages/model/profiles")
    parser.add_argument("--source", type=Path, help="folder of your own model (data/models/PROFILE)")
    parser.add_argument("--out", type=Path, required=True, help="folder for model and tokenizer")
    parser.add_argument("--cache", type=Path, default=Path(".cache/wheels"), help="downloaded wheels")
    parser.add_argument("--log", type=Path, default=Path("logs/base.log"), help="MindSpore's words")
    arguments = parser.parse_args()
    config = profile(arguments.profile)
    model, name = config["model"]["model_config"], Path(arguments.profile).name.removesuffix(".yaml")
    place = arguments.source or OWN / name
    if config["abacus"]["base"]["source"] == "directory":
        source.find(place)  # before anything is downloaded or imported
    check_disk(arguments.out, model, name)
    inner = fetch_tokenizer(config, name, place, arguments.cache)
    with framework_log(arguments.log) as screen:
        weights = fetch_weights(config, name, place, arguments.cache, screen)
        write(arguments.out, weights, inner, model)


def check_disk(out: Path, model: dict[str, Any], name: str) -> None:
    """Raise InputError unless the disk of `out` has room for the converted weights."""
    kind = model["param_init_type"]
    if kind not in SIZES:
        raise InputError(
            f"profile {name!r}: param_init_type is {kind!r}, expected one of: {', '.join(SIZES)}"
        )
    numbers = sum(math.prod(array_shape) for array_shape in expected(shape_of(model)).values())
    needed = numbers * SIZES[kind]
    check_room(out, needed)


def fetch_tokenizer(config: dict[str, Any], name: str, place: Path, cache: Path) -> tokenizers.Tokenizer:
    """The tokenizer of the profile `name`, whose weights are not touched; `place` is the folder of an own model.

    A pinned wheel is downloaded to `cache` unless it is there. Every id must be one of the model's: there may
    be fewer, for many a model's vocabulary is padded.
    """
    base, model = config["abacus"]["base"], config["model"]["model_config"]
    pin = base if base["source"] == "wheel" else base.get("tokenizer")
    if base["source"] == "random":
        inner = tokenizer.of_bytes(*(model[key] for key in tokenizer.SPECIALS))
    elif pin:
        with member_file(pin, cache) as path:
            inner = vocabulary.read(path)
    else:
        inner = source.tokenizer(source.find(place))
    largest = max(inner.get_vocab().values())
    if largest >= model["vocab_size"]:
        raise InputError(
            f"profile {name!r}: vocab_size is {model['vocab_size']}, "
            f"expected at least {largest + 1}, the tokenizer's"
        )
    for key in tokenizer.SPECIALS:
        if inner.id_to_token(model[key]) is None:
            raise InputError(f"profile {name!r}: {key} is {model[key]}, expected an id of the tokenizer")
    return inner


def fetch_weights(
    config: dict[str, Any], name: str, place: Path, cache: Path, screen: TextIO | None = None
) -> Weights:
    """The weights of the profile `name` in its `param_init_type`, held to its numbers."""
    base, shape = config["abacus"]["base"], shape_of(config["model"]["model_config"])
    dtype = number_type(config["model"]["model_config"]["param_init_type"])
    if base["source"] == "random":
        drawn = random_weights(shape, base["seed"])
        return {key: array.astype(dtype, copy=False) for key, array in drawn.items()}
    if base["source"] == "wheel":
        with member_file(base, cache) as path:
            found, weights = gguf.read(path, source.shown(screen), dtype)
            check_numbers(found, shape, name, base["member"])
            return weights
    own = source.find(place)
    # Before the weights are read, which takes minutes.
    if own.kind != source.MINDSPORE:
        check_numbers(source.shape_of(own), shape, name, str(own.path))
    _, weights = source.read(own, dtype, screen)
    check(weights, shape, str(own.path))
    return weights


def check_numbers(found: Shape, shape: Shape, name: str, place: str) -> None:
    """Raise InputError unless the architecture `found` in `place` is the profile's `shape`."""
    for key, wanted in shape.items():
        if key == "tie_word_embeddings":  # model.ckpt holds both matrices in any case
            continue
        longer = key == "max_position_embedding" and found[key] >= wanted
        if not longer and np.float32(found[key]) != np.float32(wanted):
            raise InputError(f"profile {name!r}: {key} is {wanted}, expected {found[key]} as in {place}")


def write(out: Path, weights: Weights, inner: tokenizers.Tokenizer, model: dict[str, Any]) -> None:
    """Write the four files of the folder `out`, all or none."""
    with replacing(out) as part:
        part.mkdir()
        save_checkpoint(part / "model.ckpt", weights)
        # Tied or not is a fact of the weights: a profile may keep both matrices apart, as both are frozen.
        tied = bool(np.array_equal(weights[HEAD], weights[EMBEDDING]))
        write_json(part / "model.json", shape_of(model) | {"tie_word_embeddings": tied})
        tokenizer.save(inner, {key: model[key] for key in tokenizer.SPECIALS}, part)


if __name__ == "__main__":
    run(main)
