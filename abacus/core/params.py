"""The one reader of params.yaml: a section becomes a typed model, or the command stops with one line."""

from pathlib import Path
from typing import TypeVar

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.core.typed import Model, validated

M = TypeVar("M", bound=Model)
PATH = Path("params.yaml")


def section(name: str, into: type[M], path: Path = PATH) -> M:
    """Read section `name` of a params file into the model `into`.

    Raises InputError for a file that is not YAML, a section or key that is missing, a key too many
    (with the nearest known one), a value of another type, and a number out of its range.
    """
    document = read_yaml(path)
    if name not in document:
        raise InputError(path, f"section '{name}' is missing")
    return validated(into, document[name], path, name)


def checkpoints(params: Path = PATH) -> list[int]:
    """The list `checkpoints` of params.yaml: 0, the base model, and those that a training leaves."""
    found = read_yaml(params).get("checkpoints")
    numbers = isinstance(found, list) and [
        number for number in found if type(number) is int
    ]  # True is no 1 here
    if not isinstance(found, list) or numbers != found or len(found) < 2 or found != list(range(len(found))):
        raise InputError(
            params, f"checkpoints is {found!r}", "the numbers from 0 on, as in [0, 1, 2, 3, 4, 5]"
        )
    return found
