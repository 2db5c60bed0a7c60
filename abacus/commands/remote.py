"""Set up the bucket to share through.

    make remote BUCKET=x REGION=cn-southwest-2 [PREFIX=x] [READONLY=1] [LOGIN=1] [ENDPOINT=https://...] [CA=file.pem]

Writes the address into .dvc/config, which goes into git. What belongs to one person or machine goes into
.dvc/config.local, which git ignores: the keys that LOGIN asks for, and the certificates of CA.
"""

import argparse
import getpass
import re
import sys
from pathlib import Path

from abacus.core.errors import InputError
from abacus.sharing.setup import (
    CONFIG,
    LOCAL,
    NAME,
    PUBLIC,
    address,
    keep,
    private,
    public,
    read,
    section,
    write,
)


def main(args: argparse.Namespace) -> None:
    """Check what was asked for, then write it."""
    check(args)
    if not CONFIG.is_file():
        raise InputError(CONFIG, "no such file", "to run in the root of a clone of the repository")
    if args.ca and not args.ca.is_file():
        raise InputError(args.ca, "no such file", "certificates (PEM)")
    name = PUBLIC if args.readonly else NAME
    if args.bucket is not None:
        options = public(args) if args.readonly else private(args)
        was = write(CONFIG, name, options, default=True)
        if section(name) in read(LOCAL):
            keep(name, {})
        print(f"{CONFIG}: the remote '{name}' is {options['url']}{was}; commit the file to share the address")
    if args.ca:
        keep(name, {"ssl_verify": str(args.ca.resolve())})
        print(f"{LOCAL}: the certificates of {args.ca} are trusted for this remote")
    if args.login:
        address(name)  # before the keys are asked for
        keep(name, login())
        print(f"{LOCAL}: the keys are kept there, for this clone only")
    if args.bucket:
        print("`make share-check` tries it out")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--bucket", help="name of the bucket")
    parser.add_argument("--region", help="region of the bucket, such as cn-southwest-2")
    parser.add_argument("--prefix", default="", help="folder inside the bucket")
    parser.add_argument("--endpoint", help="address of another S3 server than OBS")
    parser.add_argument("--readonly", action="store_true", help="a public bucket, read without credentials")
    parser.add_argument("--login", action="store_true", help=f"ask for the keys and keep them in {LOCAL}")
    parser.add_argument("--ca", type=Path, help="certificates of the server's authority, if it is your own")


def check(args: argparse.Namespace) -> None:
    """Raise InputError for options that do not go together."""
    if args.bucket is None and (args.region or args.prefix or args.endpoint):
        raise InputError("", "BUCKET is missing", "BUCKET=name")
    if args.readonly and args.login:
        raise InputError("READONLY and LOGIN exclude each other", "a public bucket is read without keys")
    if args.bucket is None and not args.login and not args.ca:
        raise InputError("", "BUCKET and REGION are missing", "BUCKET=name REGION=cn-southwest-2")


def login() -> dict[str, str]:
    """Ask for the keys; from standard input, if that is no terminal."""
    ask = getpass.getpass if sys.stdin.isatty() else lambda _: sys.stdin.readline()
    keys = {"access_key_id": ask("access key: ").strip(), "secret_access_key": ask("secret key: ").strip()}
    for name, value in keys.items():
        if not re.fullmatch(r"[\x21-\x7e]+", value):
            raise InputError(name, "nothing, or no key, was given", "one line of letters and digits")
    return keys
