"""Get what dvc.lock names from the bucket, every object verified, and put it into the workspace.

    make pull [CHECKPOINT=3]

What is already here is not fetched again. What is not in the bucket is named, and the rest is put in place.
"""

import argparse
from pathlib import Path

from abacus.core.errors import InputError
from abacus.sharing import compare, transfer
from abacus.sharing.objects import outs, withheld
from abacus.sharing.pull import again, bring, check_out, fetch, lacking
from abacus.sharing.push import paths
from abacus.sharing.remote import chosen, opened
from abacus.sharing.store import open_store


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--checkpoint", type=int, help="this one alone, and the base model")


def main(args: argparse.Namespace) -> None:
    """Pull, and say what is in place."""
    only = paths(args.checkpoint)
    with opened() as repo:
        remote = chosen(repo)
        store = open_store(remote)
        transfer.tidy(Path(repo.cache.local.path))
        wanted = outs(repo, lambda oid: compare.listing(store, oid), only)
        got, problems = fetch(repo, store, wanted)
        whole = [out for out in wanted if not out.lost and not lacking(repo, out)]
        own = withheld(repo) if only is None else []
        whole += [out for out in own if not out.lost and not lacking(repo, out)]
        check_out(repo, whole, only)
        for out in own:
            if out not in whole:
                print(f"never shared: {out.path} (push: false); {bring(out)}")
        for out in wanted:
            if out.imported and out not in whole:
                print(f"not in the bucket: {out.path}; {again(out)}")
        broken = [out for out in wanted if out not in whole and not out.imported]
        if broken:
            why = broken[0].lost or problems.get(
                broken[0].path, "not in the bucket; whoever has it: `make push`"
            )
            raise InputError(
                remote.url,
                f"without {', '.join(out.path for out in broken)}: {why}",
                advice="the rest is in place",
            )
    print(f"{remote.url}: {got} objects fetched and verified, {len(whole)} outputs in place")
