"""Put published files in place, each pinned by DVC.

Of a file whose content is known beforehand nothing else is taken; of the others the first import pins what it found.
"""

import contextlib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from abacus.core.errors import InputError
from abacus.core.files import free_bytes
from abacus.sharing import address, archive, transfer
from abacus.sharing.advice import explain
from abacus.sharing.objects import PUBLISHED, Object, place
from abacus.sharing.published import Content, File
from abacus.sharing.remote import one_line, opened

if TYPE_CHECKING:
    from dvc.fs import FileSystem
    from dvc.repo import Repo
    from dvc.stage import Stage


def put_all(files: list[File], source: str) -> int:
    """Put files in place, a line each; how many failed. The error of a single file is raised."""
    failed = 0
    with opened() as repo:
        for file in files:
            try:
                print(f"{file.place}: {put(repo, file, source)}", flush=True)
            except InputError as error:
                if len(files) == 1:
                    raise
                failed += 1
                print(f"{file.place}: FAILED: {error}", flush=True)
    return failed


def room(files: list[File], source: str) -> None:
    """InputError if the server cannot be reached, or the files are larger than what is free on this disk."""
    size = 0
    for file in files:
        if file.pin.is_file():
            continue
        if file.content:
            size += file.content.size
            continue
        with contextlib.suppress(address.Refused):  # that file's own line will say it
            size += address.head(file.url(source)).size
    free = free_bytes(PUBLISHED)
    if size > free:
        raise InputError(
            "", f"{size:,} bytes are to be fetched and {free:,} are free on this disk", "room for all"
        )


def state(file: File) -> str:
    """What is here of a file."""
    if not file.pin.is_file():
        return "not imported"
    return "in place" if file.place.is_file() else "pinned, not here"


def put(repo: "Repo", file: File, source: str) -> str:
    """Put a file in place; how that was done and how to start from it, in words."""
    how = get(repo, file, source)
    record = archive.unpack(repo, file.place) if file.key.endswith("-mindrecord.tar") else None
    use = file.use.format(place=file.place, record=record)
    return f"{how}; to start from it: {use}" if use else how


def get(repo: "Repo", file: File, source: str) -> str:
    """Put a file in place, from the cache, its address or a mirror; one of known content from a path too."""
    if file.pin.is_file():
        return pinned(repo, file, source)
    if file.content:
        return known(repo, file, file.content, source)
    url = file.url(source)
    there = address.head(url)
    if file.place.exists():
        raise InputError("", f"{file.place} is there and not pinned", "nothing", "move it away")
    file.place.parent.mkdir(parents=True, exist_ok=True)
    from dvc.exceptions import DvcException

    try:
        repo.imp_url(url, out=str(file.place))
    except DvcException as error:
        raise InputError("", one_line(error)) from error
    except Exception as error:  # whichever network library it is; DVC lets them through
        raise InputError(url, str(explain(error).cause), advice="nothing was kept, run again") from error
    return f"imported, {there.size:,} bytes; commit {file.pin}"


def known(repo: "Repo", file: File, content: Content, source: str) -> str:
    """Put a file of known content in place, and write its .dvc file as an import would; how, in words."""
    path = file.place if file.place.exists() else None if remote(source) else Path(source)
    if path:
        check(path, content, f"{file.key} as published")
    file.place.parent.mkdir(parents=True, exist_ok=True)
    stage = import_of(repo, file, content)
    item = Object(content.md5, str(file.place), content.size)
    if path:
        land(repo, stage.outs[0].fs, str(path), item)
    elif not transfer.present(repo, [item]):
        url = file.url(source)
        address.head(url)
        land(repo, stage.deps[0].fs, url, item)
    check(place(repo, content.md5), content, f"{file.key} as published")
    stage.dump()
    repo.checkout([str(file.pin)], force=True)
    return f"{f'taken from {path}' if path else 'imported'}, {content.size:,} bytes; commit {file.pin}"


def remote(source: str) -> bool:
    """Whether a source is an address, or not given, which means the file's own."""
    return not source or source.startswith("https://")


def check(path: Path, content: Content, expected: str) -> None:
    """Raise InputError unless the file at `path` is the known one."""
    if not path.is_file():
        raise InputError(path, "no such file", expected)
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != content.sha256:
        raise InputError(path, f"its sha256 is {found}", f"{content.sha256} ({expected})")


def import_of(repo: "Repo", file: File, content: Content) -> "Stage":
    """What `dvc import-url` would make of a file of known content, not written yet."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta

    where = {"fname": str(file.pin), "wdir": str(file.place.parent)}
    stage = repo.stage.create(
        single_stage=True, validate=False, deps=[file.url()], outs=[file.place.name], **where
    )
    out = stage.outs[0]
    out.hash_info, out.meta = HashInfo("md5", content.md5), Meta(size=content.size)
    stage.md5, stage.frozen = stage.compute_md5(), True
    return stage


def pinned(repo: "Repo", file: File, source: str) -> str:
    """Put a file that was imported before in place, its content as it was then."""
    stage = repo.stage.load_one(str(file.pin))
    out = stage.outs[0]
    item = Object(out.hash_info.value, str(file.place), out.meta.size)
    how = "in place, as pinned"
    if not transfer.present(repo, [item]):
        if not remote(source) and file.content:
            check(Path(source), file.content, f"{file.key} as published")
            land(repo, out.fs, source, item)
        else:
            fetch(repo, stage, item, file.url(source) if source else stage.deps[0].def_path)
        how = f"fetched, {item.size:,} bytes, as pinned"
    from dvc.exceptions import DvcException

    try:
        repo.checkout([str(file.place)])
    except DvcException as error:
        raise InputError(
            "",
            str(one_line(error)),
            advice=f"{file.place} was changed here, move it away to have the pinned one",
        ) from error
    return how


def fetch(repo: "Repo", stage: "Stage", item: Object, url: str) -> None:
    """Download a pinned content into DVC's cache; InputError if the address has another by now."""
    there = address.head(url)
    dep = stage.deps[0]
    was = dep.hash_info.value.strip('"') if dep.hash_info else ""
    renew = f"`make pull` may have the old one; `dvc update {item.path}.dvc` takes the new one"
    if there.size != item.size or (was and there.etag and url == dep.def_path and there.etag != was):
        raise InputError(
            "",
            f"{url} has changed since it was pinned ({item.size:,} bytes, ETag {was}",
            advice=f"now {there.size:,}, {there.etag}); nothing was changed here; {renew}",
        )
    land(repo, dep.fs, url, item, renew)


def land(repo: "Repo", fs: "FileSystem", where: str, item: Object, advice: str = "run again") -> None:
    """Copy a content that is known by its MD5 into DVC's cache, verified; InputError if it is another one."""
    failed = transfer.from_address(repo, fs, where, item)
    if item.oid not in failed:
        return
    error = failed[item.oid]
    if error:
        raise InputError(where, str(explain(error).cause), advice="nothing was kept, run again") from error
    found = f"its content is not the pinned one (MD5 {item.oid})"
    raise InputError(where, found, advice=f"nothing was kept; {advice}")
