"""Put the real SQuAD v1.1 dev file in place, its hash checked, and keep it by DVC.

    make squad [FROM=path]

It comes from its public address, or FROM= a copy of your own (or an https:// mirror). It is one row of the table of
published files: data/squad/dev-v1.1.json.dvc says where it came from; commit that for those who work with you.
"""

import argparse

from abacus.sharing.importing import put
from abacus.sharing.published import SQUAD
from abacus.sharing.remote import opened


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", default="", help="a copy of your own, or a mirror's address")


def main(args: argparse.Namespace) -> None:
    with opened() as repo:
        print(f"{SQUAD.place}: {put(repo, SQUAD, args.source.rstrip('/'))}")
