"""What dvc.lock and the .dvc files name, as objects: where each stands in the workspace, its MD5 and its size."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abacus.core.errors import InputError

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.repo import Repo


PUBLISHED = Path("data/published")  # what is there can be had again from a public address


class Lost(Exception):
    """The list of a folder's files is not to be had; the message says why."""


@dataclass(frozen=True)
class Object:
    """One content: `oid` is its MD5, with `.dir` behind it for the list of a folder's files."""

    oid: str
    path: str
    size: int | None = None
    listing: bool = False


@dataclass
class Out:
    """An output with its objects, a folder's list last; `size` is that of all files together."""

    path: str
    objects: list[Object]
    size: int | None
    imported: bool  # from a public address: it can be had again without the bucket
    lost: str = ""  # why the list of its files is not to be had
    desc: str = ""  # what its .dvc file says of it
    made: bool = False  # by a stage


def outs(repo: "Repo", fetch: Callable[[str], bytes], only: list[str] | None = None) -> list[Out]:
    """Every output that DVC keeps, in the order of their names; with `only`, what is at or below those paths.

    A folder's list of files comes from DVC's cache, or from `fetch`, which gets it from the bucket or raises Lost.
    Raises InputError if there is no lock, or nothing is at those paths.
    """
    if not Path(repo.root_dir, "dvc.lock").is_file():
        raise InputError("dvc.lock", "no such file", "the lock of a run", "`make repro` makes one")
    found = [out for out in repo.index.outs if out.use_cache and out.can_push and out.hash_info]
    made = sorted((_out(repo, out, fetch) for out in found), key=lambda out: out.path)
    if only is None:
        return made
    for path in only:
        if not any(_below(path, item.path) for out in made for item in out.objects):
            raise InputError("dvc.lock", f"names no {path}", f"one of {', '.join(_beside(path, made))}")
    parts = [_part(out, only) for out in made]
    return [part for part in parts if part.objects]


def withheld(repo: "Repo") -> list[Out]:
    """The outputs that are never in a bucket (`push: false`), with their files as far as DVC's cache knows them."""

    def nowhere(oid: str) -> bytes:
        raise Lost("never in a bucket")

    found = [out for out in repo.index.outs if out.use_cache and not out.can_push and out.hash_info]
    return sorted((_out(repo, out, nowhere) for out in found), key=lambda out: out.path)


def _out(repo: "Repo", out: "Output", fetch: Callable[[str], bytes]) -> Out:
    path = Path(out.fs_path).relative_to(repo.root_dir).as_posix()
    oid = out.hash_info.value
    imported = out.stage.is_import or Path(path).is_relative_to(PUBLISHED)
    made = Out(
        path, [], out.meta.size, imported, desc=out.annot.desc or "", made=not out.stage.is_data_source
    )
    if not out.hash_info.isdir:
        made.objects.append(Object(oid, path, out.meta.size))
        return made
    content = cached(repo, oid)
    try:
        content = fetch(oid) if content is None else content
    except Lost as error:
        made.lost = str(error)
    else:
        for entry in json.loads(content):
            made.objects.append(Object(entry["md5"], f"{path}/{entry['relpath']}", _size(repo, entry["md5"])))
    made.objects.append(Object(oid, path, None if content is None else len(content), listing=True))
    return made


def _part(out: Out, only: list[str]) -> Out:
    """What of an output is at or below the paths, with its list, which is needed to get at it."""
    if any(_below(path, out.path) for path in only):
        return out
    inside = [
        item for item in out.objects if not item.listing and any(_below(path, item.path) for path in only)
    ]
    lists = [item for item in out.objects if item.listing] if inside else []
    return Out(out.path, inside + lists, None, out.imported)


def _beside(path: str, made: list[Out]) -> list[str]:
    """What there is in the folder of a path, and if that is nothing, every output."""
    folder = path.rpartition("/")[0] + "/"
    names = [
        item.path.removeprefix(folder)
        for out in made
        for item in out.objects
        if _below(folder[:-1], item.path)
    ]
    inside = dict.fromkeys(f"{folder}{name.split('/')[0]}" for name in names if "/" in name)
    return list(inside) or [out.path for out in made]


def _below(path: str, name: str) -> bool:
    return name == path or name.startswith(f"{path}/")


def place(repo: "Repo", oid: str) -> Path:
    """Where DVC's cache has the content, or will have."""
    return Path(repo.cache.local.oid_to_path(oid))


def cached(repo: "Repo", oid: str) -> bytes | None:
    """The list of a folder from DVC's cache, or None if it is not there as it was."""
    try:
        content = place(repo, oid).read_bytes()
    except FileNotFoundError:
        return None
    return content if md5(content) == oid.removesuffix(".dir") else None


def _size(repo: "Repo", oid: str) -> int | None:
    try:
        return place(repo, oid).stat().st_size
    except FileNotFoundError:
        return None


def md5(content: bytes) -> str:
    """The MD5 of some bytes, as DVC writes it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
