"""What is waited for when there is nothing to do: `dvc repro` of a finished pipeline, and how long commands take to start."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from benchmarks.alternate import OURS, Competitor, Figures
from benchmarks.of_data import costs
from benchmarks.process import measured
from benchmarks.workspace import ROOT, SCRATCH, current, needed

DATA, SCORING = ("synthesize", "prepare", "converse"), ("evaluate", "report")
PIPELINE = (
    "abacus",
    "stages",
    "profiles",
    "params.yaml",
    "dvc.yaml",
    "dvc.lock",
    ".dvc/config",
    ".dvcignore",
)
RAN = "Running stage"


def repro(before: str | None) -> list[Competitor]:
    """Nothing to do in the default run's pipeline, and in one without stages."""
    needed("dvc.lock")
    full, empty = SCRATCH / "pipeline", SCRATCH / "empty"
    finished(full)
    empty.mkdir()
    dvc(empty, "init", "--no-scm", "-q")
    (empty / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    return [
        Competitor(OURS, partial(dvc, full, "repro")),
        Competitor("no stages", partial(dvc, empty, "repro")),
    ]


def finished(folder: Path) -> None:
    """A copy of the clone whose outputs are, for DVC, those of its code as it is: nothing of it is run."""
    lock = read_yaml(ROOT / "dvc.lock")["stages"]
    outs = {out["path"] for stage in lock.values() for out in stage.get("outs", [])}
    for name in [*PIPELINE, "data/reading", "data/models", *sorted(outs)]:
        copied(needed(name), folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    dvc(folder, "commit", "-f", "-q")


def copied(source: Path, to: Path) -> None:
    """A copy that shares nothing with its source, for DVC changes modes and links."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, to)


def dvc(folder: Path, *words: str) -> Figures:
    """What a DVC command takes in a folder; InputError if it ran a stage."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "DVC_SITE_CACHE_DIR": str(SCRATCH / "site"), "DVC_NO_ANALYTICS": "1"}
    log = folder.with_suffix(".log")
    done = measured([sys.executable, "-m", "dvc", *words], cwd=folder, env=env, log=log)
    if RAN in log.read_text(encoding="utf-8"):
        raise InputError(f"dvc {words[0]}", "ran a stage", "nothing to do")
    return costs(done)


def start(before: str | None) -> list[Competitor]:
    """The slowest start of each kind of command."""
    return [Competitor(OURS, starts)]


def starts() -> Figures:
    """Seconds of `--help`, of the slowest data stage and of the slowest scoring stage."""

    def slowest(*modules: str) -> float:
        return max(current().run(["-m", module, "--help"]).seconds for module in modules)

    return {
        "help": slowest("abacus"),
        "data": slowest(*(f"stages.{name}" for name in DATA)),
        "scoring": slowest(*(f"stages.{name}" for name in SCORING)),
    }
