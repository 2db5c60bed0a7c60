"""A run of another revision, laid out in a folder: git's files out of its objects, DVC's out of its cache or remote.

Neither index nor worktree is touched.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from abacus.core.errors import InputError
from abacus.core.git import git


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
    """Write what a commit has of these paths below a folder: git's `kept`, DVC's `cached`; return what could not be had.

    What a commit does not have at all is left out in silence, as it would be in its checkout.
    """
    names = git("ls-tree", "-r", "--name-only", "-z", commit, "--", *map(str, kept)).split("\0")
    for name in filter(None, names):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(git("show", f"{commit}:./{name}"), encoding="utf-8", errors="surrogateescape")
    return _fetch(commit, cached, folder)


def _fetch(commit: str, paths: Iterable[Path], folder: Path) -> list[Path]:
    """Get outputs of DVC; those that are neither in the cache nor at the remote are returned."""
    from dvc.api import DVCFileSystem

    system, lacking = DVCFileSystem(rev=commit), []
    for path in paths:
        try:
            if system.exists(str(path)):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                system.get(str(path), str(folder / path), recursive=True)
        except Exception:  # of DVC, of a library below it, of a remote: what it was is in DVC's own log
            lacking.append(path)
    return lacking
