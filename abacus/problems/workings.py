"""Workings: the text a recipe teaches for a problem, and the precision of its answer."""

import functools
import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NamedTuple

from abacus.problems.categories import CATEGORIES, Category, Number, Problem
from abacus.problems.printed import plain

PREFIX = "计算过程："
BARE = {"stepwise", "spaced"}  # recipes whose every token counts: the prefix takes ten of SmolLM2's
# The source's own line, and what the rows of the table have writers for.
RECIPES = ("published", *dict.fromkeys(name for category in CATEGORIES for name in category.writers))
if TYPE_CHECKING:
    Workings = str
else:
    Workings = Literal[RECIPES]
# Wide enough to round any number that an operand's digits allow.
WIDE = Context(prec=4000)


def recognise(text: str) -> Problem:
    """Return the one problem that the text is, in full. Raises ValueError if it is none or several."""
    category, match = matched(text)
    return category.read(match.groupdict())


def matched(text: str) -> tuple[Category, re.Match[str]]:
    """The category of the one problem that the text is, and its operands. Raises ValueError as `recognise` does."""
    found = []
    for category, whole in _candidates(text[-2:]):
        if match := whole(text):
            found.append((category, match))
    if len(found) == 1:
        return found[0]
    parts = [category.name for category in CATEGORIES if category.pattern.search(text)]
    if len(found) > 1 or len(parts) > 1:
        raise ValueError(f"holds the text of {len(parts)} categories ({', '.join(parts)})")
    if parts:
        raise ValueError(f"holds a problem of category '{parts[0]}' and more text around it")
    raise ValueError("is of no category")


@functools.lru_cache(1024)
def _candidates(end: str) -> list[tuple[Category, Callable[[str], re.Match[str] | None]]]:
    """The categories whose problems may end so, each with what matches one: to ask all of them is dear."""
    ends = ((one, one.end) for one in CATEGORIES)
    return [(one, one.pattern.fullmatch) for one, last in ends if last.endswith(end) or end.endswith(last)]


def working(problem: Problem, recipe: str, decimals: int) -> str:
    """Return what a recipe teaches as the answer to a problem: the prefix, if it has one, and the worked line.

    `published` is the source's line; `reference` the reference run's, letter for letter; of the others every
    `left = right` is true at the precision shown. `decimals` rounds what the recipe rounds.
    """
    return ("" if recipe in BARE else PREFIX) + line(problem, recipe, decimals)


def line(problem: Problem, recipe: str, decimals: int) -> str:
    """Return the worked line without the prefix."""
    if recipe == "published":
        return problem.published
    category = problem.category
    write = category.writers.get(recipe, category.writers["reference"])
    places = precision(category, recipe, decimals)
    problem = Problem(category, problem.spelled, problem.values, exact=recipe != "reference")
    return write(problem, Rounded(places))


def precision(category: Category, recipe: str, decimals: int) -> int | None:
    """Return the decimals that a recipe rounds a category's answers to; None if it does not round."""
    if recipe == "published" or category.precision == "full":
        return None
    return min(decimals, 2) if category.precision == "percent" else decimals


class Rounded(NamedTuple):
    """Prints numbers at a precision."""

    places: int | None

    def __call__(self, value: Number, /) -> str:
        return shown(value, self.places)


def shown(value: Number, places: int | None) -> str:
    """Print a number rounded to `places` decimals, trailing zeros gone, an integral one as an integer.

    Without `places` it is printed as it is. A float rounds as a float, all else half to even, as Python's `round` does.
    """
    if places is None:
        return str(value)
    rounded = Decimal(repr(round(value, places))) if isinstance(value, float) else round_at(value, places)
    return plain(rounded) if rounded else "0"  # no -0


def round_at(value: Decimal | Fraction | int, places: int) -> Decimal:
    """Round to `places` decimals, half to even."""
    if isinstance(value, Fraction):
        return Decimal(round(value * 10**places)).scaleb(-places, context=WIDE)
    step = Decimal(1).scaleb(-places)
    return Decimal(value).quantize(step, rounding=ROUND_HALF_EVEN, context=WIDE)
