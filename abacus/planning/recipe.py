"""A recipe of recipes/: what params.yaml would have otherwise, planned without touching params.yaml."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.profile.load import merge

RECIPES = Path("recipes")


def names(folder: Path = RECIPES) -> list[str]:
    """The recipes that there are."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


@contextmanager
def laid_over(name: str, params: Path, folder: Path = RECIPES) -> Iterator[Path]:
    """A file of the parameters in `params` with the recipe's instead, for as long as the block lasts.

    InputError for a name that is none, and for a key that params.yaml has not.
    """
    if name not in names(folder):
        raise InputError("", f"recipe {name!r} does not exist", f"one of: {', '.join(names(folder))}")
    under, over = read_yaml(params), read_yaml(folder / f"{name}.yaml")
    known = {f"{key}.{inner}" for key, value in under.items() if isinstance(value, dict) for inner in value}
    for key, value in over.items():
        for inner in [f"{key}.{inner}" for inner in value] if isinstance(value, dict) else [key]:
            if inner not in known | set(under):
                raise InputError(folder / f"{name}.yaml", f"{inner} is not a key of {params}")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{name}.yaml"
        path.write_text(yaml.safe_dump(merge(under, over), allow_unicode=True), encoding="utf-8")
        yield path
