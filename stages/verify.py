"""Run the whole pipeline again in a temporary clone of the last commit, and compare with its dvc.lock, stage by stage.

    python -m stages.verify [--cores N] [--keep FOLDER]      (make verify [CORES=1] [KEEP=folder])

Nothing of this folder is used but git's objects, the installed packages and the downloaded wheels, whose hashes are
pinned. `--cores` pins all of it to so many of the machine's cores. Exit code 1 if any file differs.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from stages.command import InputError, free_bytes, run
from stages.params import read_yaml

LOCK = "dvc.lock"
WHEELS = Path(".cache/wheels")
HASHES = ("md5", "etag", "checksum")


class Compared(NamedTuple):
    """A stage, how many outputs it has, and what is not as it was committed."""

    stage: str
    outs: int
    differences: list[str]


def compare(committed: dict[str, Any], again: dict[str, Any]) -> Iterator[Compared]:
    """Yield every stage of two `dvc.lock` documents, in the first one's order, then those of the second alone."""
    stages, found = committed.get("stages") or {}, again.get("stages") or {}
    for name in [*stages, *(name for name in found if name not in stages)]:
        old, new = stages.get(name, {}), found.get(name, {})
        if not old or not new:
            where = "the committed lock" if not old else "the new run"
            yield Compared(name, len((old or new).get("outs", [])), [f"is missing in {where}"])
            continue
        yield Compared(name, len(old.get("outs", [])), list(differences(old, new)))


def differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Yield what differs between two entries of a stage: command, parameters, files read and files written."""
    for key in ("cmd", "params"):
        if old.get(key) != new.get(key):
            yield f"{key} differs"
    for key, what in (("deps", "read"), ("outs", "wrote")):
        before, after = (hashes(entry.get(key, [])) for entry in (old, new))
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) != after.get(path):
                yield f"{what} {path}: {before.get(path, 'nothing')} committed, {after.get(path, 'nothing')} now"


def hashes(entries: list[dict[str, Any]]) -> dict[str, str]:
    """Return the hash of each file or folder of a stage's entry."""
    return {
        entry["path"]: next((str(entry[key]) for key in HASHES if key in entry), "none") for entry in entries
    }


def clone(folder: Path) -> None:
    """Clone the last commit of the repository in the current folder, and give the clone the wheels that are here."""
    done = subprocess.run(["git", "clone", "-q", ".", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"git cannot clone this folder ({done.stderr.strip()}), expected the repository's")
    if not (folder / LOCK).is_file():
        raise InputError(f"{LOCK}: is not in the last commit, expected the lock of a finished run")
    if WHEELS.is_dir():
        shutil.copytree(WHEELS, folder / WHEELS)


def reproduce(folder: Path, cores: int | None) -> None:
    """Run every stage anew in a clone; InputError if one fails, which has said why."""
    if cores is not None:
        allowed = sorted(os.sched_getaffinity(0))
        if not 1 <= cores <= len(allowed):
            raise InputError(f"--cores is {cores}, expected 1 to {len(allowed)}")
        os.sched_setaffinity(0, allowed[:cores])  # what is started below inherits it
    (folder / LOCK).unlink()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    words = [sys.executable, "-m", "dvc", "repro", "--force", "report"]
    done = subprocess.run(words, cwd=folder, env={**os.environ, "PATH": path}, check=False)
    if done.returncode:
        raise InputError(f"the pipeline did not run to its end in {folder} (exit code {done.returncode})")


def main() -> int:
    """Print a line a stage; return 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, help="pin to so many cores")
    parser.add_argument("--keep", type=Path, help="a new folder for the clone, which is kept")
    to = parser.parse_args()
    if to.keep and to.keep.exists():
        raise InputError(f"{to.keep}: is there already, expected a new folder")
    place = nullcontext(str(to.keep)) if to.keep else tempfile.TemporaryDirectory(prefix="abacus-verify-")
    with place as name:
        folder = Path(name).resolve()
        clone(folder)
        committed = read_yaml(folder / LOCK)
        print(f"verify: running every stage in {folder}, {free_bytes(folder):,} bytes free", file=sys.stderr)
        reproduce(folder, to.cores)
        found = list(compare(committed, read_yaml(folder / LOCK)))
    for one in found:
        print(f"{one.stage:<20} {'differs' if one.differences else 'same':<8} {one.outs} outputs")
        for line in one.differences:
            print(f"  {line}")
    bad = sum(bool(one.differences) for one in found)
    print(f"{len(found) - bad} of {len(found)} stages are as committed, byte for byte")
    return int(bad > 0)


if __name__ == "__main__":
    run(main)
