"""Workings digit by digit: steps that a small model can take one at a time, in as few tokens as they need.

Steps are parted by `;` and have no blanks (`stepwise`), or only those around signs (`spaced`): a blank before a digit is a token of its own. SmolLM2 reads digits one by
one, Llama 3 in groups of three; a step works on single digits of what it is given, so that both read the same. Digits
are taken from the left, as they stand in the problem, for a model copies forwards more easily than backwards. Every
`left = right` is true; what ends a working is the answer, rounded where the last remainder says how.
"""

import math
import re
from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction
from typing import NamedTuple

from abacus.problems.printed import in_brackets, plain

LONGEST = 156  # characters, about the tokens of SmolLM2: a working that would be longer is not written
WIDE = Context(prec=100)
JOINS = re.compile("(?<=[0-9x)])[-+*/=]")  # what stands between two numbers; a sign stands before one


class Steps(NamedTuple):
    """The steps of a working, and the line that states the answer at once, for where they are too long."""

    steps: Sequence[str]
    line: str

    def tight(self) -> str:
        """The working without blanks."""
        text = ";".join(self.steps)
        return text if len(text) <= LONGEST else self.line

    def spaced(self) -> str:
        """The working with blanks around what joins two numbers, as most texts have them; an answer 3/4 is one number."""
        tight = self.tight()
        chosen = tight if len(tight) + len(JOINS.findall(tight)) <= LONGEST else self.line
        return ";".join(JOINS.sub(r" \g<0> ", step) if "=" in step else step for step in chosen.split(";"))


def direct(a: Decimal, op: str, b: Decimal, answer: str, places: int) -> Steps:
    """An operation of two decimals whose answer is known."""
    line = f"{plain(a)}{op}{in_brackets(plain(b))}={answer}"
    if op == "/":
        top, bottom = hundredths(a, b)
        return Steps([f"x={bottom}", *quotient(top, bottom, places, "x"), answer], line)
    if op == "*":
        return Steps([*long_product(a, b), *ending(WIDE.multiply(a, b), answer)], line)
    b = -b if op == "-" else b
    return Steps([*columns(a, b), *ending(WIDE.add(a, b), answer)], line)


def ending(exact: Decimal, answer: str) -> list[str]:
    """The exact value, and the answer if that is rounded."""
    text = plain(exact) if exact else "0"
    return [text] if text == answer else [text, answer]


def hundredths(a: Decimal, b: Decimal) -> tuple[int, int]:
    """The sizes of two decimals in units of the last place of either: 6.72 and 98.45 are 672 and 9845."""
    places = max(places_of(a), places_of(b))
    return int(abs(a).scaleb(places, WIDE)), int(abs(b).scaleb(places, WIDE))


def places_of(value: Decimal) -> int:
    """The digits behind the point of a decimal as it is spelled."""
    return max(0, -int(value.as_tuple().exponent))


def unpointed(value: Decimal) -> int:
    """The size of a decimal without its point: 6.70 is 67."""
    size = WIDE.abs(value).normalize(WIDE)
    return int(size.scaleb(places_of(size), WIDE))


def columns(a: Decimal, b: Decimal) -> list[str]:
    """The digits of a sum place by place, highest first: added, or taken from those of the positive number.

    A column may come to ten or more, or below zero: what it hands to the column before it is seen when the sum is
    written down, from the next column's result.
    """
    first, second = (str(number) for number in hundredths(a, b))
    width = max(len(first), len(second), max(places_of(a), places_of(b)) + 1)
    pairs = list(zip(map(int, first.zfill(width)), map(int, second.zfill(width)), strict=True))
    if (a < 0) == (b < 0):
        return [f"{one}+{other}={one + other}" for one, other in pairs]
    if a < 0:
        pairs = [(other, one) for one, other in pairs]
    return [f"{one}-{other}={one - other}" for one, other in pairs]


def long_product(a: Decimal, b: Decimal) -> list[str]:
    """A product of decimals without their signs and points: `x`, the longer one, by each digit of the other.

    The lowest digit comes first, and each step adds what the one before hands on, all but its last digit: the last
    digits, read backwards behind the last result, are the product.
    """
    one, other = (unpointed(number) for number in (a, b))
    if len(str(one)) < len(str(other)):
        one, other = other, one
    steps, total = [f"x={one}"], 0
    for number, digit in enumerate(map(int, reversed(str(other)))):
        carried = total // 10
        total = digit * one + carried
        steps.append(f"{digit}x+{carried}={total}" if number else f"{digit}x={total}")
    return steps


