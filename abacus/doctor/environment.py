"""The environment: its Python, and its packages against the lock."""

import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from abacus.core.documents import read_text
from abacus.doctor.finding import Finding

LOCK = Path("environment/run.lock")
PYTHON = (3, 11)
PINNED = re.compile(r"(?m)^[a-z0-9][\w.-]*==[^\\\n]+")
SETUP = "`make setup`"
HOST_S = "mindspore"  # on a host with NPUs its own is used (environment/setup.py)
SHOWN = 3


def python() -> Iterator[Finding]:
    """Which Python this is."""
    good = sys.version_info[:2] == PYTHON
    found = f"{platform.python_version()} of {sys.prefix}"
    yield Finding("python", "ok" if good else "wrong", found, "" if good else f"{SETUP} PYTHON=python3.11")


def packages(lock: Path = LOCK) -> Iterator[Finding]:
    """Whether every package of the lock is here in its version."""
    wanted = pinned(read_text(lock, "the lock of exact versions"))
    here: dict[str, str] = {}
    for one in distributions():
        if one.name:  # of two the first is imported: setuptools has copies of its own at the end of the path
            here.setdefault(canonicalize_name(one.name), one.version)
    other = [
        f"{name} {here.get(name, 'is missing')} ({version} in the lock)"
        for name, version in wanted.items()
        if here.get(name) != version and name != HOST_S
    ]
    if other:
        more = f" and {len(other) - SHOWN} more" if len(other) > SHOWN else ""
        yield Finding("packages", "wrong", ", ".join(other[:SHOWN]) + more, SETUP)
    else:
        yield Finding("packages", "ok", f"all {len(wanted)} of {lock}")
    if HOST_S in wanted and here.get(HOST_S) != wanted[HOST_S]:
        told = (
            f"{here.get(HOST_S, 'is missing')}, where the lock has {wanted[HOST_S]}, which is what was tested"
        )
        yield Finding(HOST_S, "warning" if HOST_S in here else "wrong", told, f"{SETUP} SYSTEM_MINDSPORE=0")


def pinned(text: str) -> dict[str, str]:
    """Name and version of every package that a lock has for this machine."""
    found = (Requirement(line.strip()) for line in PINNED.findall(text))
    here = [one for one in found if one.marker is None or one.marker.evaluate()]
    return {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in here}
