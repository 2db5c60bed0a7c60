"""Write a profile for a model of your own, and put its files where stage `base` finds them.

    python -m stages.profile --from DIR_OR_GGUF --name mine [--device Ascend] [--replace]

The architecture comes from the model, the sequence length from the rows of the recipe in params.yaml.
"""

import argparse
import math
import os
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer as Inner
from tqdm import tqdm

from stages.base import OWN, fetch_tokenizer
from stages.command import InputError, free_bytes, replacing, run
from stages.lengths import learned, sample
from stages.mindrecord import Turn, encode, read_turns
from stages.model import config, source
from stages.model.profile_text import ASCEND, CPU, TEMPLATE
from stages.model.prompt import Prompter
from stages.model.tokenizer import Tokenizer
from stages.model.weights import Shape, parameters
from stages.params import PATH

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
SMALL = 10**9  # parameters
BLOCK = 1 << 24
README = "README.md"


class Measured(NamedTuple):
    """The longest row and the longest answer, in ids, EOS and BOS included."""

    row: int
    answer: int


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a profile for a model of your own.")
    parser.add_argument("--from", dest="origin", type=Path, required=True, help="model folder or .gguf file")
    parser.add_argument("--name", required=True, help="of the new profile")
    parser.add_argument("--device", choices=["CPU", "Ascend"], default="CPU")
    parser.add_argument("--replace", action="store_true", help="write over a profile of this name")
    parser.add_argument("--profiles", type=Path, default=Path("stages/model/profiles"))
    parser.add_argument("--models", type=Path, default=OWN)
    parser.add_argument("--conversations", type=Path, default=Path("data/train-v2-conversation.json"))
    parser.add_argument("--params", type=Path, default=PATH)
    to = parser.parse_args()
    path, folder = to.profiles / f"{to.name}.yaml", to.models / to.name
    check_name(to.name, path, to.replace)
    own = source.find(to.origin)
    shape = source.shape_of(own)
    if shape is None:
        raise InputError(
            f"{own.path}: a MindSpore checkpoint does not hold its architecture numbers, "
            "expected a Hugging Face directory or a .gguf file"
        )
    source.check(own)
    inside = own.path.resolve() == folder.resolve() or own.path.resolve().parent == folder.resolve()
    if not inside and not to.replace and any(path.name != README for path in folder.glob("[!.]*")):
        raise InputError(f"{folder}: there are other files in it, expected none (or --replace)")
    text = describe(to.name, own, shape, to.device, turns(to.params, to.conversations))
    check_profile(text, to.name, own, to.models)
    with ExitStack() as stack:
        if not inside:
            put(source.files(own), stack.enter_context(replacing(folder)), folder)
        stack.enter_context(replacing(path)).write_text(text, encoding="utf-8")
    print(f"wrote {path}; its model is in {folder}")


def check_name(name: str, path: Path, replace: bool) -> None:
    """Raise InputError unless a profile of this name may be written to `path`."""
    if not NAME.fullmatch(name) or name.endswith(".yaml") or name == "base":
        raise InputError(
            f"--name is {name!r}, expected small letters, digits, '.', '_' and '-', neither 'base' nor *.yaml"
        )
    if path.exists() and not replace:
        raise InputError(f"{path}: exists already, expected a new name (or --replace)")


def turns(params: Path, conversations: Path) -> list[Turn]:
    """Rows of the recipe: a seeded sample of synthetic ones, or all of your own as the pipeline has left them."""
    try:
        return sample(params)
    except InputError as error:
        if "synthetic" not in str(error):
            raise
        if not conversations.is_file():
            raise InputError(
                f"{error}, so their length is measured in {conversations}, expected it to be there "
                "(`dvc repro converse` makes it)"
            ) from None
    return read_turns(conversations)


def describe(name: str, own: source.Source, shape: Shape, device: str, rows: list[Turn]) -> str:
    """The text of the profile, with the reasons for what it chooses as comments."""
    inner = source.tokenizer(own)
    special, notes, adds_bos = special_ids(own, inner)
    count = parameters(shape)
    rate, why_rate = ("1.0e-4", "the reference run's, for 8 B parameters")
    if count < SMALL:
        rate, why_rate = "1.0e-3", "ten times the 8B model's: a small model learns little at 1e-4"
    values = {
        **shape,
        **special,
        **notes,
        **chosen_prompt(Tokenizer(inner, *special.values()), device, adds_bos, shape, rows),
        "name": name,
        "parameters": count,
        "origin": f"{own.path.resolve().name} ({'GGUF' if own.kind == source.GGUF else 'Hugging Face'})",
        "engine": "cached" if device == "CPU" else "mindformers",
        # On a CPU minutes; on an NPU one epoch of the default recipe's 99 994 rows.
        "steps": 20 if device == "CPU" else 99_994 // 8,
        "rate": rate,
        "why_rate": why_rate,
        "device": CPU if device == "CPU" else ASCEND,
    }
    for key in ("rms_norm_eps", "rope_theta"):
        values[key] = spelled(float(shape[key]))
    return TEMPLATE.format(**values)


