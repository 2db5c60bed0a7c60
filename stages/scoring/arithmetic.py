"""Math accuracy: the final number of a completion against the answer that the recipe teaches.

`strict`: equal at the recipe's precision; answers that are not rounded must be equal exactly. `tolerant`:
strict, or equal to the published answer when both are rounded to two decimals, or, from a million in size
on, to six significant digits. A fraction must be in the lowest terms in both.
"""

import collections
import re
from decimal import Context, Decimal, InvalidOperation

from stages.problems.categories import Problem
from stages.problems.workings import line, precision, round_at

TOLERANT_DECIMALS = 2
LARGE = Decimal(1_000_000)
LARGE_DIGITS = Context(prec=6, traps=[])  # 1e9999999 becomes infinite, and is wrong
# A minus after a digit or a bracket is a subtraction; a slash without spaces is a fraction.
NUMBER = re.compile(
    r"(?P<sign>(?<![0-9)）])[-−])?"
    r"(?P<number>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"(?:/(?P<below>[0-9]+)(?![0-9]|\.[0-9]))?"
)
Final = Decimal | tuple[Decimal, Decimal]


def final_number(text: str) -> Final | None:
    """Return the last number in a text, a fraction `p/q` as a pair, or None. Never raises."""
    found = collections.deque(NUMBER.finditer(text), maxlen=1)
    if not found:
        return None
    last = found[0]
    try:
        value = Decimal(("-" if last["sign"] else "") + last["number"].replace(",", ""))
        return (value, Decimal(last["below"])) if last["below"] else value
    except InvalidOperation:  # an exponent that no Decimal holds
        return None


def strict(problem: Problem, completion: str, recipe: str, decimals: int) -> bool:
    """Whether the completion's final number is the recipe's answer, at the recipe's precision."""
    found, taught = final_number(completion), final_number(line(problem, recipe, decimals))
    if taught is None:
        raise ValueError(f"no number in the {recipe} working of {problem.spelled}")
    if not isinstance(found, Decimal) or not isinstance(taught, Decimal):
        return found == taught
    places = precision(problem.category, recipe, decimals)
    return found == taught if places is None else rounded(found, places) == rounded(taught, places)


def tolerant(problem: Problem, completion: str, recipe: str, decimals: int) -> bool:
    """Whether the completion is strictly right, or near the published answer as the module says."""
    if strict(problem, completion, recipe, decimals):
        return True
    found, gold = final_number(completion), final_number(problem.published)
    if not isinstance(found, Decimal) or not isinstance(gold, Decimal):
        return False
    if abs(gold) >= LARGE:
        return LARGE_DIGITS.plus(found) == LARGE_DIGITS.plus(gold)
    return rounded(found, TOLERANT_DECIMALS) == rounded(gold, TOLERANT_DECIMALS)


def rounded(value: Decimal, places: int) -> Decimal:
    """Round half to even; a number too large to be written out stays as it is."""
    try:
        return round_at(value, places)
    except InvalidOperation:
        return value
