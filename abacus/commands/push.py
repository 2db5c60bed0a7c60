"""Share what dvc.lock names through the bucket, and check that it is all there afterwards.

    make push [CHECKPOINT=3] [REPAIR=1]

What is already there is not sent again, so a push that was cut off goes on where it was. Every object is hashed
before it is sent. With CHECKPOINT, only that checkpoint and the base model, which is needed to use it.
"""

import argparse

from abacus.core.errors import InputError
from abacus.sharing import compare
from abacus.sharing.objects import withheld
from abacus.sharing.push import damage, finish, paths, send
from abacus.sharing.remote import chosen, opened
from abacus.sharing.store import open_store


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--checkpoint", type=int, help="this one alone, and the base model")
    parser.add_argument("--repair", action="store_true", help="replace damaged objects by good local copies")


def main(args: argparse.Namespace) -> None:
    """Push, and say what is in the bucket."""
    to = args
    with opened() as repo:
        remote = chosen(repo)
        if remote.public:
            raise InputError(
                ".dvc/config",
                f"the remote {remote.url} is read-only",
                "a bucket (s3) to push to",
                "`make remote BUCKET=name REGION=region` without READONLY",
            )
        store = open_store(remote)
        only = paths(to.checkpoint)
        before = compare.state(repo, store, only)
        if before.damaged and not to.repair:
            raise damage(before, remote)
        sent = send(repo, store, before)
        after = compare.state(repo, store, only) if sent else before
        if after.damaged:
            raise damage(after, remote)
        for out in withheld(repo):
            print(f"never shared: {out.path}, as DVC's file says of it (push: false)")
        finish(after, remote, sent)
