"""SIGKILL at any moment of any stage, then what `make repro` does: the outputs are those of a run that nobody killed."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from abacus.pipeline.mend import mend
from tests.workspace import PATH, dvc, small_clone, write_params

ONCE = ("predict@1", "evaluate@1")  # of the stages that run once a checkpoint, one is killed in `make test`


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> SimpleNamespace:
    """A run that nobody killed: every output's hash by path, and the seconds of every stage, in their order."""
    folder = smaller(tmp_path_factory.mktemp("undisturbed"))
    process, begun = started(folder), {}
    for line in process.stdout:
        if found := re.match(r"Running stage '(.+)'", line):
            begun[found[1]] = time.monotonic()
    assert process.wait() == 0
    ends = [*list(begun.values())[1:], time.monotonic()]
    seconds = {stage: end - start for (stage, start), end in zip(begun.items(), ends, strict=True)}
    return SimpleNamespace(outputs=outputs(folder), seconds=seconds)


def smaller(folder: Path) -> Path:
    """A small clone that asks two checkpoints."""
    write_params(folder, small_clone(folder) | {"checkpoints": [0, 1]})
    return folder


def outputs(folder: Path) -> dict[str, str]:
    stages = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


def started(folder: Path) -> subprocess.Popen:
    """`dvc repro`, in a session of its own; what it says comes line by line. `make repro` mends DVC's own files first."""
    mend(folder)
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "report"],
        cwd=folder,
        env={**os.environ, "PATH": PATH, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def kill_in(folder: Path, stage: str, wait: float) -> bool:
    """Run the pipeline and kill DVC and all below it `wait` seconds after it began `stage`; whether it began it."""
    process, begun = started(folder), False
    for line in process.stdout:
        begun = line.startswith(f"Running stage '{stage}'")
        if begun or line.startswith(f"Stage '{stage}' didn't change"):
            break
    if begun:
        threading.Thread(
            target=process.stdout.read, daemon=True
        ).start()  # else it would block when the pipe is full
        time.sleep(wait)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return begun


def test_every_stage_is_killed_once(tmp_path: Path, undisturbed: SimpleNamespace) -> None:
    smaller(tmp_path)
    draw = random.Random(20261125)
    chosen = [stage for stage in undisturbed.seconds if stage in ONCE or not re.search(r"@\d", stage)]
    assert len(chosen) == 10
    begun = [kill_in(tmp_path, name, draw.random() * undisturbed.seconds[name] * 0.8) for name in chosen]
    assert sum(begun) >= 8, "a stage may be done before its turn, but few are"
    mend(tmp_path)
    dvc(tmp_path, "repro", "report")
    assert outputs(tmp_path) == undisturbed.outputs
    assert not list(tmp_path.rglob(".part-*")), "what killed stages left is gone"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, int(os.environ.get("ABACUS_KILLS", "20")) // 10 + 1))
def test_killed_all_over_again(tmp_path: Path, undisturbed: SimpleNamespace, seed: int) -> None:
    """Ten kills at moments of the whole run, DVC's own work between the stages included."""
    smaller(tmp_path)
    draw = random.Random(seed)
    stages = sorted(draw.sample(list(undisturbed.seconds), 10), key=list(undisturbed.seconds).index)
    begun = [kill_in(tmp_path, name, draw.random() * undisturbed.seconds[name] * 1.2) for name in stages]
    print(f"{sum(begun)} of {len(begun)} kills were within or just after their stage")
    mend(tmp_path)
    dvc(tmp_path, "repro", "report")
    assert outputs(tmp_path) == undisturbed.outputs
