"""Put right what a DVC leaves that was killed while it wrote a file of its own: it writes them in place."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import yaml

from abacus.core.documents import check_merged
from abacus.core.params import PATH

RWLOCK = Path(".dvc/tmp/rwlock")  # who reads and writes what: without it nobody does
LOCK = Path("dvc.lock")
DAMAGED = Path(".dvc/tmp/dvc.lock.damaged")


def mend(folder: Path = Path()) -> list[str]:
    """Set aside each of DVC's two files that is half-written; return what was done, a line each.

    Every later DVC would refuse to run. Without its lock it takes what it has made before from its run cache.
    Raises InputError, and leaves all as it is, where the damage is none of DVC's: an unresolved merge.
    """
    check_conflicts(folder)
    done = []
    if abandoned(folder / RWLOCK):
        (folder / RWLOCK).unlink(missing_ok=True)
        done.append(f"{RWLOCK}: held by a DVC that was killed; removed")
    if damaged(folder / RWLOCK, json.loads):
        (folder / RWLOCK).unlink(missing_ok=True)
        done.append(f"{RWLOCK}: half-written by a DVC that was killed; removed")
    if damaged(folder / LOCK, lock_file):
        (folder / DAMAGED).parent.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).replace(folder / DAMAGED)
        done.append(f"{LOCK}: half-written by a DVC that was killed; it is {DAMAGED} now, DVC makes it anew")
    return done


def abandoned(path: Path) -> bool:
    """Whether every process that DVC's list of readers and writers names has ended.

    DVC asks whether there is a process of that number, and a killed one whose parent does not wait for it still has one.
    """
    try:
        held = set(_pids(json.loads(path.read_text(encoding="utf-8"))))
    except (FileNotFoundError, ValueError):
        return False
    return bool(held) and not any(map(_runs, held))


def _pids(held: object) -> Iterator[int]:
    """The numbers of processes anywhere in the list."""
    if isinstance(held, dict):
        if isinstance(held.get("pid"), int):
            yield held["pid"]
        held = list(held.values())
    if isinstance(held, list):
        for inner in held:
            yield from _pids(inner)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def check_conflicts(folder: Path = Path()) -> None:
    """Raise InputError if git has left a conflict in what DVC reads first; other files are read by whoever needs them."""
    for name in (PATH, LOCK, Path("dvc.yaml")):
        with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
            check_merged((folder / name).read_text(encoding="utf-8"), name)


def damaged(path: Path, read: Callable[[str], object]) -> bool:
    """Whether `read` raises ValueError of a file's text, and still does a second later: it may be being written."""
    for wait in (1, 0):
        try:
            read(path.read_text(encoding="utf-8"))
            return False
        except FileNotFoundError:
            return False
        except ValueError:
            time.sleep(wait)
    return True


def lock_file(text: str) -> None:
    """Raise ValueError unless a text is a `dvc.lock` by DVC's own schema."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(text))
    except (yaml.YAMLError, Invalid) as error:
        raise ValueError(str(error)) from None
