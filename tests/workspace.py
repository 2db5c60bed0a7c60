"""What tests of whole workspaces share: a small clone of the working tree, and DVC within it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from abacus.profile import concerns
from abacus.profile.load import Profile
from abacus.training.configuration import training_of

ROOT = Path(__file__).parents[1]
# The stages run with this interpreter.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def program(name: str) -> list[str]:
    """The words that start a stage, a command behind the door (`make predict` is not the stage), or git or DVC."""
    if name in ("dvc", "git"):
        return [sys.executable, "-m", "dvc"] if name == "dvc" else [name]
    if (ROOT / "stages" / f"{name}.py").is_file():
        return [sys.executable, "-m", f"stages.{name}"]
    return [sys.executable, "-m", "abacus", name.removeprefix("make ").replace("_", "-")]


def tracked() -> list[str]:
    """Return the files that a clone would have: tracked, and new ones that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def small_clone(folder: Path) -> dict[str, Any]:
    """Fill a folder with a clone that has run nothing yet, small parameters and the tiny profile; return them."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    params |= {"profile": "tiny", "checkpoints": [0, 1, 2]}
    params["synthesize"]["scale"] = 0.0005
    params["prepare"] |= {"train_size": 200, "test_size": 24}
    params["predict"] |= {"math_limit": 14, "squad_limit": 6}
    write_params(folder, params)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return params


def write_params(folder: Path, params: dict) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def dvc(folder: Path, *words: str) -> str:
    """Run DVC in a folder, the stages with this interpreter; return what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=folder,
        env={**os.environ, "PATH": PATH},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def ran(output: str) -> set[str]:
    """Return the stages that `dvc repro` says it ran."""
    return set(re.findall(r"Running stage '([\w@]+)'", output))


def configure(folder: Path, profile: Profile, **asked: int) -> Path:
    """Write what stage configure says of a profile into a folder; return the folder."""
    numbers = {"checkpoints": 5, "steps_per_checkpoint": 2, "seed": 42} | asked
    training = training_of(profile, **numbers)
    concerns.write(folder, concerns.documents(profile) | {concerns.TRAIN: training.document()})
    return folder
