"""Import the files that the reference run published, each pinned by DVC to the version that was found.

    python -m stages.published [--name NAME ...] [--from ADDRESS] [--list]
        (make published [NAME=train-v2.json] [FROM=https://mirror] [LIST=1])

A name is a file's, or a folder's for all in it; without one, everything. A file goes to data/published/ by
`dvc import-url`, which writes a .dvc file beside it with the server's ETag and the content's MD5; commit that.
From then on the content must have this MD5, wherever it comes from. An archive of MindRecord is unpacked too.
"""

import argparse
import contextlib
import difflib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stages.command import InputError, free_bytes, run
from stages.sharing import address, archive, transfer
from stages.sharing.advice import explain
from stages.sharing.objects import PUBLISHED, Object
from stages.sharing.remote import one_line, opened

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

ADDRESS = "https://nju-hw-finetune.obs.cn-southwest-2.myhuaweicloud.com"
STEPS = (781, 1562, 2343, 3124, 3905)
EXPORT = "python -m stages.export --profile llama3-8b --out exports/lr4"


class File(NamedTuple):
    """A published file: its key in the bucket, and how to start from it."""

    key: str
    use: str = ""

    @property
    def place(self) -> Path:
        """Where it goes: its key without the first folder."""
        return PUBLISHED / (self.key.split("/", 1)[-1])

    @property
    def pin(self) -> Path:
        """The .dvc file beside it."""
        return self.place.with_name(self.place.name + ".dvc")


FILES = (
    File("caculation_convert.py"),
    File("data_converter.py"),
    File("data-v2/train-v2.json", "inputs.train: {place} in params.yaml"),
    File("data-v2/train-v2-conversation.json", "inputs.conversations: {place} in params.yaml"),
    File("data-v2/train-v2-mindrecord.tar", "inputs.mindrecord: {record} in params.yaml"),
    *(
        File(f"lr4-v2/lr4_v2_{step}_0.ckpt", f"{EXPORT} --checkpoint {{place}}")
        for step in STEPS
        if step != STEPS[-1]
    ),
    File("lr4-v2/lr4_v2_3905.ckpt", f"{EXPORT} --checkpoint {{place}}"),
    *(
        File(
            f"lr4-v2/lr4_v2_ckpts/rank_{rank}/llama3_8b_rank_{rank}-{step}_2.ckpt",
            f"{EXPORT} --shards {PUBLISHED}/lr4_v2_ckpts --step {step}_2 --strategy folder-of-the-run's",
        )
        for rank in range(4)
        for step in STEPS
    ),
    File("lr4-v2/mindformers-lr4-v2.zip"),
)


def main() -> None:
    """Import what was asked for, a line a file; InputError at the end if any failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", nargs="+", default=[], help="files or folders; all if not given")
    parser.add_argument("--from", dest="source", default="", help="address that serves the same keys")
    parser.add_argument("--list", action="store_true", help="list the files and what is here of them")
    args = parser.parse_args()
    if args.source and not args.source.startswith("https://"):
        raise InputError(f"FROM is {args.source!r}, expected https://...")
    files = list(dict.fromkeys(file for name in args.name for file in named(name))) or list(FILES)
    if args.list:
        for file in files:
            print(f"{file.key:70}{state(file)}")
        return
    source = args.source.rstrip("/")
    transfer.tidy(PUBLISHED)
    room(files, source)
    failed = put_all(files, source)
    if failed:
        raise InputError(
            f"{failed} of {len(files)} files are not in place, expected all; the lines above say why"
        )


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


def named(name: str) -> list[File]:
    """The files of a name; InputError with the nearest ones if there are none."""
    found = [file for file in FILES if f"/{name.strip('/')}/" in f"/{file.key}/" or str(file.place) == name]
    if not found:
        names = sorted({part for file in FILES for part in file.key.split("/")})
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        raise InputError(
            f"NAME is {name!r}, expected a published file or folder, such as {', '.join(near or names)}"
        )
    return found


def room(files: list[File], source: str) -> None:
    """InputError if the server cannot be reached, or the files are larger than what is free on this disk."""
    size = 0
    for file in files:
        if not file.pin.is_file():
            with contextlib.suppress(address.Refused):  # that file's own line will say it
                size += address.head(f"{source or ADDRESS}/{file.key}").size
    free = free_bytes(PUBLISHED)
    if size > free:
        raise InputError(
            f"{size:,} bytes are to be fetched and {free:,} are free on this disk, expected room for all"
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
    """Put a file in place, from the cache or its address; how, in words."""
    if file.pin.is_file():
        return pinned(repo, file, source)
    url = f"{source or ADDRESS}/{file.key}"
    there = address.head(url)
    if file.place.exists():
        raise InputError(f"{file.place} is there and not pinned, expected nothing; move it away")
    file.place.parent.mkdir(parents=True, exist_ok=True)
    from dvc.exceptions import DvcException

    try:
        repo.imp_url(url, out=str(file.place))
    except DvcException as error:
        raise InputError(one_line(error)) from error
    except Exception as error:  # whichever network library it is; DVC lets them through
        raise InputError(f"{url}: {explain(error).cause}; nothing was kept, run again") from error
    return f"imported, {there.size:,} bytes; commit {file.pin}"


def pinned(repo: "Repo", file: File, source: str) -> str:
    """Put a file that was imported before in place, its content as it was then."""
    stage = repo.stage.load_one(str(file.pin))
    out = stage.outs[0]
    item = Object(out.hash_info.value, str(file.place), out.meta.size)
    how = "in place, as pinned"
    if not transfer.present(repo, [item]):
        fetch(repo, stage, item, f"{source}/{file.key}" if source else stage.deps[0].def_path)
        how = f"fetched, {item.size:,} bytes, as pinned"
    from dvc.exceptions import DvcException

    try:
        repo.checkout([str(file.place)])
    except DvcException as error:
        raise InputError(
            f"{one_line(error)}; {file.place} was changed here, move it away to have the pinned one"
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
            f"{url} has changed since it was pinned ({item.size:,} bytes, ETag {was}; now {there.size:,},"
            f" {there.etag}); nothing was changed here; {renew}"
        )
    failed = transfer.from_address(repo, dep.fs, url, item)
    if item.oid in failed:
        error = failed[item.oid]
        if error:
            raise InputError(f"{url}: {explain(error).cause}; nothing was kept, run again") from error
        raise InputError(
            f"{url}: its content is not the pinned one (MD5 {item.oid}); nothing was kept; {renew}"
        )


if __name__ == "__main__":
    run(main)
