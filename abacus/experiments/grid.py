"""A grid, `experiments/NAME.yaml`: runs of one model that differ in their recipe, each with the same seeds and budget."""

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, model_validator

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.core.params import PATH
from abacus.core.typed import Model, Text, nearest, validated, whole
from abacus.experiments.data import contents, held, started_from
from abacus.profile import load

GRIDS = Path("experiments")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
GRID_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
BUDGETS = ("trained_tokens", "learned_tokens", "steps")
# What the grid itself says of every run.
OWN = ("profile", "checkpoints", "prepare.seed", "finetune.seed", "finetune.steps_per_checkpoint")
# What no result depends on: who does the work, in how many processes, and how it is seen meanwhile.
WHO_WORKS = ("prepare.engine", "prepare.scheduler")
HOW_SEEN = ("abacus.live", "abacus.decode.ranks")
Count = Annotated[int, whole(1, 10**12)]
Mapped = Annotated[dict[str, Any], Field(description="a mapping")]


class Change(Model):
    """What a run has otherwise: keys of params.yaml, replaced whole, and of the profile, laid over it."""

    params: Mapped = Field(default_factory=dict)
    profile: Mapped = Field(default_factory=dict)


class Grid(Model):
    """A question, the runs that answer it, and what is equal among them.

    `trained_tokens` are a run's places that are not padding, `learned_tokens` those whose target is learned.
    """

    question: Text
    profile: Text
    baseline: Text
    checkpoints: Annotated[int, whole(1, 1000)]
    trained_tokens: Count | None = None
    learned_tokens: Count | None = None
    steps: Count | None = None
    seeds: Annotated[
        list[Annotated[int, whole(1, 2**31 - 1)]],
        Field(min_length=1, description="a list of one number or more"),
    ]
    all: Change = Change()
    runs: Annotated[dict[str, Change], Field(min_length=1, description="a mapping of runs")]
    # Runs that have other seeds than the rest.
    more_seeds: dict[str, list[Annotated[int, whole(1, 2**31 - 1)]]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_whole(self) -> "Grid":
        given = [name for name in BUDGETS if getattr(self, name) is not None]
        if len(given) != 1:
            raise InputError(
                "", f"{' and '.join(given) or 'no budget'} is given", f"one of: {', '.join(BUDGETS)}"
            )
        for key, names in (("baseline", [self.baseline]), ("more_seeds", list(self.more_seeds))):
            for name in names:
                if name not in self.runs:
                    raise InputError(key, f"names no run: {name!r}", advice=nearest(name, self.runs))
        for name in self.runs:
            if not NAME.fullmatch(name):
                raise InputError("runs", f"a run is called {name!r}", "small letters, digits, - and _")
            seeds = self.seeds_of(name)
            if len(set(seeds)) < len(seeds):
                raise InputError("seeds", f"run {name!r} has a seed twice: {seeds}", "each once")
        return self

    @property
    def budget(self) -> tuple[str, int]:
        """What is held equal, and how much of it."""
        return next((name, value) for name in BUDGETS if (value := getattr(self, name)) is not None)

    def seeds_of(self, run: str) -> list[int]:
        """The seeds of a run: those of all, then its own."""
        return [*self.seeds, *self.more_seeds.get(run, [])]


class Planned(NamedTuple):
    """One run with one seed: its parameters but for the number of steps, its profile's overlay, its key."""

    run: str
    seed: int
    params: dict[str, Any]
    profile: dict[str, Any]
    key: str

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.run}-{self.seed}"


def names(folder: Path = GRIDS) -> list[str]:
    """The grids that there are."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_grid(name: str, folder: Path = GRIDS) -> Grid:
    """The grid of a name; InputError names file and key of what is wrong in it."""
    if name not in names(folder):
        raise InputError("", f"grid {name!r} does not exist", f"one of: {', '.join(names(folder))}")
    path = folder / f"{name}.yaml"
    if not GRID_NAME.fullmatch(name):  # it becomes the name of files and, with the run's, of a ref of git's
        raise InputError(path, f"a grid is called {name!r}", "letters, digits, - and _")
    return validated(Grid, read_yaml(path), path)


def planned(grid: Grid, place: Path, params: Path = PATH) -> list[Planned]:
    """Every run of a grid with every seed of it; InputError names `place`, the grid's file, and the key."""
    under, base = read_yaml(params), read_yaml(load.PROFILES / load.BASE)
    if grid.profile not in load.names():
        raise InputError(place, f"profile is {grid.profile!r}", f"one of: {', '.join(load.names())}")
    overlay = load.overlay(load.PROFILES / f"{grid.profile}.yaml")
    shared = changed(under, grid.all.params, place, "all.params")
    overlay = load.merge(overlay, grid.all.profile)
    found, look = [], cache(held)
    for name, change in grid.runs.items():
        own = changed(shared, change.params, place, f"runs.{name}.params")
        profile = load.merge(overlay, change.profile)
        merged = load.merge(base, profile)
        checked = load.parsed(merged, grid.profile, f"{place}: runs.{name}.profile")
        data = contents(started_from(own, checked, f"{place}: runs.{name}.params"), look)
        for seed in grid.seeds_of(name):
            full = own | {"profile": grid.profile, "checkpoints": list(range(grid.checkpoints + 1))}
            full |= {"prepare": own["prepare"] | {"seed": seed}}
            full |= {"finetune": own["finetune"] | {"seed": seed, "steps_per_checkpoint": "profile"}}
            key = key_of(full, merged, grid.budget, data)
            found.append(Planned(name, seed, full, profile, key))
    return found


def key_of(
    params: dict[str, Any], profile: dict[str, Any], budget: tuple[str, int], data: dict[str, str | None]
) -> str:
    """A hash of all that a run's result depends on but the code; data are left out where there are none."""
    decided: dict[str, Any] = {"params": without(params, *WHO_WORKS), "profile": without(profile, *HOW_SEEN)}
    return digest(decided | {"budget": budget} | ({"data": data} if data else {}))


def changed(params: dict[str, Any], over: dict[str, Any], place: Path, section: str) -> dict[str, Any]:
    """Parameters with a grid's values: a key of a section is replaced whole, as in `prepare.mix`.

    Raises InputError for a key that params.yaml has not, and for one that the grid itself says.
    """
    result = dict(params)
    for name, values in over.items():
        inner = params.get(name)
        if isinstance(inner, dict) and isinstance(values, dict):
            keys, known = {f"{name}.{key}": key for key in values}, {f"{name}.{key}" for key in inner}
            result[name] = inner | values
        else:
            keys, known = {name: name}, set(params)
            if isinstance(inner, dict):
                raise InputError(place, f"{section}.{name} is {values!r}", "a mapping")
            result[name] = values
        for key in keys:
            if key in OWN:
                raise InputError(place, f"{section}.{key} is given", "it once, for all runs, by the grid")
            if key not in known:
                raise InputError(place, f"{section}.{key} is not a known key", advice=nearest(key, known))
    return result


def without(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A document without these keys; `a.b` is the key b of the mapping a."""
    result = dict(document)
    for key in keys:
        first, _, rest = key.partition(".")
        if rest and isinstance(result.get(first), dict):
            result[first] = without(result[first], rest)
        elif not rest:
            result.pop(first, None)
    return result


def digest(value: object) -> str:
    """A hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
