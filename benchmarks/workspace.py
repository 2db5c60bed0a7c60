"""Where the measured commands run: a copy of the code in the scratch folder, or that of an earlier commit.

Data and checkpoints of the clone are read in place and nothing is written outside of the scratch folder.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from benchmarks.alternate import OURS
from benchmarks.process import Done, Watch, measured

ROOT = Path(__file__).parents[1]
SCRATCH = ROOT / ".scratch/bench"
WORKERS = ROOT / "benchmarks/workers"
PEERS = ROOT / ".venv-peers/bin/python"
PROFILE = "smollm2-135m"
READING = "data/reading/reading-v1.1.json"
CODE = ("abacus", "stages", "profiles", "params.yaml")
GB = 1e9


def needed(name: str) -> Path:
    """A file or folder of the clone that a run of the pipeline leaves; InputError if it is not there."""
    path = ROOT / name
    if not path.exists():
        raise InputError(name, "no such file", "what a run leaves", "run `make repro` first")
    return path


@dataclass(frozen=True)
class Tree:
    """Code with a folder of its own, in which its stages run."""

    name: str
    folder: Path

    def run(self, words: list[object], watch: Watch | None = None) -> Done:
        """Run a Python program of these words in this folder."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "PYTHONUTF8": "1", "PYTHONPATH": ""}
        log = self.folder / "said.log"
        return measured([sys.executable, *words], cwd=self.folder, env=env, log=log, watch=watch)

    def stage(self, name: str, watch: Watch | None = None, **options: object) -> Done:
        """Run a stage of this code; `train="x"` is its `--train x`."""
        return self.run(["-m", f"stages.{name}", *_words(options)], watch)

    def work(self, name: str, *words: object, **options: object) -> Done:
        """Run a worker of the benchmark in this folder, on this code."""
        return self.run([WORKERS / f"{name}.py", *words, *_words(options)])

    def change(self, name: str, changes: Mapping[str, Any]) -> None:
        """Lay changes over a YAML file of this folder."""
        path = self.folder / name
        document = merged(read_yaml(path), changes)
        path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")

    def configure(self) -> None:
        """Write data/profile of the default profile."""
        profile = f"profiles/{PROFILE}.yaml"
        self.stage("configure", base="profiles/base.yaml", profile=profile, squad=READING, out="data/profile")


def _words(options: Mapping[str, object]) -> list[object]:
    return [word for key, value in options.items() for word in (f"--{key}", value)]


def merged(document: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A document with changes laid over it, mapping by mapping."""
    inner = {
        key: merged(document[key], value)
        if isinstance(value, Mapping) and isinstance(document.get(key), dict)
        else value
        for key, value in changes.items()
    }
    return document | inner


def compared(before: str | None) -> list[Tree]:
    """The clone's code, and that of a commit, if one is named."""
    return [current(), *([earlier(before)] if before else [])]


def current(folder: Path = SCRATCH) -> Tree:
    """The clone's code as it is, copied once."""
    return _tree(OURS, folder / "abacus", _copy)


def earlier(revision: str, folder: Path = SCRATCH) -> Tree:
    """The code of a commit; git's state is left alone."""
    return _tree(f"commit {revision}", folder / revision, lambda to: _extract(revision, to))


def _tree(name: str, folder: Path, fill: Any) -> Tree:
    tree = Tree(name, folder)
    if not folder.exists():
        folder.mkdir(parents=True)
        fill(folder)
        (folder / "data").mkdir(exist_ok=True)
        for own in ("reading", "models"):
            if not (folder / "data" / own).exists():
                (folder / "data" / own).symlink_to(ROOT / "data" / own)
        tree.change("params.yaml", {"profile": PROFILE, "predict": {"squad": READING}})
        tree.configure()
    return tree


def _copy(folder: Path) -> None:
    for name in CODE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".part-*"))
        else:
            shutil.copyfile(source, folder / name)


def _extract(revision: str, folder: Path) -> None:
    archive = folder / "code.tar"
    done = subprocess.run(
        ["git", "archive", "--output", archive, revision, *CODE, "data/reading", "data/models"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(folder)
        said = done.stderr.strip().splitlines() or ["git archive failed"]
        raise InputError("BEFORE", f"{revision}: {said[-1]}", "a commit of this clone")
    shutil.unpack_archive(archive, folder, filter="data")
    archive.unlink()


def script(
    name: str, *words: object, python: Path | str = sys.executable, watch: Watch | None = None
) -> Done:
    """Run a worker by a Python: the peers' imports nothing of the project."""
    offline = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(SCRATCH / "hf"),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    env = (
        os.environ
        | offline
        | {"PYTHONUTF8": "1", "PYTHONPATH": str(ROOT) if python == sys.executable else ""}
    )
    if python == PEERS and not PEERS.exists():
        raise InputError(".venv-peers", "no such environment", advice="`make bench` makes it")
    return measured(
        [python, WORKERS / f"{name}.py", *words],
        cwd=SCRATCH,
        env=env,
        log=SCRATCH / f"{name}.log",
        watch=watch,
    )
