"""Operands: how the number in a problem is spelled, read and drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

# The digits are bounded so that no row can ask for hours of arithmetic; [0-9], for \d takes other scripts' digits.
INTEGER = "-?[0-9]{1,9}"
DECIMAL = r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?"
EXPONENT = "[0-9]{1,3}"
# A number however it is spelled: +6, 006, .5, 6.00, 1,000.
LOOSE = r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,16})(?:\.[0-9]{0,16})?|[-+]?\.[0-9]{1,16}"
LOOSE_ITEM = r"[-+]?[0-9]{1,16}(?:\.[0-9]{0,16})?"  # of a list, whose items commas divide


@dataclass(frozen=True)
class Operand:
    """One blank of a problem template.

    `pattern` is the regular expression of its spelling, `read` turns a spelling into a value, `draw`
    makes a spelling. The spelling is kept beside the value: `6.00` and `6` are equal numbers.
    `loose` is the pattern of other spellings too, blanks gone, and `value` reads those.
    """

    pattern: str
    read: Callable[[str], Any]
    draw: Callable[[Random], str]
    loose: str = LOOSE
    value: Callable[[str], Any] = lambda text: Decimal(text.replace(",", ""))


def integer(low: int, high: int, without: int | None = None) -> Operand:
    """Return an operand that draws a whole number from low to high, `without` left out."""

    def draw(random: Random) -> str:
        value = random.randint(low, high)
        while value == without:
            value = random.randint(low, high)
        return str(value)

    return Operand(INTEGER, int, draw)


def exponent(low: int, high: int) -> Operand:
    """Return an operand that draws a natural exponent from low to high."""
    return Operand(EXPONENT, int, lambda random: str(random.randint(low, high)))


def hundredths(low: int, high: int) -> Operand:
    """Return an operand of two decimals, drawn from low to high hundredths."""

    def draw(random: Random) -> str:
        value = random.randint(low, high)
        whole, part = divmod(abs(value), 100)
        return f"{'-' if value < 0 else ''}{whole}.{part:02}"

    return Operand(DECIMAL, Decimal, draw)


def choice(signs: str) -> Operand:
    """Return an operand that is one of the given characters."""
    escaped = "".join("\\" + sign for sign in signs)
    pattern = f"[{escaped}]"
    return Operand(pattern, str, lambda random: random.choice(signs), loose=pattern, value=str)


def integers(count: tuple[int, int], low: int, high: int) -> Operand:
    """Return an operand that is a list of `count[0]` to `count[1]` whole numbers from low to high."""

    def draw(random: Random) -> str:
        return ", ".join(str(random.randint(low, high)) for _ in range(random.randint(*count)))

    return Operand(
        f"{INTEGER}(?:, {INTEGER}){{0,99}}",
        lambda text: tuple(int(item) for item in text.split(", ")),
        draw,
        loose=f"{LOOSE_ITEM}(?:,{LOOSE_ITEM}){{0,99}}",
        value=lambda text: tuple(Decimal(item) for item in text.split(",")),
    )
