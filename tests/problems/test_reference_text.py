"""`workings: reference` to the letter, against a second writing of the published rules that knows nothing of the table.

Over every operand where these are few; over ten thousand drawn ones elsewhere.
"""

import math
import re
from decimal import Decimal, localcontext
from itertools import product
from random import Random

import pytest

from abacus.problems.categories import CATEGORIES
from abacus.problems.workings import recognise, working

TABLE = {category.name: category for category in CATEGORIES}
ONE_TO_100 = range(1, 101)


def number(value):
    """An integral value as an integer, else four decimals, trailing zeros gone."""
    if value == int(value):
        return str(int(value))
    text = f"{round(value, 4):f}" if isinstance(value, Decimal) else repr(round(value, 4))
    if "e" in text:  # 1e-04
        text = f"{Decimal(text):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def two(value):
    """The same at two decimals."""
    return str(int(value)) if value == int(value) else repr(round(value, 2)).removesuffix(".0")


def direct(text):
    a, op, b = re.fullmatch(r"计算 (\S+) (\S) (\S+) 等于多少？", text).groups()
    x, y = Decimal(a), Decimal(b)
    value = x + y if op == "+" else x - y if op == "-" else x * y if op == "*" else x / y
    return f"{a} {op} {b} = {number(value)}"


def equation(text):
    a, b = re.fullmatch(r"解方程 (\S+)x \+ (\S+) = 0", text).groups()
    return f"{a}x = {-int(b)}, x = {-int(b)} / {a}, x = {number(-int(b) / int(a))}"


def root(text):
    (a,) = re.fullmatch(r"计算 (\S+) 的平方根？", text).groups()
    return f"√{a} = {number(Decimal(a).sqrt())}"


def power(text):
    a, n = re.fullmatch(r"计算 (\S+) 的 (\S+) 次方？", text).groups()
    return f"{a}^{n} = {Decimal(a) ** int(n)}"


def function(text):
    x, c, n = re.fullmatch(r"当 x = (\S+) 时，求函数 y = (\S+)x\^(\S+) 的值", text).groups()
    return f"{c} * {float(x)} ^ {n} = {int(c) * Decimal(x) ** int(n)}"


def mean(text):
    values = re.fullmatch(r"求以下数据的平均值：\[(.*)\]", text)[1].split(", ")
    return f"({' + '.join(values)}) / {len(values)} = {number(sum(map(int, values)) / len(values))}"


def area(text):
    a, b = re.fullmatch(r"一个长方形的长为 (\S+) 厘米，宽为 (\S+) 厘米，请计算其面积。", text).groups()
    return f"{a} * {b} = {int(a) * int(b)}"


def discount(text):
    a, b = re.fullmatch(
        r"商品原价为 (\S+) 元，打折后的价格为 (\S+) 元，请计算打折的折扣比例。", text
    ).groups()
    return f"({a} - {b}) / {a} = {two((int(a) - int(b)) / int(a) * 100)}"


def sales(text):
    a, b = re.fullmatch(
        r"去年销售额为 (\S+) 万元，今年销售额增加了 (\S+)%，请计算今年的销售额。", text
    ).groups()
    return f"{a} * (1 + {int(b) / 100}) = {number(int(a) + int(a) * int(b) / 100)}"


def mass(text):
    words = r"某物体的密度为 (\S+) 克/立方厘米，体积为 (\S+) 立方厘米，请计算该物体的质量。"
    a, b = re.fullmatch(words, text).groups()
    return f"{a} * {b} = {int(a) * int(b)}"


def fraction(text):
    a, b = map(int, re.fullmatch(r"将分数 (\S+)/(\S+) 进行简化。", text).groups())
    d = math.gcd(a, b)
    p, q = a // d, b // d
    return f"gcd({a}, {b}) = {d}, {a} / {d} = {p}, {b} / {d} = {q}, 最简化的形式为：{p}/{q}"


WHOLE = {
    discount: (
        "商品原价为 {} 元，打折后的价格为 {} 元，请计算打折的折扣比例。",
        product(ONE_TO_100, ONE_TO_100),
    ),
    sales: (
        "去年销售额为 {} 万元，今年销售额增加了 {}%，请计算今年的销售额。",
        product(ONE_TO_100, [*ONE_TO_100, 0, 101, 130, 200, 250, 999, 10_000, 12_345, 999_999_999]),
    ),
    area: ("一个长方形的长为 {} 厘米，宽为 {} 厘米，请计算其面积。", product(ONE_TO_100, ONE_TO_100)),
    mass: (
        "某物体的密度为 {} 克/立方厘米，体积为 {} 立方厘米，请计算该物体的质量。",
        product(range(1, 11), range(1, 11)),
    ),
    fraction: ("将分数 {}/{} 进行简化。", ((a, b) for a, b in product(range(1, 11), range(1, 11)) if a < b)),
    equation: ("解方程 {}x + {} = 0", ((a, b) for a, b in product(range(-100, 101), range(-100, 101)) if a)),
}
DRAWN = (direct, root, power, function, mean)


def test_every_category_is_written_twice():
    assert {rule.__name__ for rule in (*WHOLE, *DRAWN)} == set(TABLE)


@pytest.mark.parametrize("rule", WHOLE, ids=lambda rule: rule.__name__)
def test_the_reference_text_is_the_rules_over_all_operands(rule):
    template, operands = WHOLE[rule]
    different = set()
    for pair in operands:
        text = template.format(*pair)
        problem = recognise(text)
        assert problem.category.name == rule.__name__
        assert working(problem, "reference", 4) == f"计算过程：{rule(text)}"
        different.add(text)
    assert len(different) >= 45


@pytest.mark.parametrize("rule", DRAWN, ids=lambda rule: rule.__name__)
def test_the_reference_text_is_the_rules_over_ten_thousand_draws(rule):
    category, random = TABLE[rule.__name__], Random(9)
    with localcontext(prec=28):
        for _ in range(10_000):
            problem = category.draw(random)
            assert working(problem, "reference", 4) == f"计算过程：{rule(category.text(problem))}"


def test_a_whole_share_is_printed_as_a_float():
    text = "去年销售额为 9 万元，今年销售额增加了 100%，请计算今年的销售额。"
    for recipe in ("reference", "exact"):
        assert working(recognise(text), recipe, 4) == "计算过程：9 * (1 + 1.0) = 18"
