"""Get what dvc.lock names from the bucket, every object verified, and put it into the workspace.

python -m stages.pull [--checkpoint N]      (make pull [CHECKPOINT=N])

What is already here is not fetched again. What is not in the bucket is named, and the rest is put in place.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stages.command import InputError, free_bytes, run
from stages.push import paths
from stages.sharing import compare, transfer
from stages.sharing.advice import explain
from stages.sharing.objects import Object, Out, outs
from stages.sharing.remote import chosen, one_line, opened
from stages.sharing.store import Store, open_store

if TYPE_CHECKING:
    from dvc.repo import Repo


def main() -> None:
    """Pull, and say what is in place."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=int)
    only = paths(parser.parse_args().checkpoint)
    with opened() as repo:
        remote = chosen(repo)
        store = open_store(remote)
        transfer.tidy(Path(repo.cache.local.path))
        wanted = outs(repo, lambda oid: compare.listing(store, oid), only)
        got, problems = fetch(repo, store, wanted)
        whole = [out for out in wanted if not out.lost and not lacking(repo, out)]
        check_out(repo, whole, only)
        for out in wanted:
            if out.imported and out not in whole:
                print(f"not in the bucket: {out.path}; {again(out)}")
        broken = [out for out in wanted if out not in whole and not out.imported]
        if broken:
            why = broken[0].lost or problems.get(
                broken[0].path, "not in the bucket; whoever has it: `make push`"
            )
            raise InputError(
                f"{remote.url}: without {', '.join(out.path for out in broken)}: {why}; the rest is in place"
            )
    print(f"{remote.url}: {got} objects fetched and verified, {len(whole)} outputs in place")


def fetch(repo: "Repo", store: Store, wanted: list[Out]) -> tuple[int, dict[str, str]]:
    """Download what is not here; the number of objects, and what went wrong by output."""
    need = {item.oid: item for out in wanted for item in out.objects}
    here = transfer.present(repo, need.values())
    found = store.look([oid for oid in need if oid not in here], lambda _: None)
    items = [Object(oid, need[oid].path, found[oid].size, need[oid].listing) for oid in found]
    size, free = sum(item.size for item in items), free_bytes(Path(repo.cache.local.path))
    if size > free:
        raise InputError(
            f"{size:,} bytes are to be fetched and {free:,} are free on this disk; nothing was changed"
        )
    with store.trouble():
        failed = transfer.download(repo, store.remote.name, items)
    problems = {}
    for out in wanted:
        for item in out.objects:
            if item.oid in failed:
                problems.setdefault(out.path, trouble(item, failed[item.oid]))
    return len(items) - len(failed), problems


def trouble(item: Object, error: BaseException | None) -> str:
    """Why an object was not fetched."""
    if error is None:
        return (
            f"{item.path} is damaged in the bucket and was not installed;"
            " `make push REPAIR=1` in a clone that has it whole puts it right"
        )
    return f"{item.path} was not fetched ({explain(error)})"


def lacking(repo: "Repo", out: Out) -> bool:
    """Whether an object of the output is not in the cache."""
    return len(transfer.present(repo, out.objects)) < len({item.oid for item in out.objects})


def check_out(repo: "Repo", whole: list[Out], only: list[str] | None) -> None:
    """Put outputs into the workspace; what the user has changed there stays, and is named."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    targets = list(dict.fromkeys(part for out in whole for part in parts(out, only)))
    changed = []
    try:
        repo.checkout(targets)
    except LockError:
        raise InputError(
            "another command of DVC is at work in this clone, expected none; run again after it"
        ) from None
    except DvcException:  # at the first that it would overwrite; the others are still to come
        for target in targets:
            try:
                repo.checkout([target])
            except DvcException as error:
                changed.append(f"{target} ({one_line(error)})")
    if changed:
        raise InputError(f"{', '.join(changed)}: not put in place, expected no change of your own there")


def parts(out: Out, only: list[str] | None) -> list[str]:
    """The paths to put in place for an output: itself, or those inside it that were asked for."""
    inside = [path for path in only or [] if path.startswith(f"{out.path}/")]
    return inside or [out.path]


def again(out: Out) -> str:
    """How to get an import without the bucket."""
    if out.path.startswith("data/squad/"):
        return "`make squad` gets it from its public address"
    return "`make published` gets it from its public address"


if __name__ == "__main__":
    run(main)
