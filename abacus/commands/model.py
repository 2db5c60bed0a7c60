"""Put the base model of a profile in place that says `base: {source: directory}`, and have DVC hold it.

    make model FROM=folder-or-file PROFILE=llama3-8b [PUSH=0] [REPLACE=1]

The files are linked into data/models/PROFILE, or copied from another disk. Where a .dvc file says already which model
it is, another one is refused; REPLACE=1 takes it all the same. PUSH=0 is for a model that may not be passed on.
"""

import argparse
from pathlib import Path

from abacus.core.errors import InputError
from abacus.core.files import replacing
from abacus.formats import source
from abacus.formats.fetch import check_numbers
from abacus.formats.own import OWN, README, put
from abacus.profile import load
from abacus.profile.model import DirectorySource
from abacus.sharing.keep import add_push, check_same, keep, pin_of


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="origin", type=Path, required=True, help="model folder or file")
    parser.add_argument("--profile", required=True, help="whose base model it is")
    add_push(parser)
    parser.add_argument("--replace", action="store_true", help="in the place of another one")


def main(args: argparse.Namespace) -> None:
    """Check the model against its profile, put it in place, add it."""
    profile = load.profile(args.profile)
    if not isinstance(profile.source, DirectorySource):
        found = f"its base model is of source {profile.source.source}"
        raise InputError(
            f"profile {profile.name!r}",
            found,
            "one of source directory",
            "`make profile` makes such a profile",
        )
    own = source.find(args.origin)
    source.check(own)
    if numbers := source.architecture_of(own):
        check_numbers(numbers, profile.llama, profile.name, str(own.path))
    folder = OWN / profile.name
    inside = own.path.resolve() in (folder.resolve(), *folder.resolve().glob("*"))
    pin = pin_of(folder)
    if not inside:
        others = [path.name for path in folder.glob("[!.]*") if path.name != README]
        if others and not pin.is_file() and not args.replace:
            raise InputError(folder, f"holds {others[0]}", "nothing (or REPLACE=1)")
        with replacing(folder) as part:
            put(source.files(own), part, folder)
            if not args.replace:
                check_same(folder, pin, part)
    elif not args.replace:
        check_same(folder, pin, folder)
    print(keep(folder, args.push))
