"""Fetch what dvc.lock names from the bucket, every object verified, and put it into the workspace."""

from pathlib import Path
from typing import TYPE_CHECKING

from abacus.core.errors import InputError
from abacus.core.files import free_bytes
from abacus.formats.own import OWN
from abacus.sharing import transfer
from abacus.sharing.advice import explain
from abacus.sharing.objects import PUBLISHED, Object, Out
from abacus.sharing.published import FILES
from abacus.sharing.remote import one_line
from abacus.sharing.store import Store

if TYPE_CHECKING:
    from dvc.repo import Repo


def fetch(repo: "Repo", store: Store, wanted: list[Out]) -> tuple[int, dict[str, str]]:
    """Download what is not here; the number of objects, and what went wrong by output."""
    need = {item.oid: item for out in wanted for item in out.objects}
    here = transfer.present(repo, need.values())
    found = store.look([oid for oid in need if oid not in here], lambda _: None)
    items = [Object(oid, need[oid].path, found[oid].size, need[oid].listing) for oid in found]
    size, free = sum(item.size for item in items), free_bytes(Path(repo.cache.local.path))
    if size > free:
        raise InputError(
            "",
            f"{size:,} bytes are to be fetched and {free:,} are free on this disk",
            advice="nothing was changed",
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
            "", "another command of DVC is at work in this clone", "none", "run again after it"
        ) from None
    except DvcException:  # at the first that it would overwrite; the others are still to come
        for target in targets:
            try:
                repo.checkout([target])
            except DvcException as error:
                changed.append(f"{target} ({one_line(error)})")
    if changed:
        raise InputError(", ".join(changed), "not put in place", "no change of your own there")


def parts(out: Out, only: list[str] | None) -> list[str]:
    """The paths to put in place for an output: itself, or those inside it that were asked for."""
    inside = [path for path in only or [] if path.startswith(f"{out.path}/")]
    return inside or [out.path]


def bring(out: Out) -> str:
    """What is to be brought of an output that is never in a bucket, and how."""
    if out.made:
        return "`make repro` makes it"
    path, oid = Path(out.path), out.objects[-1].oid
    how = "put it there"
    if path.parent == OWN:
        how = f"`make model FROM=folder PROFILE={path.name}` puts it there"
    return f"bring {out.desc or path.name} ({out.size or 0:,} bytes in all, MD5 {oid}): {how}"


def again(out: Out) -> str:
    """How to get an import without the bucket."""
    path = Path(out.path)
    command = next((file.command for file in FILES if file.place == path), None)
    if command is None and path.is_relative_to(PUBLISHED):  # unpacked out of a published archive
        command = "make published"
    if command is None:
        return f"`dvc pull {out.path}.dvc` gets it from its address"
    return f"`{command}` gets it from its public address"
