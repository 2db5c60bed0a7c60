"""Hold the objects in the bucket to what dvc.lock says: there or not, whole or damaged.

A size or an ETag (the MD5, for what was put there in one part) that differs is a sign; an ETag that differs is
settled by downloading the object and hashing it, for an encrypted bucket has other ETags. An object of several
parts is held to its size, and with `full` every object is downloaded and hashed.
"""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tqdm import tqdm

from abacus.sharing.objects import Lost, Object, Out, md5, outs
from abacus.sharing.store import Found, Store

if TYPE_CHECKING:
    from dvc.repo import Repo

SOON = 2  # seconds: what takes less shows no bar
MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass
class State:
    """What is in the bucket of what dvc.lock names."""

    outs: list[Out]
    found: dict[str, Found]
    damaged: dict[str, str] = field(default_factory=dict)  # by oid, what is wrong

    @property
    def objects(self) -> list[Object]:
        """Every content once."""
        return list({item.oid: item for out in self.outs for item in out.objects}.values())

    @property
    def missing(self) -> list[Object]:
        """What is not in the bucket."""
        return [item for item in self.objects if item.oid not in self.found]

    def named(self, oid: str) -> str:
        """Where a content stands in the workspace."""
        return next(item.path for item in self.objects if item.oid == oid)


def state(repo: "Repo", store: Store, only: list[str] | None = None, full: bool = False) -> State:
    """Compare the bucket with dvc.lock (or with what it has at the paths `only`)."""
    lists: dict[str, bytes] = {}

    def fetch(oid: str) -> bytes:
        if oid not in lists:
            lists[oid] = listing(store, oid)
        return lists[oid]

    made = outs(repo, fetch, only)
    seen = State(made, {})
    with tqdm(
        total=len(seen.objects), desc="look into the bucket", unit=" objects", leave=False, delay=SOON
    ) as bar:
        seen.found = store.look([item.oid for item in seen.objects], bar.update)
    judge(seen, store, full)
    return seen


def listing(store: Store, oid: str) -> bytes:
    """The list of a folder's files from the bucket; Lost if it is not there, or not as it was."""
    content = store.content(oid)
    if content is None:
        raise Lost("its list of files is not in the bucket")
    if md5(content) != oid.removesuffix(".dir"):
        raise Lost(f"its list of files in the bucket was altered (MD5 {md5(content)})")
    return content


def judge(seen: State, store: Store, full: bool) -> None:
    """Find the damaged ones among the objects that are there."""
    suspects = []
    for item in seen.objects:
        found = seen.found.get(item.oid)
        if not found:
            continue
        if item.size is not None and found.size != item.size:
            seen.damaged[item.oid] = f"holds {found.size:,} bytes, expected {item.size:,}"
        elif full or (MD5.fullmatch(found.etag) and found.etag != item.oid.removesuffix(".dir")):
            suspects.append(item.oid)
    suspects += [oid for out in seen.outs for oid in unsized(out, seen) if oid not in suspects]
    total = sum(seen.found[oid].size for oid in suspects)
    with tqdm(total=total, desc="hash", unit="B", unit_scale=True, leave=False, delay=SOON) as bar:
        for oid in suspects:
            there = store.md5(oid, bar.update)
            if there != oid.removesuffix(".dir"):
                seen.damaged[oid] = f"has the MD5 {there}, expected {oid.removesuffix('.dir')}"


def unsized(out: Out, seen: State) -> list[str]:
    """Objects that only a hash can judge: their size is not known here, and that of the whole folder differs."""
    files = [item for item in out.objects if not item.listing]
    if out.size is None or not all(item.oid in seen.found for item in files):
        return []
    if sum(seen.found[item.oid].size for item in files) == out.size:
        return []
    return [item.oid for item in files if item.size is None]
