"""A run as its files tell it. What was not kept of it is empty, and its section of the page says so."""

import hashlib
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from abacus.core.documents import read_csv, read_json, read_yaml
from abacus.core.errors import InputError
from abacus.core.params import checkpoints
from abacus.data.inputs import FILES, OWN
from abacus.report.answers import Question, read_questions
from abacus.scoring import questions
from abacus.scoring.checkpoint import ABOUT
from abacus.scoring.questions import Outcomes
from abacus.scoring.summary import Choice, choose, read_metrics

CHOSEN_BY = ("mindformers_f1", "mindformers_em", "math_strict", "math_tolerant", "math_nll")
# The columns of metrics/prepare.csv. abacus/data/counted.py has them too, and half of the library below it.
KINDS = ("category", "unique", "verified", "wrong", "train", "test", "share")
CURVE = ("step", "loss", "learning_rate")
PROFILE = ("source.yaml", "prompt.yaml", "decode.yaml")
BLOCK = 1 << 24  # bytes


class Places(NamedTuple):
    """Where a run's files lie: the arguments of stage report, by name."""

    params: Path = Path("params.yaml")
    metrics: Path = Path("metrics/checkpoints")
    answers: Path = Path("metrics/answers")
    prepared: Path = Path("metrics/prepare.json")
    kinds: Path = Path("metrics/prepare.csv")
    records: Path = Path("metrics/mindrecord.json")
    predictions: Path = Path("data/predictions")
    profile: Path = Path("data/profile")
    test: Path = Path("data/math-test.jsonl")
    checkpoints: Path = Path("checkpoints")

    def below(self, folder: Path) -> "Places":
        """The same places in another folder."""
        return Places(*(folder / place for place in self))


@dataclass(frozen=True)
class Run:
    """What the page says of a run; metrics, outcomes and answers are by checkpoint."""

    name: str  # a revision's; "" of the run that is there
    params: dict[str, Any]
    metrics: dict[int, dict[str, Any]]
    best: Choice
    outcomes: dict[int, Outcomes]
    questions: list[Question]
    about: dict[str, Any]  # of the best checkpoint's answers
    curve: list[dict[str, float]]  # step, loss, learning rate
    config: dict[str, Any]  # MindFormers', as it trained
    profile: dict[str, dict[str, Any]]  # a document a concern
    prepared: dict[str, Any]
    kinds: list[dict[str, str]]  # rows of the data, by category
    records: dict[str, Any]
    hashes: dict[str, str]  # SHA-256 by path

    @property
    def last(self) -> int:
        """The last checkpoint."""
        return max(self.metrics)

    @property
    def foreign(self) -> dict[str, str]:
        """The files that training started from instead of the pipeline's own, by key of `inputs`."""
        given = self.params.get("inputs") or {}
        return {
            key: str(given[key]) for key in FILES if given.get(key, getattr(OWN, key)) != getattr(OWN, key)
        }

    def score(self, number: int, metric: str) -> float | None:
        """A metric of a checkpoint; None if the run has none."""
        value = self.metrics.get(number, {}).get(metric)
        return value if isinstance(value, int | float) and isfinite(value) else None


def read(places: Places, name: str = "") -> Run:
    """Read a run; one with a name is an older one, which may lack whatever this version has added."""
    params, numbers = read_yaml(places.params), checkpoints(places.params)
    metrics = _older(places.metrics, numbers, name) if name else read_metrics(places.metrics, numbers)
    best = choose(metrics)
    config = places.checkpoints / "config.yaml"
    given = _inputs(params)
    return Run(
        name=name,
        params=params,
        metrics=metrics,
        best=best,
        outcomes=_outcomes(places.answers, numbers),
        questions=read_questions(places.predictions, numbers),
        about=_json(places.predictions / str(best.number) / ABOUT),
        curve=_curve(places.checkpoints / "training.csv"),
        config=read_yaml(config) if config.is_file() else {},
        profile={
            file: read_yaml(places.profile / file) for file in PROFILE if (places.profile / file).is_file()
        },
        prepared=_json(places.prepared),
        kinds=read_csv(places.kinds, KINDS, "the output of stage prepare") if places.kinds.is_file() else [],
        records={} if given["mindrecord"] != OWN.mindrecord else _json(places.records),
        hashes={} if name else _hashes(places, numbers, given["mindrecord"]),
    )


def _inputs(params: dict[str, Any]) -> dict[str, str]:
    found = params.get("inputs")
    return OWN.model_dump() | (found if isinstance(found, dict) else {})


def _older(folder: Path, numbers: list[int], name: str) -> dict[int, dict[str, Any]]:
    """The metrics of an earlier version, which may have had fewer of them."""
    found = {number: read_json(folder / f"{number}.json", "metrics") for number in numbers}
    for number, metrics in found.items():
        lacking = [key for key in CHOSEN_BY if not isinstance(metrics.get(key), int | float)]
        if lacking:
            place = f"{name}:metrics/checkpoints/{number}.json"
            raise InputError(place, f"has no {', '.join(lacking)}", "a run that can be compared")
    return found


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(path, "an output of the pipeline") if path.is_file() else {}
    return found


def _outcomes(folder: Path, numbers: list[int]) -> dict[int, Outcomes]:
    there = [number for number in numbers if (folder / f"{number}.csv").is_file()]
    return questions.read_all(folder, there)


def _curve(path: Path) -> list[dict[str, float]]:
    """Loss and rate by step; a loss that is no number ends the curve's line there, and nothing else."""
    if not path.is_file():
        return []
    rows = read_csv(path, CURVE, "the output of stage finetune")
    try:
        return [{key: float(row[key]) for key in CURVE} for row in rows]
    except ValueError as error:
        raise InputError(path, str(error), "numbers, as stage finetune writes them") from None


def _hashes(places: Places, numbers: list[int], mindrecord: str) -> dict[str, str]:
    """SHA-256 of what was trained on, what was asked and what came out, of the files that are there."""
    adapters = [places.checkpoints / str(number) / "adapter.ckpt" for number in numbers if number]
    paths = [Path(mindrecord), places.test, *adapters]
    return {str(path): _sha256(path) for path in paths if path.is_file()}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
