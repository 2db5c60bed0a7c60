"""Published solutions that are not written out in full: right at the precision in which they are written, or not."""

import contextlib
import functools
import re
import string
from decimal import Decimal
from fractions import Fraction

from abacus.problems.categories import CATEGORIES, Category, Problem

NUMBER = r"-?[0-9]{1,200}(?:\.[0-9]{1,200})?(?:E[+-]?[0-9]{1,3})?"
ANSWER = (
    "answer"  # the blank of a solution's template; where it has parts, as a fraction has, nothing is rounded
)


def is_rounded(problem: Problem, solution: str) -> bool:
    """Whether a solution is the published line with its answer rounded at any place, half to even or half up.

    All but the number is compared to the character. A rule that computes with floats may also be rounded as a float.
    Raises ArithmeticError for a problem without value.
    """
    match = _pattern(problem.category.name).fullmatch(solution)
    if not match or any(match[name] != problem.spelled[name] for name in match.groupdict() if name != ANSWER):
        return False
    written = Decimal(match[ANSWER])
    return any(_rounds_to(value, written) for value in _values(problem))


@functools.cache
def _pattern(name: str) -> re.Pattern[str]:
    """The form of a category's solutions, any number in the place of the answer."""
    (category,) = (one for one in CATEGORIES if one.name == name)
    return re.compile("".join(_parts(category)))


def _parts(category: Category) -> list[str]:
    parts = []
    for words, name, _, _ in string.Formatter().parse(category.solution):
        parts.append(re.escape(words))
        if name == ANSWER:
            parts.append(f"(?P<{ANSWER}>{NUMBER})")
        elif name and name in category.operands:
            parts.append(f"(?P<{name}>{category.operands[name].pattern})")
        elif name:
            return ["(?!)"]  # matches nothing
    return parts


def _values(problem: Problem) -> set[Fraction]:
    """The true value, the published one, and that as a float, as far as a float can hold it."""
    rule = problem.category.solve_exactly or problem.category.solve
    values = {Fraction(rule(**problem.values)), Fraction(problem.answer)}
    with contextlib.suppress(OverflowError):
        values.add(Fraction(float(problem.answer)))
    return values


def _rounds_to(value: Fraction, written: Decimal) -> bool:
    """Whether a value is `written` when it is rounded to its last place, the sign of a zero included."""
    if written.is_zero() and written.is_signed() and value > 0:
        return False
    step = Fraction(10) ** int(written.as_tuple().exponent)
    scaled = abs(value) / step
    down = scaled.numerator // scaled.denominator
    rest = scaled - down
    half = Fraction(1, 2)
    nearest = {down + (rest > half)} if rest != half else {down + 1, down + down % 2}
    return abs(Fraction(written)) / step in nearest and (not written or (written > 0) == (value > 0))
