"""What the pipeline has measured of a checkpoint as it lies there now, if dvc.lock says so."""

import hashlib
import json
from pathlib import Path
from typing import Any

from abacus.core.documents import read_json, read_yaml
from abacus.core.typed import validated
from abacus.pipeline.lock import BASE, CHECKPOINTS, LOCK, METRICS, Lock

PREDICTIONS = Path("data/predictions")
SCORES = METRICS / "checkpoints"


def measured(number: int) -> dict[str, Any]:
    """The metrics of the checkpoint with this number; nothing where they are of another one, or there are none.

    A training that was interrupted leaves new checkpoints beside the metrics of those before. So every link is
    compared: the checkpoint, the base model, its answers, and the file with their scores.
    """
    scores, checkpoint = SCORES / f"{number}.json", CHECKPOINTS / str(number)
    if not (LOCK.is_file() and scores.is_file() and checkpoint.is_dir()):
        return {}
    stages = validated(Lock, read_yaml(LOCK), LOCK).stages
    names = (f"predict@{number}", f"evaluate@{number}", "base")
    if not all(name in stages for name in names):
        return {}
    predict, evaluate, base = (stages[name] for name in names)
    read, scored = ({dep.path: dep.md5 for dep in stage.deps} for stage in (predict, evaluate))
    left, wrote, made = ({out.path: out.md5 for out in stage.outs} for stage in (predict, evaluate, base))
    answers = str(PREDICTIONS / str(number))
    links = (
        (read.get(str(checkpoint)), md5_of_folder(checkpoint)),
        (read.get(str(BASE)), made.get(str(BASE))),
        (scored.get(answers), left.get(answers)),
        (wrote.get(str(scores)), md5_of_file(scores)),
    )
    if any(said is None or said != found for said, found in links):
        return {}
    return read_json(scores, "the output of stage evaluate")


def md5_of_file(path: Path) -> str:
    """The hash that DVC has of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def md5_of_folder(path: Path) -> str:
    """The hash that DVC has of a folder: that of a list of its files."""
    names = sorted(one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file())
    entries = [{"md5": md5_of_file(path / name), "relpath": name} for name in names]
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"
