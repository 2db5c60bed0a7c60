"""Try the remote out, from the name of the server to every object of dvc.lock, one line each.

    make share-check [FULL=1]

Exit code 1 if anything fails. Its own test objects are removed again. FULL downloads and hashes every object.
"""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from abacus.core.errors import InputError
from abacus.sharing import compare, probe
from abacus.sharing.advice import explain, known
from abacus.sharing.push import REPAIR, damage
from abacus.sharing.remote import Remote, chosen, opened
from abacus.sharing.store import Bucket, open_store

if TYPE_CHECKING:
    from dvc.repo import Repo

WIDTH = 12


class Screen:
    """The lines of the check; `failed` counts those that failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def line(self, name: str, check: Callable[[], str], *needs: str) -> None:
        """Run one check and print its line; not tried if one that it needs has failed."""
        if stopped := [need for need in needs if need in self.failed]:
            self.failed.append(name)
            print(f"{name:{WIDTH}}not tried: {stopped[0]} failed")
            return
        try:
            print(f"{name:{WIDTH}}ok      {check()}".rstrip(), flush=True)
        except Exception as error:  # every failure is a line of this screen
            self.failed.append(name)
            cause, advice = reason(error)
            print(f"{name:{WIDTH}}FAILED  {cause}\n{'':{WIDTH}}        {advice}".rstrip(), flush=True)


def reason(error: Exception) -> tuple[str, str]:
    """Cause and advice of an error: by the table if the network raised it, else its own."""
    if not isinstance(error, InputError):
        return explain(error)
    if error.__cause__ and known(error.__cause__):
        return explain(error.__cause__)
    return str(InputError(error.place, error.found, error.expected)), error.advice


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--full", action="store_true", help="download and hash every object")


def main(args: argparse.Namespace) -> int:
    """Print the screen; 1 if anything failed."""
    with opened() as repo:
        remote = chosen(repo)
        print(f"remote '{remote.name}': {remote}")
        screen = Screen()
        if not remote.public:
            screen.line("environment", lambda: probe.environment(remote))
        screen.line("name", lambda: probe.name(remote))
        screen.line("endpoint", lambda: probe.endpoint(remote), "name")
        screen.line("clock", lambda: probe.clock(remote), "endpoint")
        if remote.public:
            print(f"{'write':{WIDTH}}skipped: the remote is read-only")
        else:
            bucket(screen, remote)
        screen.line("contents", lambda: contents(repo, remote, args.full), "endpoint", "bucket")
    return int(bool(screen.failed))


def bucket(screen: Screen, remote: Remote) -> None:
    """The checks of a bucket with credentials; its test objects are gone afterwards."""
    if "endpoint" in screen.failed:
        screen.line("bucket", str, "endpoint")
        return
    try:
        trial = probe.Trial(remote, Bucket(remote).client)
    except InputError as error:
        screen.line("bucket", lambda error=error: probe.fail(error))
        return
    try:
        screen.line("bucket", trial.bucket)
        screen.line("write", trial.write, "bucket")
        screen.line("read", trial.read, "bucket")
        screen.line("multipart", trial.multipart, "bucket", "write")
        screen.line("delete", trial.delete, "bucket", "write")
    finally:
        trial.clean()


def contents(repo: "Repo", remote: Remote, full: bool) -> str:
    """How much of dvc.lock is in the bucket and whole; InputError if anything is damaged."""
    seen = compare.state(repo, open_store(remote), full=full)
    if seen.damaged:
        raise InputError("", damage(seen, remote).found, advice=REPAIR)
    lost = [f"{out.path}: {out.lost}" for out in seen.outs if out.lost and "altered" in out.lost]
    if lost:
        raise InputError("", lost[0], advice=REPAIR)
    imports = [out for out in seen.outs if out.imported and any(o.oid not in seen.found for o in out.objects)]
    apart = {item.oid for out in imports for item in out.objects}
    missing = [item for item in seen.missing if item.oid not in apart]
    size, how = sum(found.size for found in seen.found.values()), "hashed" if full else "sizes and ETags"
    said = (
        f"{len(seen.found)} of {len(seen.found) + len(missing)} objects of dvc.lock, {size:,} bytes ({how})"
    )
    if missing:
        said += (
            f"; `make push` shares the rest, in {', '.join(sorted({i.path.split('/')[0] for i in missing}))}"
        )
    return said + "".join(f"; without the import {out.path}" for out in imports)
