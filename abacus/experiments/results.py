"""Results of a grid's runs: small files that git keeps, and whether what they came from is still so."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from abacus.core.documents import read_json, read_text, read_yaml
from abacus.core.typed import Model, Text, validated
from abacus.experiments.grid import GRIDS, Planned
from abacus.scoring import questions
from abacus.scoring.questions import Outcomes

EXPECTED = "a run's result (`make experiments` writes it)"
PIPELINE = Path("dvc.yaml")
# Stage configure depends on all of abacus/, to judge before anything runs; what it writes is in the run's key.
JUDGING = "configure"


class Result(Model):
    """One run: what it was, the tokens that it saw, the last checkpoint's and the base model's metrics, sizes."""

    run: Text
    seed: int
    key: Text
    sources: dict[str, str]
    budget: dict[str, int]
    data: dict[str, int | float]
    base: dict[str, int | float | str]
    last: dict[str, int | float | str]
    summary: dict[str, Any]


class Found(NamedTuple):
    """A result that is there, with its questions' outcomes, and what speaks against it."""

    plan: Planned
    result: Result
    outcomes: Outcomes
    other: bool  # it was another run: other parameters, profile, data or budget
    older: list[str]  # code that has changed since


def folder(grid: str) -> Path:
    """Where the results of a grid lie."""
    return GRIDS / "results" / grid


def find(grid: str, plans: Iterable[Planned]) -> dict[str, Found]:
    """The results of these runs that are there, by the run's name."""
    now = sources()
    found = {}
    for plan in plans:
        path = folder(grid) / f"{plan.name}.json"
        if path.is_file():
            result = validated(Result, read_json(path, EXPECTED), path)
            outcomes = questions.read(path.with_suffix(".csv"))
            older = sorted(
                k for k in now.keys() | result.sources.keys() if now.get(k) != result.sources.get(k)
            )
            found[plan.name] = Found(plan, result, outcomes, result.key != plan.key, older)
    return found


def sources(root: Path = Path()) -> dict[str, str]:
    """A short hash of each file and package of code that a stage of dvc.yaml names as a dep."""
    stages = read_yaml(root / PIPELINE)["stages"]
    deps = {dep for name, stage in stages.items() if name != JUDGING for dep in stage.get("deps", [])}
    code = sorted(dep for dep in deps if dep.startswith(("abacus/", "stages/")))
    return {dep: _hashed(root / dep) for dep in code}


def _hashed(path: Path) -> str:
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    said = "".join(f"{file.relative_to(path)}\0{read_text(file)}\0" for file in files)
    return hashlib.sha256(said.encode()).hexdigest()[:12]
