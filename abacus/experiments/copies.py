"""A copy of this folder for one run: the last commit with the edits since, DVC's cache shared, nothing here touched."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from abacus.core.errors import InputError
from abacus.core.git import git
from abacus.sharing.remote import opened

WHEELS = Path(".cache/wheels")
MODELS = Path("data/models")
READY = Path(".dvc/config.local")  # written last: a copy that has it is whole
# What a copy does not need, and what would make it another one.
LEFT_OUT = ("experiments/results/", "metrics/", "dvc.lock")


def check_commit() -> None:
    """Raise InputError where there is no commit to copy."""
    git("rev-parse", "--verify", "-q", "HEAD^{commit}")


def copied(place: Path) -> Path:
    """Make the copy for a run below `place`, or go on with the one that a killed run has left; the workspace in it.

    Raises InputError with the reason of git or DVC.
    """
    top = Path(git("rev-parse", "--show-toplevel").removesuffix("\n"))
    inside = place / Path.cwd().relative_to(top.resolve())
    if not (inside / READY).is_file():
        shutil.rmtree(place, ignore_errors=True)
        git("clone", "-q", str(top), str(place))
    _edits(inside)
    _lend(inside)
    return inside


def _edits(inside: Path) -> None:
    """Make the files of a copy those that are here: changed, new and not ignored, or gone since the copy's commit.

    That commit may be an older one, of a run that goes on: a file left over would count as code of the run.
    """
    ours = dict.fromkeys(name for name in files(Path()) if Path(name).is_file())
    for name in files(inside):
        if name not in ours:
            _remove(inside, name)
    for name in ours:
        here, there = Path(name), inside / name
        if not there.is_file() or there.read_bytes() != here.read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(here, there)


def files(folder: Path) -> list[str]:
    """The files of a clone that git has or does not ignore, but those that a copy has its own of."""
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=folder).split("\0")
    return [name for name in names if name and not name.startswith(LEFT_OUT)]


def _remove(inside: Path, name: str) -> None:
    """Remove a file of a copy, and the folders that are empty then: a file may come in the place of one."""
    path = inside / name
    if (
        path.is_file() or path.is_symlink()
    ):  # the copy's git may still know a file where there is a folder by now
        path.unlink()
    for folder in path.parents:
        if folder == inside:
            break
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()


def _lend(inside: Path) -> None:
    """Share the cache of DVC and the wheels; put in place what .dvc files hold and the base models that git ignores."""
    with opened() as repo:
        cache = repo.cache.local_cache_dir
    (inside / READY).write_text(f"[cache]\n    dir = {cache}\n", encoding="utf-8")
    if not (inside / WHEELS).exists():
        WHEELS.mkdir(parents=True, exist_ok=True)  # so that what one copy has fetched the next one has
        (inside / WHEELS.parent).mkdir(exist_ok=True)
        (inside / WHEELS).symlink_to(WHEELS.resolve(), target_is_directory=True)
    pins = sorted(str(path.relative_to(inside)) for path in inside.glob("data/**/*.dvc") if path.is_file())
    if pins:
        words = [sys.executable, "-m", "dvc", "checkout", "--quiet", "--allow-missing", *pins]
        done = subprocess.run(words, cwd=inside, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            raise InputError(inside, done.stderr.strip().removeprefix("ERROR: "), "what the .dvc files name")
    for path in MODELS.rglob("*"):
        there = inside / path
        if path.is_file() and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            _link(path, there)


def _link(path: Path, there: Path) -> None:
    """Another name of a file or, on another disk, a copy."""
    with contextlib.suppress(OSError):
        os.link(path, there)
        return
    shutil.copyfile(path, there)
