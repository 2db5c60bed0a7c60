"""How near an answer is that need not be right: measures that move where exactness does not yet.

They look at the final answer that scoring reads (abacus/scoring/arithmetic.py) and at what the recipe teaches, both at
the recipe's precision. No final answer (an empty one, one that was cut, the question again) gets nothing in any of
them; so does a fraction where a number is taught, and a number where a fraction is. Of a fraction both its numbers are
looked at. A strictly right answer has its sign, its order and all of its digits; a recipe's own text has all four.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from statistics import fmean
from typing import NamedTuple

from abacus.scoring.written import Final, normal

MARK = "\0"  # stands for a number; one that a text has itself is dropped
NUMBER = re.compile(r"-?[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?")


class Graded(NamedTuple):
    """What is right of an answer: the form of its working, sign and order of its final answer, and the share of digits."""

    form: bool
    sign: bool
    magnitude: bool
    digits: float


NOTHING = Graded(False, False, False, 0.0)


def grade(completion: str, found: Final | None, working: str, taught: Final) -> Graded:
    """Grade a completion whose final answer is `found` against the recipe's working, whose answer is `taught`."""
    if found is None:
        return NOTHING
    right = sign(found, taught), magnitude(found, taught), digits(found, taught)
    return Graded(layout(completion) == layout(working), *right)


def layout(text: str) -> str:
    """What a text is without its numbers, each with its own sign: two workings of one form have one layout.

    >>> layout("计算过程：3 - -5 = 8") == layout("计算过程：1.5 - ２ = -0.5")
    True
    """
    return NUMBER.sub(MARK, normal(text.replace(MARK, ""))).strip()


def sign(found: Final, taught: Final) -> bool:
    """Whether a final answer is positive, negative or zero as the taught one is; there is no negative zero."""
    return _alike(signum, found, taught)


def magnitude(found: Final, taught: Final) -> bool:
    """Whether a final answer has as many digits before the point as the taught one, or zeros after it.

    That is the power of ten of its first digit that is not zero, whatever its sign; only zero is of zero's order.
    """
    return _alike(order, found, taught)


def digits(found: Final, taught: Final) -> float:
    """The share of leading digits that are right, from 0 to 1: of a fraction the mean of both its numbers' shares."""
    shares = [leading(one, other) for one, other in _pairs(found, taught)]
    return fmean(shares) if shares else 0.0


def leading(found: Decimal, taught: Decimal) -> float:
    """The share of digits, from the first to the first wrong one, that two numbers of one sign and order have alike.

    Zeros at either end do not count (`0.0120` has the digits 12), a missing digit is 0, and the share is of the longer
    one's digits: 1 for equal numbers alone. Numbers of another sign or order share nothing.
    """
    if (signum(found), order(found)) != (signum(taught), order(taught)):
        return 0.0
    some, others = significant(found), significant(taught)
    length = max(len(some), len(others))
    padded = (one.ljust(length, "0") for one in (some, others))
    wrong = [one != other for one, other in zip(*padded, strict=True)]
    alike = wrong.index(True) if True in wrong else length
    return alike / length if length else 1.0


def significant(value: Decimal) -> str:
    """The digits of a number without zeros at either end; none of zero."""
    return "".join(map(str, value.as_tuple().digits)).strip("0")


def signum(value: Decimal) -> int:
    """1, 0 or -1."""
    return (value > 0) - (value < 0)


def order(value: Decimal) -> int | None:
    """The power of ten of a number's first digit; None of zero."""
    return value.adjusted() if value else None


def _alike(what: Callable[[Decimal], int | None], found: Final, taught: Final) -> bool:
    """Whether two answers are of one kind, and alike in this."""
    pairs = _pairs(found, taught)
    return bool(pairs) and all(what(one) == what(other) for one, other in pairs)


def _pairs(found: Final, taught: Final) -> list[tuple[Decimal, Decimal]]:
    """The numbers of two answers side by side: one or, of two fractions, two; none of answers of two kinds."""
    if isinstance(found, Decimal) and isinstance(taught, Decimal):
        return [(found, taught)]
    if isinstance(found, tuple) and isinstance(taught, tuple):
        return list(zip(found, taught, strict=True))
    return []
