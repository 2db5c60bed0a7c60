"""Write a profile for a model of your own, and put its files where stage `base` finds them.

    make profile FROM=folder-or-gguf NAME=mine [DEVICE=CPU] [PUSH=0] [REPLACE=1]

The folder of a PEFT adapter stands for its base model, if that is here. The architecture comes from the model, the sequence length from the rows of the recipe in params.yaml. DVC holds the
model like any data; with PUSH=0, for one whose licence forbids it, `make push` and `dvc push` leave it out.
"""

import argparse
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path

from abacus.core.errors import InputError
from abacus.core.files import replacing
from abacus.core.params import PATH
from abacus.formats import source
from abacus.formats.fetch import fetch_tokenizer
from abacus.formats.own import OWN, README, put
from abacus.neighbours.peft import base_of
from abacus.planning.own_model import describe
from abacus.planning.sample import trained_on
from abacus.profile import load
from abacus.profile.concerns import origin_of
from abacus.sharing.keep import add_push, inside_here, keep

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="origin", type=Path, required=True, help="model folder or .gguf file")
    parser.add_argument("--name", required=True, help="of the new profile")
    parser.add_argument("--device", choices=["CPU", "Ascend"], default="CPU")
    add_push(parser)
    parser.add_argument("--replace", action="store_true", help="write over a profile of this name")
    parser.add_argument("--profiles", type=Path, default=Path("profiles"))
    parser.add_argument("--models", type=Path, default=OWN)
    parser.add_argument("--params", type=Path, default=PATH)


def main(args: argparse.Namespace) -> None:
    to = args
    path, folder = to.profiles / f"{to.name}.yaml", to.models / to.name
    check_name(to.name, path, to.replace)
    own = source.find(base_of(to.origin) or to.origin)
    architecture = source.architecture_of(own)
    if architecture is None:
        raise InputError(
            own.path,
            "a MindSpore checkpoint does not hold its architecture numbers",
            "a Hugging Face directory or a .gguf file",
        )
    source.check(own)
    inside = own.path.resolve() == folder.resolve() or own.path.resolve().parent == folder.resolve()
    if not inside and not to.replace and any(path.name != README for path in folder.glob("[!.]*")):
        raise InputError(folder, "there are other files in it", "none (or REPLACE=1)")
    text = describe(to.name, own, architecture, to.device, trained_on(to.params))
    check_profile(text, to.name, own, to.profiles, to.models)
    with ExitStack() as stack:
        if not inside:
            put(source.files(own), stack.enter_context(replacing(folder)), folder)
        stack.enter_context(replacing(path)).write_text(text, encoding="utf-8")
    print(f"wrote {path}; its model is in {folder}")
    if inside_here(folder):
        print(keep(folder, to.push), f"and {path}")


def check_name(name: str, path: Path, replace: bool) -> None:
    """Raise InputError unless a profile of this name may be written to `path`."""
    if not NAME.fullmatch(name) or name.endswith(".yaml") or name == "base":
        raise InputError(
            "", f"NAME is {name!r}", "small letters, digits, '.', '_' and '-', neither 'base' nor *.yaml"
        )
    if path.exists() and not replace:
        raise InputError(path, "exists already", "a new name (or REPLACE=1)")


def check_profile(text: str, name: str, own: source.Source, profiles: Path, cache: Path) -> None:
    """Raise InputError unless the profile is one that the pipeline takes, with this model's tokenizer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            written = load.load(path, profiles / load.BASE)
        except InputError as error:  # what does not fit is the model's, not a file that nobody has seen
            found = f"no profile can be made of it: {error.found}"
            raise InputError(own.path, found, error.expected, error.advice) from None
    fetch_tokenizer(origin_of(written), written.llama, own.path, cache)
