"""Files that are never half-written, and room on the disk for them."""

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from abacus.core.errors import InputError

# Unfinished outputs lie beside the finished ones under names that git and DVC ignore.
PART = ".part-"


LOCK = ".in-use"  # in each of them: held by the process that writes there
OLD = ".old"
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of renameat2(2)

FULL = 1 << 24  # bytes; with fewer a disk counts as full: MindRecord stops at ten megabytes


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to (a file or a folder); put it in place only if all went well.

    A file is always a new one that is renamed: what `path` was, or another name of it (a link, DVC's cache), keeps
    its bytes. Of two that write one path at the same moment each has a place of its own, and the later one stays.
    Of several blocks that end together nothing moves before all is written; each then moves by itself, so a kill
    between two moves leaves each of them whole, some old and some new.
    A full disk says nothing of the file, a read-only one names the unfinished one: the error names `path`.
    """
    prefix = f"{PART}{path.name}-"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tidy(path)
        with _workplace(path.parent, prefix) as folder:
            part = folder / path.name
            try:
                yield part
            except (InputError, OSError):
                raise
            except Exception as error:  # MindSpore tells of a full disk by a RuntimeError of twenty lines
                if free_bytes(path.parent) < FULL:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
                raise
            put(part, path)
    except OSError as error:
        if error.filename is None or prefix in str(error.filename):
            error.filename = str(path)
        raise


def tidy(path: Path) -> None:
    """Remove what killed writers of `path` have left; what is being written, or is another user's, is let be."""
    own = re.compile(re.escape(f"{PART}{path.name}-") + "[a-z0-9_]{8}")
    for left in path.parent.glob(f"{PART}*"):
        if not own.fullmatch(left.name):
            continue
        with contextlib.suppress(FileNotFoundError, PermissionError), alone(left / LOCK) as free:
            old = left / f"{path.name}{OLD}"
            if free and old.exists() and not path.exists():  # killed between the two renames of `put`
                old.rename(path)
            if free:
                shutil.rmtree(left)


@contextlib.contextmanager
def _workplace(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder that its lock shows to be in use as long as this process lives."""
    with contextlib.ExitStack() as stack:
        own: bool | None = False
        while own is False:  # somebody who tidies may come between making the folder and locking it
            folder = Path(
                stack.enter_context(
                    tempfile.TemporaryDirectory(dir=parent, prefix=prefix, ignore_cleanup_errors=True)
                )
            )
            try:
                own = stack.enter_context(alone(folder / LOCK))
            except FileNotFoundError:
                if folder.exists():
                    raise
        yield folder


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[bool | None]:
    """Whether no other process is in such a block for the file `lock`; None where the file system knows no locks.

    The system frees the lock when a process ends, however that ends.
    """
    with lock.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free: bool | None = lock.exists() and lock.samefile(f"/dev/fd/{file.fileno()}")
        except (BlockingIOError, FileNotFoundError):
            free = False
        except OSError:
            free = None
        yield free


def put(part: Path, path: Path) -> None:
    """Put what was written at `part` in the place of `path`, in one step where the file system can do that."""
    if path.is_dir() and part.is_file():
        raise InputError(path, "is a folder", "a file to write")
    if not path.is_dir() or path.is_symlink():
        part.replace(path)
        return
    # A folder cannot be renamed over another one: the two change places, or the old one steps aside, and back if
    # need be.
    part.lstat()  # nothing was written: FileNotFoundError
    if exchanged(part, path):
        return
    aside = path.rename(part.with_name(f"{path.name}{OLD}"))
    try:
        part.replace(path)
    except OSError:
        aside.rename(path)
        raise


def exchanged(one: Path, other: Path) -> bool:
    """Let two paths of one file system change places in one step; False where that is not to be had."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    return rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0


def check_room(path: Path, needed: int) -> None:
    """Raise InputError unless the disk that holds `path` (or will) has room for so many bytes."""
    if free_bytes(path) < needed:
        raise InputError(path, f"{free_bytes(path):,} bytes are free on its disk", f"{needed:,}")


def free_bytes(path: Path) -> int:
    """Bytes free on the disk that holds `path` (or will)."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def check_out(out: Path, marks: tuple[str, ...], what: str) -> None:
    """Raise InputError for a place where something else is than an earlier `what`, known by its files `marks`."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(out, "is there and no folder", "a new name")
    if out.is_dir() and any(out.iterdir()) and not all((out / name).is_file() for name in marks):
        raise InputError(out, f"holds something else than {what}", "a new name")
