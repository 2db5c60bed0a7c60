"""Rows in the published format, drawn from a seed, with exactly the published counts."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from random import Random
from typing import Annotated, TypeVar

from pydantic import Field

from abacus.core.typed import Model, whole
from abacus.data.rows import json_line
from abacus.problems.categories import CATEGORIES, Category
from abacus.synthesis import english

ENGLISH = 9_993
Form = TypeVar("Form")


class Synthesize(Model):
    """Section `synthesize`: the seed, and the share of the published counts (1 is full size)."""

    seed: Annotated[int, whole(1, 2**31)]
    scale: Annotated[float, Field(ge=0.0001, le=1, description="a number from 0.0001 to 1")]


def synthesize(
    params: Synthesize, tick: Callable[[int], object] = lambda n: None
) -> Iterator[dict[str, str]]:
    """Yield the rows; `tick` is told how many have been drawn."""
    return _made(params, tick, lambda row: row)


def lines(params: Synthesize, tick: Callable[[int], object]) -> Iterator[str]:
    """Yield the rows as lines of JSON: a row that is repeated is put into JSON once."""
    return _made(params, tick, json_line)


def _made(
    params: Synthesize, tick: Callable[[int], object], form: Callable[[dict[str, str]], Form]
) -> Iterator[Form]:
    random = Random(params.seed)
    chinese = []
    for category in CATEGORIES:
        chinese += rows_of(category, params.scale, random, form)
        tick(scaled(category.raw, params.scale))
    random.shuffle(chinese)
    yield from chinese
    yield from map(form, english.rows(scaled(ENGLISH, params.scale), params.seed))
    tick(scaled(ENGLISH, params.scale))


def rows_of(
    category: Category, scale: float, random: Random, form: Callable[[dict[str, str]], Form]
) -> list[Form]:
    """Draw a category's different problems, then repeat some until there are as many rows as published."""
    solutions: dict[str, str] = {}
    for spelling, count in category.unique.items():
        fixed = {category.split: spelling} if category.split else {}
        wanted = len(solutions) + scaled(count, scale)
        while len(solutions) < wanted:
            problem = category.draw(random, **fixed)
            text = category.text(problem)
            if text not in solutions:
                solutions[text] = problem.published
    rows = [form({"problem": problem, "solution": text}) for problem, text in solutions.items()]
    return rows + random.choices(rows, k=max(0, scaled(category.raw, scale) - len(rows)))


def different(scale: float) -> int:
    """How many different Chinese rows there are: all of them are right."""
    return sum(scaled(count, scale) for category in CATEGORIES for count in category.unique.values())


def scaled(count: int, scale: float) -> int:
    """Return a share of a count, at least one."""
    return max(1, int(count * Fraction(str(scale))))
