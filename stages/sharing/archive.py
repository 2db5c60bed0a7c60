"""Unpack a published archive of MindRecord beside it, and have DVC keep what was in it."""

import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from stages.command import InputError, free_bytes, replacing

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
        raise InputError(f"{folder}: holds no MindRecord with its index (x and x.db), expected one")
    return records[0]


def extract(path: Path, folder: Path) -> None:
    """Unpack the archive, all or nothing; nothing of it may point out of the folder."""
    try:
        with tarfile.open(path) as tar, replacing(folder) as part:
            members = tar.getmembers()
            size, free = sum(member.size for member in members), free_bytes(folder)
            if size > free:
                raise InputError(f"{path}: unpacked it is {size:,} bytes, and {free:,} are free on this disk")
            part.mkdir()
            with tqdm(total=size, desc="unpack", unit="B", unit_scale=True) as bar:
                for member in members:
                    tar.extract(member, part, filter="data")
                    bar.update(member.size)
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, InputError):
            raise
        said = str(error).splitlines()[0].rstrip(":")
        raise InputError(f"{path}: {said}, expected {EXPECTED}") from error
