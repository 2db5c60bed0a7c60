"""Check params.yaml, the profile that it names and all files that later stages start from, before any stage runs.

    make check [PROFILE=name]

DVC removes a stage's old outputs before it runs the stage: what is wrong is better found earlier.
"""

import argparse

from abacus.pipeline import judge


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", help="another one than params.yaml chooses")


def main(args: argparse.Namespace) -> None:
    judge.everything(args.profile)