def quotient(top: int, bottom: int, places: int, name: str = "") -> list[str]:
    """A long division to `places` decimals, a step a digit: what is left, less the divisor times the digit.

    There is no step for zeros before the first digit of the whole part, and none where nothing is left. `name` stands
    for a long divisor.
    """
    steps: list[str] = []
    left = 0
    whole = len(str(top))
    for number, digit in enumerate(str(top) + "0" * places):
        left = left * 10 + int(digit)
        if (number < whole and not steps and left < bottom) or (number >= whole and not left):
            continue
        times, rest = divmod(left, bottom)
        steps.append(f"{left}-{times}{name}={rest}" if name else f"{left}-{bottom}*{times}={rest}")
        left = rest
    return steps


def product(a: int, b: int) -> list[str]:
    """A product of small whole numbers: the first by each place of the second, and the parts added."""
    if sum(digit != "0" for digit in str(abs(a))) < sum(digit != "0" for digit in str(abs(b))):
        a, b = b, a
    sign = -1 if b < 0 else 1
    size = str(abs(b))
    parts = [sign * int(digit) * 10 ** (len(size) - n) for n, digit in enumerate(size, 1) if digit != "0"]
    parts = parts or [0]
    return [*(f"{a}*{part}={a * part}" for part in parts), *total([a * part for part in parts])]


def total(numbers: Sequence[int]) -> list[str]:
    """The running sums of numbers."""
    sums = [sum(numbers[: count + 1]) for count in range(len(numbers))]
    return [
        f"{before}+{number}={after}"
        for before, number, after in zip(sums, numbers[1:], sums[1:], strict=False)
    ]


def equation(a: int, b: int, answer: str, places: int) -> Steps:
    """The solution of ax + b = 0: its quotient, worked out without the sign."""
    sign = "-" if a * b > 0 else ""
    head = f"x={sign}{abs(b)}/{abs(a)}"
    return Steps([head, *quotient(abs(b), abs(a), places), answer], f"{head};{answer}")


def mean(numbers: Sequence[int], answer: str, places: int) -> Steps:
    """Running sums, divided by how many there are."""
    steps = [*total(numbers), *quotient(abs(sum(numbers)), len(numbers), places), answer]
    return Steps(steps, f"({'+'.join(map(str, numbers))})/{len(numbers)}={answer}")


def discount(a: int, b: int, answer: str, places: int) -> Steps:
    """The difference, divided as a percentage."""
    steps = [f"{a}-{b}={a - b}", *quotient(abs(a - b) * 100, abs(a), places), answer]
    return Steps(steps, f"({a}-{b})/{a}*100={answer}")


def sales(a: int, b: int, answer: str) -> Steps:
    """The growth by digits, a hundredth of it added."""
    growth = Decimal(a * b).scaleb(-2, WIDE)
    after = WIDE.add(Decimal(a), growth)
    steps = [*product(a, b), f"{a}+{plain(growth)}={plain(after)}"]
    return Steps(steps + ending(after, answer)[1:], f"{a}*(1+{plain(Decimal(b).scaleb(-2, WIDE))})={answer}")


def area(a: int, b: int) -> Steps:
    """A product of whole numbers."""
    return Steps(product(a, b), f"{a}*{b}={a * b}")


def fraction(a: int, b: int) -> Steps:
    """Both divided by what they share."""
    shared, value = math.gcd(a, b), Fraction(a, b)
    answer = f"{value.numerator}/{value.denominator}"
    return Steps([f"{a}/{shared}={a // shared}", f"{b}/{shared}={b // shared}", answer], answer)


def root(a: Decimal, answer: str, places: int) -> Steps:
    """A square root digit by digit: of the root p so far, the next digit d takes (20p + d) d from what is left."""
    whole, _, behind = plain(a).partition(".")
    whole = whole.zfill(len(whole) + len(whole) % 2)
    digits = whole + behind.ljust(2 * places, "0")[: 2 * places]
    steps: list[str] = []
    found = left = 0
    for at in range(0, len(digits), 2):
        left = left * 100 + int(digits[at : at + 2])
        if (at < len(whole) and not left and not found) or (
            at >= len(whole) and not int(digits[at:]) and not left
        ):
            continue
        digit = max(d for d in range(10) if (20 * found + d) * d <= left)
        taken = 20 * found + digit
        steps.append(f"{left}-{taken}*{digit}={left - taken * digit}")
        left, found = left - taken * digit, 10 * found + digit
    return Steps([*steps, answer], f"√{plain(a)}={answer}")


def power(a: Decimal, n: int, answer: str) -> Steps:
    """A square as a product; other powers at once: their digits are too many for steps."""
    line = f"{in_brackets(plain(a))}^{n}={answer}"
    return Steps([*long_product(a, a), answer] if n == 2 else [line], line)


def function(c: int, x: Decimal, n: int, answer: str) -> Steps:
    """The value at once."""
    line = f"{c}*{in_brackets(plain(x))}^{n}={answer}"
    return Steps([line], line)
