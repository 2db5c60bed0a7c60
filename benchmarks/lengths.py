"""Measure what recipes cost in tokens, by kind of problem: python -m benchmarks.lengths data/base [--decimals 2].

The tokenizer is that of a folder that stage `base` has made, or of a file (tokenizer.json, Llama 3's tokenizer.model).
"""

import argparse
from pathlib import Path
from random import Random
from statistics import fmean

from tabulate import tabulate

from abacus.core.process import run
from abacus.formats.vocabulary import read
from abacus.problems.kinds import KINDS, category_of
from abacus.problems.workings import RECIPES, working
from abacus.text.tokenizer import Tokenizer

COUNT = 1000  # problems of a kind


def tokenizer(place: Path) -> Tokenizer:
    """The tokenizer of a folder or a file; special ids do not matter here."""
    return Tokenizer.load(place) if place.is_dir() else Tokenizer(read(place), 0, 0, 0)


def lengths(place: Path, decimals: int) -> list[list[object]]:
    """A row a kind: tokens of the bare problem, and the mean and the most of what each recipe has the model learn."""
    tokens = tokenizer(place)

    def counts(texts: list[str]) -> list[int]:
        return [len(ids) + 1 for ids in tokens.encode_batch(texts)]  # and a newline, or EOS

    rows = []
    for kind in KINDS:
        category, random = category_of(kind), Random(7)
        fixed = {category.split: kind.partition(":")[2]} if category.split else {}
        problems = [category.draw(random, **fixed) for _ in range(COUNT)]
        row: list[object] = [kind, fmean(counts([category.text(problem) for problem in problems]))]
        for recipe in RECIPES:
            found = counts([working(problem, recipe, decimals) for problem in problems])
            row.append(f"{fmean(found):.1f} / {max(found)}")
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what recipes cost in tokens.")
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--decimals", type=int, default=4)
    asked = parser.parse_args()
    rows = lengths(asked.tokenizer, asked.decimals)
    print(tabulate(rows, headers=["kind", "problem", *RECIPES], tablefmt="github", floatfmt=".1f"))


if __name__ == "__main__":
    run(main)
