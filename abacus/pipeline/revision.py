"""A run of another revision, laid out in a folder: git's files out of its objects, DVC's out of its cache or remote.

Neither index nor worktree is touched.
"""

import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.core.git import git
from abacus.core.typed import validated
from abacus.pipeline.lock import LOCK, Lock


def commit_of(revision: str) -> str:
    """The hash of a revision of git's, or else of DVC's last experiment of that name."""
    with contextlib.suppress(InputError):
        return git("rev-parse", "--verify", f"{revision}^{{commit}}").strip()
    how = "--sort=committerdate", "--format=%(objectname)"
    found = git("for-each-ref", *how, f"refs/exps/**/{revision}").split()
    if not found:
        raise InputError(revision, "is known neither to git nor as an experiment", "a revision")
    return found[-1]


def lay_out(commit: str, kept: Iterable[Path], cached: Iterable[Path], folder: Path) -> list[Path]:
    """Write what a commit has of these paths, and its dvc.lock, below a folder: git's `kept`, DVC's `cached`.

    Returns those of `cached` that the commit has made and that are neither in the cache nor at the remote. What it does
    not have at all is left out in silence, as it would be in its checkout.
    """
    names = git("ls-tree", "-r", "--name-only", "-z", commit, "--", str(LOCK), *map(str, kept)).split("\0")
    for name in filter(None, names):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(git("show", f"{commit}:./{name}"), encoding="utf-8", errors="surrogateescape")
    lock = folder / LOCK
    made = [Path(out.path) for out in validated(Lock, read_yaml(lock), lock).outs] if lock.is_file() else []
    # A path within an output, an output, or a folder of several of them.
    there = [path for path in cached if any(path.is_relative_to(out) for out in made)]
    there += [out for out in made if any(out != path and out.is_relative_to(path) for path in cached)]
    return [path for path in there if not _fetched(commit, path, folder / path)]


def _fetched(commit: str, path: Path, to: Path) -> bool:
    """Get an output of DVC, a file or a folder, and say whether all of it could be had."""
    from dvc.api import DVCFileSystem

    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        DVCFileSystem(rev=commit).get(str(path), str(to), recursive=True)
    except Exception:  # of DVC, of a library below it, of a remote: half a folder is none
        shutil.rmtree(to, ignore_errors=True)
    return to.exists()
