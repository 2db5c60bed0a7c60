"""Run the whole pipeline again in a temporary clone of the last commit, and compare with its dvc.lock, stage by stage.

    make verify [CORES=1] [KEEP=folder] [JSON=1]

Nothing of this folder is used but git's objects, the installed packages, the downloaded wheels and what .dvc files
name, such as a base model of your own: their hashes are pinned. CORES pins all of it to so many of the machine's cores. Exit code 1 if any file differs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.core.files import free_bytes
from abacus.core.git import git
from abacus.pipeline.lock import compare
from abacus.sharing.remote import opened

LOCK = "dvc.lock"
WHEELS = Path(".cache/wheels")


def clone(folder: Path) -> Path:
    """Clone the last commit, with the wheels that are here; the workspace in it: this folder may be part of a repository."""
    top = Path(git("rev-parse", "--show-toplevel").removesuffix("\n"))
    git("rev-parse", "--verify", "-q", "HEAD^{commit}")
    git("clone", "-q", str(top), str(folder))
    place = folder / Path.cwd().relative_to(top.resolve())
    if not (place / LOCK).is_file():
        raise InputError(LOCK, "is not in the last commit", "the lock of a finished run")
    if WHEELS.is_dir():
        shutil.copytree(WHEELS, place / WHEELS)
    return place


def lend(folder: Path) -> None:
    """Put into a clone what is held by .dvc files, a base model or rows of one's own: nothing can make that anew."""
    pins = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.dvc") if path.is_file())
    if not pins:
        return
    with opened() as repo:
        cache = repo.cache.local_cache_dir
    local = folder / ".dvc" / "config.local"
    local.write_text(f"[cache]\n    dir = {cache}\n", encoding="utf-8")
    words = [sys.executable, "-m", "dvc", "checkout", "--quiet", "--allow-missing", *pins]
    done = subprocess.run(words, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    local.unlink()  # the stages' own outputs go to a cache of the clone's
    if done.returncode:
        raise InputError(folder, done.stderr.strip().removeprefix("ERROR: "), "what the .dvc files name")


def reproduce(folder: Path, cores: int | None) -> None:
    """Run every stage anew in a clone; InputError if one fails, which has said why."""
    if cores is not None:
        allowed = sorted(os.sched_getaffinity(0))
        if not 1 <= cores <= len(allowed):
            raise InputError("", f"--cores is {cores}", f"1 to {len(allowed)}")
        os.sched_setaffinity(0, allowed[:cores])  # what is started below inherits it
    (folder / LOCK).unlink()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    words = [sys.executable, "-m", "dvc", "repro", "--force", "report"]
    # What DVC says is no result of ours: standard output has the comparison alone.
    done = subprocess.run(words, cwd=folder, env={**os.environ, "PATH": path}, stdout=sys.stderr, check=False)
    if done.returncode:
        raise InputError("", f"the pipeline did not run to its end in {folder} (exit code {done.returncode})")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--cores", type=int, help="pin to so many cores")
    parser.add_argument("--json", action="store_true", help="an object for a program")
    parser.add_argument("--keep", type=Path, help="a new folder for the clone, which is kept")


def main(args: argparse.Namespace) -> int:
    """Print a line a stage; return 1 if any differs."""
    to = args
    if to.keep and to.keep.exists():
        raise InputError(to.keep, "is there already", "a new folder")
    place = nullcontext(str(to.keep)) if to.keep else tempfile.TemporaryDirectory(prefix="abacus-verify-")
    with place as name:
        folder = clone(Path(name).resolve())
        lend(folder)
        committed = read_yaml(folder / LOCK)
        print(f"verify: running every stage in {folder}, {free_bytes(folder):,} bytes free", file=sys.stderr)
        reproduce(folder, to.cores)
        found = list(compare(committed, read_yaml(folder / LOCK)))
    bad = sum(bool(one.differences) for one in found)
    if args.json:
        print(json.dumps({"stages": [one._asdict() for one in found], "differ": bad}, indent=2))
        return int(bad > 0)
    for one in found:
        print(f"{one.stage:<20} {'differs' if one.differences else 'same':<8} {one.outs} outputs")
        for line in one.differences:
            print(f"  {line}")
    print(f"{len(found) - bad} of {len(found)} stages are as committed, byte for byte")
    return int(bad > 0)
