"""Put right what a DVC leaves that was killed while it wrote a file of its own: it writes them in place.

`make repro` and `make eval` do it before they start DVC; python -m stages.mend does nothing else.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from stages.command import run

RWLOCK = Path(".dvc/tmp/rwlock")  # who reads and writes what: without it nobody does
LOCK = Path("dvc.lock")
DAMAGED = Path(".dvc/tmp/dvc.lock.damaged")


def mend(folder: Path = Path()) -> list[str]:
    """Set aside each of DVC's two files that is half-written; return what was done, a line each.

    Every later DVC would refuse to run. Without its lock it takes what it has made before from its run cache.
    """
    done = []
    if damaged(folder / RWLOCK, json.loads):
        (folder / RWLOCK).unlink(missing_ok=True)
        done.append(f"{RWLOCK}: half-written by a DVC that was killed; removed")
    if damaged(folder / LOCK, lock_file):
        (folder / DAMAGED).parent.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).replace(folder / DAMAGED)
        done.append(f"{LOCK}: half-written by a DVC that was killed; it is {DAMAGED} now, DVC makes it anew")
    return done


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


def main() -> None:
    """Mend the current folder, and say what was done."""
    for line in mend():
        print(line, file=sys.stderr)


if __name__ == "__main__":
    run(main)
