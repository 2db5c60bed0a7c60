"""Have DVC hold a folder like a base model of one's own: its content in the cache, its hash in a .dvc file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from abacus.core.errors import InputError
from abacus.core.files import check_room
from abacus.sharing.remote import opened

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.repo import Repo


def add_push(parser: argparse.ArgumentParser) -> None:
    """The option PUSH=0, which is kept in the .dvc file."""
    words = "0: it never goes to a bucket, for its licence; by default as its .dvc file says, or 1"
    parser.add_argument("--push", action=argparse.BooleanOptionalAction, help=words)


def inside_here(folder: Path) -> bool:
    """Whether a folder lies in the current one: what lies elsewhere is not DVC's."""
    return folder.resolve().is_relative_to(Path.cwd().resolve())


def pin_of(folder: Path) -> Path:
    """The .dvc file of a folder."""
    return folder.with_name(f"{folder.name}.dvc")


def keep(folder: Path, push: bool | None = None) -> str:
    """Add a folder to DVC; what is to be committed, in words. Without `push` it is as the .dvc file says, or true.

    What is not pushed is described in its .dvc file, for those who have to bring it.
    """
    pin = pin_of(folder)
    with opened() as repo:
        if not pin.is_file():
            check_room(Path(repo.cache.local.path), sum(file.stat().st_size for file in folder.rglob("*")))
        (stage,) = repo.add([str(folder)])
        out = stage.outs[0]
        out.can_push = out.can_push if push is None else push
        names = sorted(path.name for path in folder.iterdir())
        out.annot.desc = None if out.can_push else ", ".join(names)
        stage.dump()
    said = "" if out.can_push else f" (push: false: others bring {out.annot.desc} themselves)"
    warned = "" if out.can_push else "; what stages make of it, such as data/base, is pushed all the same"
    return f"{folder}: held by DVC{said}{warned}; commit {pin}, {pin.with_name('.gitignore')}"


def check_same(folder: Path, pin: Path, part: Path) -> None:
    """Raise InputError unless what is in `part` is what the .dvc file `pin` of `folder` says, if there is one."""
    if not pin.is_file():
        return
    with opened() as repo:
        out = repo.stage.load_one(str(pin)).outs[0]
        found = fingerprint(repo, out, part)
        if found != out.hash_info.value:
            raise InputError(
                folder,
                f"{described(part, found)} would come there",
                f"{out.annot.desc or 'what'} {pin} has (MD5 {out.hash_info.value}, {out.meta.size or 0:,} bytes)",
                "REPLACE=1 takes the new one",
            )


def fingerprint(repo: "Repo", out: "Output", folder: Path) -> str:
    """The MD5 that DVC would give a folder."""
    from dvc_data.hashfile.build import build

    _, _, found = build(repo.cache.local, str(folder.resolve()), out.fs, "md5", dry_run=True)
    return found.hash_info.value


def described(folder: Path, oid: str) -> str:
    """A folder's files, their size, and its MD5, in words."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    size = sum(path.stat().st_size for path in files)
    return f"{', '.join(path.name for path in files)} (MD5 {oid}, {size:,} bytes)"
