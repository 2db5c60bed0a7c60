"""Make data/raw/train.json: rows in the published format with exactly the published counts.

    python -m stages.synthesize --out data/raw/train.json

800 000 Chinese rows, shuffled, then 9 993 English ones; without duplicates 538 949 + 9 993.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Annotated

from tqdm import tqdm

from stages.command import InputError, run
from stages.params import PATH, Range, section
from stages.problems import english
from stages.problems.categories import CATEGORIES, Category
from stages.rows import write_rows

ENGLISH = 9_993


@dataclass(frozen=True)
class Synthesize:
    """Section `synthesize`: the seed, and the share of the published counts (1 is full size)."""

    seed: Annotated[int, Range(1, 2**31)]
    scale: Annotated[float, Range(0.0001, 1)]


def synthesize(
    params: Synthesize, tick: Callable[[int], object] = lambda n: None
) -> Iterator[dict[str, str]]:
    """Yield the rows; `tick` is told how many have been drawn."""
    random = Random(params.seed)
    chinese = []
    for category in CATEGORIES:
        chinese += rows_of(category, params.scale, random)
        tick(scaled(category.raw, params.scale))
    random.shuffle(chinese)
    yield from chinese
    yield from english.rows(scaled(ENGLISH, params.scale), params.seed)
    tick(scaled(ENGLISH, params.scale))


def rows_of(category: Category, scale: float, random: Random) -> list[dict[str, str]]:
    """Draw a category's different problems, then repeat some until there are as many rows as published."""
    solutions: dict[str, str] = {}
    for spelling, count in category.unique.items():
        fixed = {category.split: spelling} if category.split else {}
        wanted = len(solutions) + scaled(count, scale)
        while len(solutions) < wanted:
            problem = category.draw(random, **fixed)
            solutions.setdefault(category.text(problem), problem.published)
    rows = [{"problem": problem, "solution": text} for problem, text in solutions.items()]
    return rows + random.choices(rows, k=max(0, scaled(category.raw, scale) - len(rows)))


def scaled(count: int, scale: float) -> int:
    """Return a share of a count, at least one."""
    return max(1, int(count * Fraction(str(scale))))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the embedded raw data.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    arguments = parser.parse_args()
    params = section("synthesize", Synthesize, arguments.params)
    if arguments.out.is_dir():
        raise InputError(f"{arguments.out}: is a folder, expected a file to write")
    total = sum(scaled(category.raw, params.scale) for category in CATEGORIES) + scaled(ENGLISH, params.scale)
    with tqdm(desc="synthesize", total=total, unit=" rows", unit_scale=True, delay=0.5) as bar:
        write_rows(arguments.out, synthesize(params, bar.update))


if __name__ == "__main__":
    run(main)
