"""Send what dvc.lock names into the bucket, and say what is damaged or lacking there."""

from typing import TYPE_CHECKING

from abacus.core.errors import InputError
from abacus.sharing import compare, transfer
from abacus.sharing.advice import explain
from abacus.sharing.remote import Remote
from abacus.sharing.store import Store

if TYPE_CHECKING:
    from dvc.repo import Repo

SHOWN = 3
REPAIR = "`make push REPAIR=1` in a clone that has it whole puts it right"


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
            item.path,
            "its copy in DVC's cache was altered",
            f"the MD5 {item.oid}",
            "nothing was sent; `dvc commit` it, or delete the copy and `make pull`",
        )
    with store.trouble():
        failed = transfer.upload(repo, store.remote.name, items)
    if failed:
        oid, error = next(iter(failed.items()))
        raise InputError(
            seen.named(oid),
            f"not sent ({explain(error)})",
            advice="`make push` goes on with what is not there yet",
        )
    return len(items)


def damage(seen: compare.State, remote: Remote) -> InputError:
    """The error of damaged objects in the bucket."""
    shown = [f"{seen.named(oid)} {what}" for oid, what in list(seen.damaged.items())[:SHOWN]]
    more = f" and {len(seen.damaged) - SHOWN} more" if len(seen.damaged) > SHOWN else ""
    found = f"damaged in the bucket: {', '.join(shown)}{more}"
    return InputError(remote.url, found, advice=REPAIR)


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
            remote.url,
            f"without {', '.join(lacking)}, neither there nor here",
            "all of dvc.lock",
            "`dvc repro` makes it, `dvc commit` takes what is in the workspace",
        )
    size = sum(found.size for found in seen.found.values())
    print(f"{remote.url}: {sent} objects sent, {len(seen.found)} there and whole, {size:,} bytes")
