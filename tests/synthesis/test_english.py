"""The English problems: all different, well formed, reproducible, and right."""

import re
from collections import Counter
from fractions import Fraction
from itertools import accumulate, combinations, islice, product, repeat
from random import Random

import pytest

from abacus.synthesis import english

COUNT = 9_993
CJK = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}\$\.$")


@pytest.fixture(scope="module")
def many():
    return list(english.rows(COUNT, seed=1))


def boxed(solution):
    """The boxed answer as a Fraction; a factor pi is left out."""
    text = BOXED.search(solution)[1].replace(r"\pi", "")
    text = re.sub(r"\\frac\{(\d*)\}\{(\d+)\}", lambda m: f"{m[1] or 1}/{m[2]}", text)
    return Fraction(text or 1)


def numbers(text):
    return [int(n) for n in re.findall(r"-?\d+", text)]


def value(expression, x):
    """A polynomial in LaTeX at x."""
    return eval(re.sub(r"(\d)x", r"\1*x", expression).replace("^", "**"), {"x": x})


def right_linear(problem, answer):
    left, right = re.search(r": \$(.*) = (.*)\$", problem).groups()
    return value(left, answer) == value(right, answer)


def right_quadratic(problem, answer):
    square = re.search(r"\$(.*) = 0\$", problem)[1]
    return [x for x in range(-99, 99) if value(square, x) == 0][1:] == [answer]


def right_arithmetic(problem, answer):
    first, step, length = numbers(problem)
    return sum(islice(accumulate(repeat(step), initial=first), length)) == answer


def right_geometric(problem, answer):
    first, ratio, length = numbers(problem)
    return sum(first * ratio**k for k in range(length)) == answer


def right_power(problem, answer):
    base, exponent, modulus = numbers(problem)
    return base**exponent % modulus == answer


def right_angles(problem, answer):
    a, b = numbers(problem)
    return min(a, b, answer) > 0 and a + b + 2 * answer == 180


def right_triangle(problem, answer):
    a, b = numbers(problem)
    return a * a + b * b == answer * answer


def right_combinations(problem, answer):
    i, j, teachers, students = numbers(problem)
    chosen = sum(1 for _ in combinations(range(teachers), i))
    return chosen * sum(1 for _ in combinations(range(students), j)) == answer


def right_dice(problem, answer):
    _, a, _, b, s = numbers(problem)
    rolls = [sum(roll) for roll in product(range(1, a + 1), range(1, b + 1))]
    return 0 < Fraction(rolls.count(s), len(rolls)) == answer


def right_percentage(problem, answer):
    price, up, down = numbers(problem)
    return price * (1 + Fraction(up, 100)) * (1 - Fraction(down, 100)) == answer


def right_value(problem, answer):
    rule, at = re.search(r"= (.*)\$\. What is \$f\((.*)\)\$", problem).groups()
    return value(rule, int(at)) == answer


def right_multiple(problem, answer):
    a, b = numbers(problem)
    return next(n for n in range(a, a * b + 1, a) if n % b == 0) == answer


def right_sector(problem, answer):
    radius, angle = numbers(problem)
    return answer / radius**2 == Fraction(angle, 360)


def right_primes(problem, answer):
    low, high = numbers(problem)
    composite = {i * j for i in range(2, high) for j in range(2, high // i + 1)} | {1}
    return sum(n for n in range(low, high + 1) if n not in composite) == answer


RIGHT = {
    "linear equation": right_linear,
    "quadratic equation": right_quadratic,
    "arithmetic series": right_arithmetic,
    "geometric series": right_geometric,
    "power remainder": right_power,
    "triangle angles": right_angles,
    "right triangle": right_triangle,
    "combinations": right_combinations,
    "dice": right_dice,
    "percentage": right_percentage,
    "function value": right_value,
    "least common multiple": right_multiple,
    "sector area": right_sector,
    "sum of primes": right_primes,
}


def test_problems_are_all_different(many):
    assert len(many) == len({row["problem"] for row in many}) == COUNT


def test_rows_are_plain_text_without_cjk(many):
    for row in many:
        assert list(row) == ["problem", "solution"]
        assert not any(CJK.search(text) or re.search(r"<\w+>", text) for text in row.values()), row
        assert all(text.isascii() and text.count("{") == text.count("}") for text in row.values())
        assert all(len(re.findall(r"(?<!\\)\$", text)) % 2 == 0 for text in row.values()), row


def test_each_solution_ends_in_its_only_boxed_answer(many):
    for row in many:
        assert row["solution"].count(r"\boxed{") == 1, row
        assert BOXED.search(row["solution"]), row


def test_families_contribute_equally(many):
    shapes = Counter(row["problem"].split("$")[0] for row in many)
    assert len(shapes) == len(english.FAMILIES)
    assert max(shapes.values()) - min(shapes.values()) <= 1


def test_the_seed_decides_the_rows(many):
    assert list(english.rows(COUNT, seed=1)) == many
    assert list(english.rows(COUNT, seed=2)) != many


def test_capacity_is_well_above_the_need():
    assert sum(1 for _ in english.rows(3 * COUNT, seed=4)) == 3 * COUNT


def test_an_exhausted_family_is_skipped_and_too_many_rows_are_refused(monkeypatch):
    def small(name, limit):
        draw = english.choose(a=range(limit))
        return english.Family(name, draw, f"{name} $<a>$", lambda a: {"answer": a}, "$<answer>$.")

    monkeypatch.setattr(english, "FAMILIES", (small("few", 2), small("more", 5)))
    found = Counter(row["problem"].split()[0] for row in english.rows(7, seed=1))
    assert found == {"few": 2, "more": 5}
    with pytest.raises(ValueError, match="asked for 8 different problems, found only 7"):
        list(english.rows(8, seed=1))


@pytest.mark.parametrize("family", english.FAMILIES, ids=lambda family: family.name)
def test_answers_are_right(family):
    random = Random(5)
    for _ in range(100):
        row = family.row(random)
        assert RIGHT[family.name](row["problem"], boxed(row["solution"])), row


def test_a_wrong_answer_would_be_noticed():
    for family in english.FAMILIES:
        row = family.row(Random(6))
        assert not RIGHT[family.name](row["problem"], boxed(row["solution"]) + 1), row


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (((1, "x^2"), (-1, "x"), (4, "")), "x^2 - x + 4"),
        (((-3, "x^2"), (0, "x"), (-1, "")), "-3x^2 - 1"),
        (((0, "x"),), "0"),
    ],
)
def test_sums_are_spelled_as_in_a_textbook(terms, text):
    assert english.total(*terms) == text


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (Fraction(-3, 4), "", r"-\frac{3}{4}"),
        (Fraction(1, 6), r"\pi", r"\frac{\pi}{6}"),
        (Fraction(1), r"\pi", r"\pi"),
        (-12, "", "-12"),
    ],
)
def test_fractions_are_spelled_in_latex(number, unit, text):
    assert english.latex(number, unit) == text
