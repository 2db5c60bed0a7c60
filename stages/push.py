"""Share what dvc.lock names through the bucket, and check that it is all there afterwards.

python -m stages.push [--checkpoint N] [--repair]      (make push [CHECKPOINT=N] [REPAIR=1])

What is already there is not sent again, so a push that was cut off goes on where it was. Every object is hashed
before it is sent. With --checkpoint, only that checkpoint and the base model, which is needed to use it.
"""

import argparse
from typing import TYPE_CHECKING

from stages.command import InputError, run
from stages.sharing import compare, transfer
from stages.sharing.advice import explain
from stages.sharing.remote import Remote, chosen, opened
from stages.sharing.store import Store, open_store

if TYPE_CHECKING:
    from dvc.repo import Repo

SHOWN = 3


def main() -> None:
    """Push, and say what is in the bucket."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=int)
    parser.add_argument("--repair", action="store_true", help="replace damaged objects by good local copies")
    to = parser.parse_args()
    with opened() as repo:
        remote = chosen(repo)
        if remote.public:
            raise InputError(
                f".dvc/config: the remote {remote.url} is read-only, expected a bucket (s3) to push to;"
                " `make remote BUCKET=name REGION=region` without READONLY"
            )
        store = open_store(remote)
        only = paths(to.checkpoint)
        before = compare.state(repo, store, only)
        if before.damaged and not to.repair:
            raise InputError(damage(before, remote))
        sent = send(repo, store, before)
        after = compare.state(repo, store, only) if sent else before
        if after.damaged:
            raise InputError(damage(after, remote))
        finish(after, remote, sent)


def paths(checkpoint: int | None) -> list[str] | None:
    """What one checkpoint needs, or None for everything."""
    return None if checkpoint is None else [f"checkpoints/{checkpoint}", "data/base"]


def send(repo: "Repo", store: Store, seen: compare.State) -> int:
    """Upload what is missing or damaged and is here; how many objects that were."""
    wanted = [item for item in seen.objects if item.oid not in seen.found or item.oid in seen.damaged]
    here = transfer.present(repo, wanted)
    items = [item for item in wanted if item.oid in here]
    for item in transfer.altered(repo, items):
        raise InputError(
            f"{item.path}: its copy in DVC's cache was altered, expected the MD5 {item.oid}; nothing was sent;"
            " `dvc commit` it, or delete the copy and `make pull`"
        )
    with store.trouble():
        failed = transfer.upload(repo, store.remote.name, items)
    if failed:
        oid, error = next(iter(failed.items()))
        raise InputError(
            f"{seen.named(oid)}: not sent ({explain(error)}); `make push` goes on with what is not there yet"
        )
    return len(items)


def damage(seen: compare.State, remote: Remote) -> str:
    """One line for damaged objects in the bucket."""
    shown = [f"{seen.named(oid)} {what}" for oid, what in list(seen.damaged.items())[:SHOWN]]
    more = f" and {len(seen.damaged) - SHOWN} more" if len(seen.damaged) > SHOWN else ""
    return (
        f"{remote.url}: damaged in the bucket: {', '.join(shown)}{more};"
        " `make push REPAIR=1` in a clone that has it whole puts it right"
    )


def finish(seen: compare.State, remote: Remote, sent: int) -> None:
    """Say what is there; InputError if something is not."""
    gone = [out for out in seen.outs if any(item.oid not in seen.found for item in out.objects)]
    for out in gone:
        if out.imported:
            print(
                f"not shared: {out.path}, an import that is not here; everybody can get it from its address"
            )
    lacking = [out.path for out in gone if not out.imported]
    if lacking:
        raise InputError(
            f"{remote.url}: without {', '.join(lacking)}, neither there nor here, expected all of dvc.lock;"
            " `dvc repro` makes it, `dvc commit` takes what is in the workspace"
        )
    size = sum(found.size for found in seen.found.values())
    print(f"{remote.url}: {sent} objects sent, {len(seen.found)} there and whole, {size:,} bytes")


if __name__ == "__main__":
    run(main)