def spelled(number: float) -> str:
    """A number as YAML reads it as one: 1e-05 would be a text."""
    text = repr(number)
    return text if "e" not in text or "." in text else text.replace("e", ".0e")


def special_ids(own: source.Source, inner: Inner) -> tuple[dict[str, int], dict[str, str], bool]:
    """bos, eos and pad; comments on those that the model does not name; whether its tokenizer puts bos first."""
    found = source.special_ids(own, inner)
    bos, eos, pad = (found[f"{key}_token_id"] for key in ("bos", "eos", "pad"))
    if eos is None:
        raise InputError(f"{own.path}: names no end-of-text token, expected an eos_token_id")
    starts = bos is not None and inner.encode("1").ids[:1] == [bos]
    notes = {
        "why_bos": " # the model has none; not used" if bos is None else "",
        "why_pad": " # the model has none; as eos" if pad is None else "",
    }
    ids = {
        "bos_token_id": eos if bos is None else bos,
        "eos_token_id": eos,
        "pad_token_id": eos if pad is None else pad,
    }
    return ids, notes, starts


def chosen_prompt(
    tokenizer: Tokenizer, device: str, bos: bool, shape: Shape, rows: list[Turn]
) -> dict[str, Any]:
    """The keys of section `prompt` with reasons, and how many tokens an answer may take."""
    positions = shape["max_position_embedding"]
    found = {name: longest(Prompter(tokenizer, name, bos), rows) for name in ("bare", "vicuna")}
    bare, vicuna = found["bare"].row, found["vicuna"].row
    if vicuna - 1 > positions:
        template, why = "bare", f"bare: with vicuna's words a row is longer than {positions} positions"
    elif device == "CPU":
        template, why = (
            "bare",
            f"bare: vicuna's words would make the longest row {vicuna} ids instead of {bare}",
        )
    else:
        template, why = "vicuna", "vicuna, as the reference run"
    row, answer = found[template]
    if row - 1 > positions:
        raise InputError(
            f"the model has {positions} positions, expected {row - 1} for the longest row of the recipe"
        )
    return {
        "template": template,
        "why_template": why + ("; the tokenizer puts bos first" if bos else "; the tokenizer adds no bos"),
        "bos": bos,
        "seq_length": min(positions, rounded(row - 1)),
        "why_length": f"the longest of {len(rows):,} rows measured has {row} ids",
        "new_tokens": rounded(answer),
    }


def longest(prompter: Prompter, rows: list[Turn]) -> Measured:
    """Measure rows in a template."""
    sizes = [(len(row.input_ids), learned(row)) for row in encode(rows, prompter)]
    return Measured(max(size for size, _ in sizes), max(answer for _, answer in sizes))


def rounded(count: int) -> int:
    """A little more, for rows that were not measured, and a multiple of 8."""
    return math.ceil(count * 33 / 32 / 8) * 8


def check_profile(text: str, name: str, own: source.Source, cache: Path) -> None:
    """Raise InputError unless the profile is one that the pipeline takes, with this model's tokenizer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            written = config.profile(str(path))
        except InputError as error:  # what does not fit is the model's, not a file that nobody has seen
            reason = str(error).removeprefix(f"{path}: ")
            raise InputError(f"{own.path}: no profile can be made of it: {reason}") from None
    fetch_tokenizer(written, name, own.path, cache)


def put(files: list[Path], part: Path, folder: Path) -> None:
    """Put the model's files into the new folder `part`: as hard links, or as copies on another disk."""
    part.mkdir()
    if (folder / README).is_file():
        (part / README).write_bytes((folder / README).read_bytes())
    left = []
    for file in files:
        try:
            os.link(file.resolve(), part / file.name)
        except OSError:
            left.append(file)
    needed = sum(file.stat().st_size for file in left)
    if free_bytes(part) < needed:
        raise InputError(f"{folder}: {free_bytes(part):,} bytes are free on its disk, expected {needed:,}")
    with tqdm(desc="copy", total=needed, unit="B", unit_scale=True, delay=0.5) as bar:
        for file in left:
            with file.open("rb") as old, (part / file.name).open("wb") as new:
                while block := old.read(BLOCK):
                    new.write(block)
                    bar.update(len(block))


if __name__ == "__main__":
    run(main)
