"""How numbers are printed in workings."""

from decimal import Decimal


def plain(value: Decimal) -> str:
    """Print a decimal without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def as_float(value: Decimal) -> str:
    """Print a decimal the way Python prints a float: 6.00 is 6.0."""
    text = plain(value)
    return text if "." in text else f"{text}.0"


def in_brackets(text: str) -> str:
    """Put a negative number in brackets: -2^2 is -4, (-2)^2 is 4."""
    return f"({text})" if text.startswith("-") else text
