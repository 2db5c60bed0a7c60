"""An arithmetic text evaluated exactly, read on its own: nothing here is the product's."""

import math
import re
from decimal import Context, Decimal
from fractions import Fraction

TOKEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?(?:E[+-]?[0-9]+)?|gcd|x|[-+*/^√(),])")


class Expression:
    """The exact value of an arithmetic text; `x` is the value of that letter in it."""

    def __init__(self, text, x=None):
        self.tokens, at = [], 0
        while at < len(text):
            match = TOKEN.match(text, at)
            assert match, f"cannot read {text[at:]!r}"
            self.tokens.append(match[1])
            at = match.end()
        self.x = x
        self.value = self.total()
        assert not self.tokens, f"left over: {self.tokens}"

    def next_is(self, signs):
        return bool(self.tokens) and self.tokens[0] in signs

    def take(self, expected=None):
        token = self.tokens.pop(0)
        assert expected in (None, token), f"{token} stands for {expected}"
        return token

    def total(self):
        value = self.product()
        while self.next_is("+-"):
            value = value + self.product() if self.take() == "+" else value - self.product()
        return value

    def product(self):
        value = self.signed()
        while self.next_is("*/x"):
            if self.next_is("x"):  # 39x
                value *= self.atom()
            else:
                value = value * self.signed() if self.take() == "*" else value / self.signed()
        return value

    def signed(self):
        if self.next_is("-"):
            self.take()
            return -self.signed()
        return self.power()

    def power(self):
        base = self.atom()
        if self.next_is("^"):  # binds tighter than the sign before it: -2^2 is -4
            self.take()
            return base ** self.signed()
        return base

    def atom(self):
        token = self.take()
        if token == "(":
            value = self.total()
            self.take(")")
            return value
        if token == "√":
            value = self.atom()
            wide = Context(prec=120)
            return Fraction(wide.sqrt(wide.divide(Decimal(value.numerator), Decimal(value.denominator))))
        if token == "gcd":
            self.take("(")
            left = self.total()
            self.take(",")
            right = self.total()
            self.take(")")
            assert left.denominator == right.denominator == 1
            return Fraction(math.gcd(left.numerator, right.numerator))
        if token == "x":
            return self.x
        return Fraction(token)
