"""What predicting and scoring must know of the data's recipe: two keys of section `prepare`."""

from pathlib import Path
from typing import Annotated

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.core.typed import Model, validated, whole
from abacus.problems.workings import Workings

Decimals = Annotated[int, whole(0, 10)]


class Recipe(Model):
    """How a problem's answer is worked out and rounded."""

    workings: Workings
    decimals: Decimals


def read_recipe(path: Path) -> Recipe:
    """Read the recipe from a params file; the section's other keys do not matter here."""
    values = read_yaml(path).get("prepare")
    if not isinstance(values, dict):
        raise InputError(path, "section 'prepare' is missing")
    known = {key: values[key] for key in ("workings", "decimals") if key in values}
    return validated(Recipe, known, path, "prepare")
