"""Kinds of problems as a recipe names them: a category, or the part of one that its row counts apart (`direct:*`)."""

import functools
import re
from decimal import Decimal

from abacus.problems.categories import CATEGORIES, Category

BY_NAME = {category.name: category for category in CATEGORIES}
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@functools.cache
def kinds(name: str) -> tuple[str, ...]:
    """The kinds that a name stands for: each spelling of a category's `split`, or else the name alone."""
    category = BY_NAME.get(name)
    if category and category.split:
        return tuple(f"{name}:{spelling}" for spelling in category.unique)
    return (name,)


KINDS = tuple(kind for name in BY_NAME for kind in kinds(name))
NAMES = (*BY_NAME, *(kind for kind in KINDS if kind not in BY_NAME))  # that a recipe may give


def category_of(name: str) -> Category:
    """The category of a kind, or of that name."""
    return BY_NAME[name.partition(":")[0]]


def unique(kind: str) -> int:
    """The published number of a kind's different problems."""
    return category_of(kind).unique[kind.partition(":")[2]]


def kind_of(category: Category, problem: str) -> str:
    """The kind of a problem of this category."""
    if not category.split:
        return category.name
    match = category.pattern.fullmatch(problem)
    return f"{category.name}:{match[category.split]}" if match else category.name


def effort(problem: str) -> int:
    """The significant digits of a problem's operands, all together: 6.00 and 600 have one, 0.05 too, 6.72 three."""
    return sum(len(Decimal(number).normalize().as_tuple().digits) for number in NUMBER.findall(problem))
