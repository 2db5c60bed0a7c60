"""A base model of one's own: which of three kinds lies in a folder, and what it holds.

A Hugging Face directory, one GGUF file, or one MindSpore checkpoint with MindFormers' names.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
import tokenizers
from tqdm import tqdm

from abacus.core.errors import InputError
from abacus.formats import gguf, hf_config, huggingface, safetensor, tokenizer_config, vocabulary
from abacus.formats.facts import Said, agreed
from abacus.weights.architecture import Architecture, Weights, check_sizes
from abacus.weights.checkpoint import load_checkpoint, read_shapes

EXPECTED = (
    "a Hugging Face directory (config.json, model.safetensors or its shards, tokenizer.json), "
    "one .gguf file of a Llama, or one MindSpore .ckpt with MindFormers' names"
)
HUGGING_FACE, GGUF, MINDSPORE = "huggingface", "gguf", "mindspore"
OLD = (".bin", ".pth", ".pt")  # PyTorch's files, which are programs


class Source(NamedTuple):
    """A model's kind, and its folder (Hugging Face) or file."""

    kind: str
    path: Path


def find(place: Path) -> Source:
    """The one model in a folder, or the one that a file is; InputError if there is none, or more than one."""
    paths = [place] if place.is_file() else sorted(place.glob("[!.]*")) if place.is_dir() else []
    kinds = {".gguf": GGUF, ".ckpt": MINDSPORE}
    found = [Source(kinds[path.suffix], path) for path in paths if path.suffix in kinds]
    names = [source.path.name for source in found]
    if place.is_dir() and any(
        path.name.endswith((".safetensors", ".safetensors.index.json")) for path in paths
    ):
        found.append(Source(HUGGING_FACE, place))
        names.append("safetensors")
    if len(found) > 1:
        raise InputError(place, f"holds {', '.join(names)}", "one model alone")
    if found:
        return found[0]
    old = [path.name for path in paths if path.suffix in OLD]
    if old:
        raise InputError(
            place,
            f"holds {old[0]} and no safetensors",
            f"{EXPECTED} (with transformers: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder) writes safetensors)",
        )
    raise InputError(place, "there is no base model", EXPECTED)


def architecture_of(source: Source) -> Architecture | None:
    """The architecture numbers of a model; a MindSpore checkpoint holds none."""
    if source.kind == HUGGING_FACE:
        return hf_config.architecture_of(source.path)
    if source.kind == GGUF:
        return gguf.architecture_of(gguf.reader(source.path), source.path.name)
    return None


def check(source: Source, wanted: Architecture | None = None) -> None:
    """Raise InputError for what `read` would not read, as far as that is seen without reading a weight.

    A MindSpore checkpoint names no architecture: its arrays must be those of the `wanted` one, if one is given.
    """
    if source.kind == HUGGING_FACE:
        huggingface.check(source.path)
    elif source.kind == GGUF:
        gguf.tensors(gguf.reader(source.path), source.path.name)
    else:
        found = read_shapes(source.path)
        if wanted:
            check_sizes(found, wanted, str(source.path))


def files(source: Source) -> list[Path]:
    """The files that a model is made of, and its tokenizer's."""
    small = ("tokenizer.json", "tokenizer_config.json")
    if source.kind == HUGGING_FACE:
        small += ("config.json", "generation_config.json", safetensor.INDEX)
        large = safetensor.files(source.path)
        folder = source.path
    else:
        large, folder = [source.path], source.path.parent
    return [*large, *(folder / name for name in small if (folder / name).is_file())]


def tokenizer(source: Source) -> tokenizers.Tokenizer:
    """The model's tokenizer: the folder's tokenizer.json, or what is in the GGUF file."""
    if source.kind == HUGGING_FACE:
        return huggingface.tokenizer(source.path)
    beside = source.path.with_name("tokenizer.json")
    if beside.is_file():
        inner = huggingface.tokenizer(source.path.parent)
        if source.kind == GGUF:
            vocabulary.check_same(inner, beside, gguf.fields(gguf.reader(source.path)), source.path.name)
        return inner
    if source.kind == GGUF:
        return vocabulary.read(source.path)
    raise InputError(beside, "no such file", f"the tokenizer of {source.path.name}")


def special_ids(source: Source, inner: tokenizers.Tokenizer) -> dict[str, int | None]:
    """The ids of bos, eos and pad that a Hugging Face directory or a GGUF file names; None for one it does not."""
    if source.kind == HUGGING_FACE:
        return hf_config.special_ids(source.path, inner)
    found = gguf.special_ids(gguf.reader(source.path), source.path.name)
    return {key: agreed(_said(source.path, key, number, inner)) for key, number in found.items()}


def _said(path: Path, key: str, number: int | None, inner: tokenizers.Tokenizer) -> list[Said]:
    """What a GGUF file says of a special id, and what stands beside it."""
    own = Said(path, key, [] if number is None else [number])
    return [own, *tokenizer_config.special(path.parent, key.removesuffix("_id"), inner)]


def puts_bos(source: Source, inner: tokenizers.Tokenizer, bos: int | None) -> bool:
    """Whether the model's tokenizer puts bos before a text; InputError where two places of its files differ."""
    starts = bos is not None and inner.encode("1").ids[:1] == [bos]
    if source.kind == GGUF:
        gguf.check_bos(gguf.reader(source.path), source.path, starts)
    tokenizer_config.check_bos(source.path if source.kind == HUGGING_FACE else source.path.parent, starts)
    return starts


def read(
    source: Source, dtype: np.dtype, screen: TextIO | None = None
) -> tuple[Architecture | None, Weights]:
    """Numbers and weights of a model, the weights as `dtype`; a bar of the reading goes to `screen`."""
    if source.kind == MINDSPORE:
        import mindspore  # noqa: F401, which takes seconds: before the bar, not in its first step

        size = source.path.stat().st_size
        bar = tqdm(desc="read weights", total=size, unit="B", unit_scale=True, file=screen, delay=0.5)
        with bar:
            return None, load_checkpoint(source.path, dtype, bar.update)
    reader: Callable[..., tuple[Architecture, Weights]] = (
        huggingface.read if source.kind == HUGGING_FACE else gguf.read
    )
    return reader(source.path, shown(screen), dtype)


def shown(screen: TextIO | None) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """What shows a walk over tensors on `screen`."""
    return partial(tqdm, desc="read weights", unit=" tensors", file=screen, delay=0.5)
