"""Move objects between DVC's cache and the bucket, several at a time, with DVC's own file systems.

Each object is asked for and judged by itself. `dvc push` takes a folder's list in the bucket as a sign that all
of the folder is there, which is not so after one checkpoint of it was shared.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsspec.callbacks import Callback
from tqdm import tqdm

from abacus.sharing.objects import Object, place

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.db import HashFileDB


HOUR = 3600
SOON = 2  # seconds: what takes less shows no bar
ROUND = 2  # objects a job between two looks at what failed


class Meter(Callback):
    """Bytes on their way, of all objects together, on one bar."""

    def __init__(self, bar: tqdm):
        super().__init__()
        self.bar = bar

    def branched(self, path_1: str, path_2: str, **kwargs: Any) -> "Part":
        """What DVC calls before each object."""
        return Part(self.bar)


class Part(Callback):
    """Bytes of one object."""

    def __init__(self, bar: tqdm):
        super().__init__()
        self.bar = bar

    def relative_update(self, inc: int = 1) -> None:
        """So many bytes more are there."""
        self.bar.update(inc)


def upload(repo: "Repo", remote: str, items: Iterable[Object]) -> dict[str, BaseException]:
    """Copy objects from the cache into the bucket, over what is there; what failed, by oid, with its error.

    A folder's list goes last, and only if no file of this run failed: a list means to DVC that all is there.
    """
    odb = repo.cloud.get_remote_odb(remote)
    items = list(items)
    failed: dict[str, BaseException] = {}
    with _bar("push", items) as bar:
        for listing in (False, True):
            if not failed:
                part = [item for item in items if item.listing == listing]
                failed = _add(odb, repo.cache.local, part, bar, odb.fs.jobs)
    return failed


def download(repo: "Repo", remote: str, items: Iterable[Object]) -> dict[str, BaseException | None]:
    """Copy objects from the bucket into the cache; what failed, by oid: its error, or None if it was damaged.

    DVC hashes every one of them and throws away what has another MD5 (`verify`).
    """
    items = list(items)
    odb = repo.cloud.get_remote_odb(remote)
    with _bar("pull", items) as bar:
        failed = _add(repo.cache.local, odb, items, bar, odb.fs.jobs, verify=True)
    here = present(repo, items)
    # Where nothing failed, everything was tried: what is not here then was thrown away.
    first = next(iter(failed.values()), None)
    return {item.oid: failed.get(item.oid, first) for item in items if item.oid not in here}


def from_address(repo: "Repo", fs: Any, url: str, item: Object) -> dict[str, BaseException | None]:
    """Copy an object from an address into the cache; what failed, as `download` returns it."""
    failed: dict[str, BaseException] = {}
    with _bar("fetch", [item]) as bar:
        repo.cache.local.add(
            url,
            fs,
            item.oid,
            callback=Meter(bar),
            check_exists=False,
            on_error=failed.__setitem__,
            verify=True,
        )
    return {} if present(repo, [item]) else {item.oid: failed.get(item.oid)}


def _bar(what: str, items: list[Object], **shown: object) -> tqdm:
    total = sum(item.size or 0 for item in items)
    return tqdm(total=total, desc=what, unit="B", unit_scale=True, disable=not items, **shown)


def _add(
    to: "HashFileDB", source: "HashFileDB", items: list[Object], bar: tqdm, jobs: int, verify: bool = False
) -> dict[str, BaseException]:
    failed: dict[str, BaseException] = {}
    items = sorted(items, key=lambda item: item.size or 0)
    for start in range(0, len(items), ROUND * jobs):
        if failed:  # a server that is gone would be tried in vain for every object, some seconds each
            return failed
        some = items[start : start + ROUND * jobs]
        to.add(
            [source.oid_to_path(item.oid) for item in some],
            source.fs,
            [item.oid for item in some],
            callback=Meter(bar),
            batch_size=jobs,
            check_exists=False,
            on_error=failed.__setitem__,
            verify=verify,
        )
    return failed


def present(repo: "Repo", items: Iterable[Object]) -> set[str]:
    """Those of the objects that DVC's cache has; one that DVC did not finish checking is hashed."""
    return set(repo.cache.local.oids_exist([item.oid for item in items]))


def altered(repo: "Repo", items: Iterable[Object]) -> list[Object]:
    """Those of the objects whose copy in the cache has another MD5 than its name says."""
    from dvc_data.hashfile.hash import file_md5

    items = list(items)
    found = []
    with _bar("hash", items, leave=False, delay=SOON) as bar:
        for item in items:
            path = place(repo, item.oid)
            if file_md5(str(path), repo.cache.local.fs) != item.oid.removesuffix(".dir"):
                found.append(item)
            bar.update(item.size or 0)
    return found


def tidy(folder: Path) -> None:
    """Remove what killed downloads of DVC left at or below a folder, an hour after they were last written to."""
    for part in folder.rglob(".*.tmp"):
        if part.is_file() and part.stat().st_mtime < time.time() - HOUR:
            part.unlink(missing_ok=True)
