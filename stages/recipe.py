"""What predicting and scoring must know of the data's recipe: two keys of section `prepare`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from stages.command import InputError
from stages.params import Range, build, read_yaml
from stages.problems.workings import Workings

Decimals = Annotated[int, Range(0, 10)]


@dataclass(frozen=True)
class Recipe:
    """How a problem's answer is worked out and rounded."""

    workings: Workings
    decimals: Decimals


def read_recipe(path: Path) -> Recipe:
    """Read the recipe from a params file; the section's other keys do not matter here."""
    values = read_yaml(path).get("prepare")
    if not isinstance(values, dict):
        raise InputError(f"{path}: section 'prepare' is missing")
    known = {key: values[key] for key in ("workings", "decimals") if key in values}
    return build(known, Recipe, f"{path}: prepare")
