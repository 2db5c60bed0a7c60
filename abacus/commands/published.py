"""Import files with a public address, such as those of the reference run, each pinned by DVC to what was found.

    make published [NAME=train-v2.json] [FROM=https://mirror] [LIST=1]

A name is a file's, or a folder's for all in it; without one, everything. A file goes to its place by
`dvc import-url`, which writes a .dvc file beside it with the server's ETag and the content's MD5; commit that.
From then on the content must have this MD5, wherever it comes from. An archive of MindRecord is unpacked too.
"""

import argparse

from abacus.core.errors import InputError
from abacus.sharing import transfer
from abacus.sharing.importing import put_all, room, state
from abacus.sharing.objects import PUBLISHED
from abacus.sharing.published import FILES, named


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--name", nargs="+", default=[], help="files or folders; all if not given")
    parser.add_argument("--from", dest="source", default="", help="address that serves the same keys")
    parser.add_argument("--list", action="store_true", help="list the files and what is here of them")


def main(args: argparse.Namespace) -> None:
    """Import what was asked for, a line a file; InputError at the end if any failed."""
    if args.source and not args.source.startswith("https://"):
        raise InputError("", f"FROM is {args.source!r}", "https://...")
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
            "", f"{failed} of {len(files)} files are not in place", "all", "the lines above say why"
        )
