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

from stages.command import InputError
from stages.model import gguf, hf_config, huggingface, safetensor, vocabulary
from stages.model.weights import Shape, Weights, load_checkpoint

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
        raise InputError(f"{place}: holds {', '.join(names)}, expected one model alone")
    if found:
        return found[0]
    old = [path.name for path in paths if path.suffix in OLD]
    if old:
        raise InputError(
            f"{place}: holds {old[0]} and no safetensors, expected {EXPECTED} (with transformers: "
            "AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder) writes safetensors)"
        )
    raise InputError(f"{place}: there is no base model, expected {EXPECTED}")


def shape_of(source: Source) -> Shape | None:
    """The architecture numbers of a model; a MindSpore checkpoint holds none."""
    if source.kind == HUGGING_FACE:
        return hf_config.shape_of(source.path)
    if source.kind == GGUF:
        return gguf.shape_of(gguf.reader(source.path), source.path.name)
    return None


def check(source: Source) -> None:
    """Raise InputError for what `read` would not read, as far as that is seen without reading a weight.

    A MindSpore checkpoint has no head to look at.
    """
    if source.kind == HUGGING_FACE:
        huggingface.check(source.path)
    elif source.kind == GGUF:
        gguf.tensors(gguf.reader(source.path), source.path.name)


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
        return vocabulary.from_json(beside)
    if source.kind == GGUF:
        return vocabulary.read(source.path)
    raise InputError(f"{beside}: no such file, expected the tokenizer of {source.path.name}")


def special_ids(source: Source, inner: tokenizers.Tokenizer) -> dict[str, int | None]:
    """The ids of bos, eos and pad that a Hugging Face directory or a GGUF file names; None for one it does not."""
    if source.kind == HUGGING_FACE:
        return hf_config.special_ids(source.path, inner)
    return gguf.special_ids(gguf.reader(source.path))


def read(source: Source, dtype: np.dtype, screen: TextIO | None = None) -> tuple[Shape | None, Weights]:
    """Numbers and weights of a model, the weights as `dtype`; a bar of the reading goes to `screen`."""
    if source.kind == MINDSPORE:
        import mindspore  # noqa: F401, which takes seconds: before the bar, not in its first step

        size = source.path.stat().st_size
        bar = tqdm(desc="read weights", total=size, unit="B", unit_scale=True, file=screen, delay=0.5)
        with bar:
            return None, load_checkpoint(source.path, dtype, bar.update)
    reader: Callable[..., tuple[Shape, Weights]] = (
        huggingface.read if source.kind == HUGGING_FACE else gguf.read
    )
    return reader(source.path, shown(screen), dtype)


def shown(screen: TextIO | None) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """What shows a walk over tensors on `screen`."""
    return partial(tqdm, desc="read weights", unit=" tensors", file=screen, delay=0.5)
