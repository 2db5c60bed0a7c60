"""Unpack a published archive of MindRecord beside it, and have DVC keep what was in it."""

import copy
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from abacus.core.errors import InputError
from abacus.core.files import free_bytes, replacing

if TYPE_CHECKING:
    from dvc.repo import Repo

EXPECTED = "a tar of MindRecord files"


def unpack(repo: "Repo", path: Path) -> Path:
    """Unpack `path` to a folder of its name; the MindRecord in it whose index (.db) is beside it."""
    folder = path.with_suffix("")
    if not folder.is_dir():
        extract(path, folder)
        repo.add([str(folder)])
    records = sorted(
        index.with_suffix("") for index in folder.rglob("*.db") if index.with_suffix("").is_file()
    )
    if not records:
        raise InputError(folder, "holds no MindRecord with its index (x and x.db)", "one")
    return records[0]


def extract(path: Path, folder: Path) -> None:
    """Unpack the archive, all or nothing; nothing of it may point out of the folder."""
    try:
        with tarfile.open(path) as tar, replacing(folder) as part:
            members = tar.getmembers()
            size, free = sum(member.size for member in members), free_bytes(folder)
            if size > free:
                raise InputError(path, f"unpacked it is {size:,} bytes, and {free:,} are free on this disk")
            part.mkdir()
            with tqdm(total=size, desc="unpack", unit="B", unit_scale=True) as bar:
                for member in members:
                    extract_one(tar, member, part)
                    bar.update(member.size)
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, InputError):
            raise
        said = str(error).splitlines()[0].rstrip(":")
        raise InputError(path, str(said), EXPECTED) from error


def extract_one(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Unpack one member as data; tarfile.TarError if it reaches out of the folder or is a special file."""
    if hasattr(tarfile, "data_filter"):
        tar.extract(member, folder, filter="data")
    else:  # Python 3.11.3 and older
        tar.extract(as_data(member, folder), folder, set_attrs=not member.isdir())


def as_data(member: tarfile.TarInfo, folder: Path) -> tarfile.TarInfo:
    """Return the member as `tarfile.data_filter` of later Pythons does, or raise TarError in its words.

    A name stays inside the folder, a link leads to what is inside, modes are a file's own, there is no owner.
    """
    member = copy.copy(member)
    member.name = member.name.lstrip("/")
    check_inside(folder, member.name, f"{member.name!r} would be extracted to")
    if not (member.isreg() or member.isdir() or member.islnk() or member.issym()):
        raise tarfile.TarError(f"{member.name!r} is a special file")
    if member.islnk() or member.issym():
        check_link(member, folder)
    member.mode = (member.mode & (0o755 if member.mode & 0o100 else 0o644)) | 0o600
    member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
    return member


def check_link(member: tarfile.TarInfo, folder: Path) -> None:
    """TarError if a link leads out of the folder, or is a hard one to what has not been unpacked."""
    if Path(member.linkname).is_absolute():
        raise tarfile.TarError(f"{member.name!r} is a link to an absolute path")
    start = Path(member.name).parent if member.issym() else Path()
    check_inside(folder, start / member.linkname, f"{member.name!r} would link to")
    # tarfile would look for the member of that name and unpack it as it is
    if member.islnk() and not (folder / member.linkname).exists():
        raise tarfile.TarError(f"{member.name!r} is a link to {member.linkname!r}, which is not before it")


def check_inside(folder: Path, name: str | Path, what: str) -> None:
    """TarError if a name leads out of the folder, by itself or through a link that is there already."""
    target = Path(os.path.realpath(folder / name))
    if not target.is_relative_to(os.path.realpath(folder)):
        raise tarfile.TarError(f"{what} {str(target)!r}, which is outside the destination")
