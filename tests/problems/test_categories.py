"""The category table: each row of it on its own, against the published counts and against real rows."""

import json
from random import Random

import pytest

from abacus.problems.categories import CATEGORIES
from abacus.problems.workings import recognise

EACH = pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.name)
DIRECT = {"+": 90_113, "-": 89_366, "*": 89_902, "/": 89_966}
UNIQUE = {
    "direct": 359_347,
    "equation": 40_080,
    "root": 39_227,
    "power": 39_207,
    "function": 20_028,
    "mean": 19_709,
    "area": 8_665,
    "discount": 6_275,
    "sales": 6_266,
    "mass": 100,
    "fraction": 45,
}
# The categories of the rows in rows.jsonl, in their order.
REAL = (
    *("power", "power", "equation", "equation", *["direct"] * 6, "root", "root", "discount", "discount"),
    *("direct", "direct", "function", "function", "english", "english", "area", "area", "mean", "mean"),
    *("sales", "sales", "fraction", "mass"),
)


def by_name(name):
    return next(category for category in CATEGORIES if category.name == name)


@EACH
def test_only_this_category_recognises_what_it_draws(category):
    random = Random(1)
    for _ in range(300):
        drawn = category.draw(random)
        text = category.text(drawn)
        found = [(other, problem) for other in CATEGORIES if (problem := other.parse(text))]
        assert found == [(category, drawn)], text
        assert recognise(text).published == drawn.published
        assert category.published(category.pattern.fullmatch(text).groups()) == drawn.published


@EACH
def test_drawn_operands_stay_spelled_as_they_are(category):
    random = Random(2)
    for _ in range(300):
        text = category.text(category.draw(random))
        assert category.text(category.parse(text)) == text


@EACH
def test_a_problem_is_recognised_in_full_or_not_at_all(category):
    text = category.text(category.draw(Random(3)))
    for wrong in (f" {text}", f"{text} ", f"{text}\n", text[:-1], text[1:], text.replace(" ", "  ")):
        assert not any(other.parse(wrong) for other in CATEGORIES), wrong


@EACH
def test_digits_of_other_scripts_are_no_digits(category):
    text = category.text(category.draw(Random(4)))
    for digit in "٣３③":
        changed = "".join(digit if c.isdigit() else c for c in text)
        assert not any(other.parse(changed) for other in CATEGORIES), changed


@EACH
def test_the_seed_decides_what_is_drawn(category):
    def texts(seed):
        random = Random(seed)
        return [category.text(category.draw(random)) for _ in range(20)]

    assert texts(5) == texts(5) != texts(6)


def test_unique_counts_are_the_published_ones():
    assert {category.name: sum(category.unique.values()) for category in CATEGORIES} == UNIQUE
    assert by_name("direct").unique == DIRECT
    assert sum(UNIQUE.values()) == 538_949


def test_raw_counts_make_the_published_total():
    assert sum(category.raw for category in CATEGORIES) == 800_000
    assert all(category.raw > sum(category.unique.values()) for category in CATEGORIES)


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("计算 6.00 * 1.00 等于多少？", "6.00 * 1.00 = 6.0000"),
        ("解方程 -39x + 0 = 0", "方程的解为：-0.0"),
        ("解方程 39x + 0 = 0", "方程的解为：0.0"),
        ("解方程 9x + -5 = 0", "方程的解为：0.5555555555555556"),
        ("解方程 9x + 5 = 0", "方程的解为：-0.5555555555555556"),
        ("计算 0.00 的平方根？", "√0.00 = 0.0"),
        ("计算 -3.50 的 0 次方？", "-3.50^0 = 1"),
        ("计算 -140.10 的 4 次方？", "-140.10^4 = 385258776.56010000"),
        ("当 x = 0.00 时，求函数 y = 7x^3 的值", "函数的值为：0"),
        ("当 x = 10.00 时，求函数 y = 3x^34 的值", "函数的值为：3.000000000000000000000000000E+34"),
        ("求以下数据的平均值：[74, 13, 87]", "平均值为 58.0"),
        ("商品原价为 100 元，打折后的价格为 100 元，请计算打折的折扣比例。", "0.0"),
        ("商品原价为 87 元，打折后的价格为 4 元，请计算打折的折扣比例。", "95.40229885057471"),
        # In another order of operations the last digits are others.
        ("商品原价为 6 元，打折后的价格为 7 元，请计算打折的折扣比例。", "-16.666666666666664"),
        ("商品原价为 7 元，打折后的价格为 9 元，请计算打折的折扣比例。", "-28.57142857142857"),
        ("去年销售额为 3 万元，今年销售额增加了 74%，请计算今年的销售额。", "5.220000000000001"),
        ("去年销售额为 1 万元，今年销售额增加了 14%，请计算今年的销售额。", "1.1400000000000001"),
        ("将分数 6/8 进行简化。", "最简化的形式为：3/4"),
        ("将分数 2/10 进行简化。", "最简化的形式为：1/5"),
    ],
)
def test_a_published_solution_is_printed_as_python_prints_it(text, published):
    assert recognise(text).published == published


def test_the_real_rows_come_back_byte_for_byte(shared):
    lines = (shared / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == len(REAL) == 28
    for row, name in zip(rows, REAL, strict=True):
        if name == "english":
            with pytest.raises(ValueError, match="is of no category"):
                recognise(row["problem"])
        else:
            problem = recognise(row["problem"])
            assert problem.category.name == name
            assert problem.published == row["solution"]
            assert problem.category.text(problem) == row["problem"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("今天天气很好", "is of no category"),
        ("", "is of no category"),
        ("计算 5 的平方根？计算 5 的 2 次方？", "holds the text of 2 categories (root, power)"),
        ("计算 5 的平方根？计算 5 的平方根？", "holds a problem of category 'root' and more text around it"),
        ("请计算 5 的平方根？", "holds a problem of category 'root' and more text around it"),
        ("计算 1234567890123 的平方根？", "is of no category"),
    ],
)
def test_a_text_that_is_no_problem_says_why(text, message):
    with pytest.raises(ValueError) as caught:
        recognise(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "计算 5.00 / 0.00 等于多少？",
        "解方程 0x + 5 = 0",
        "商品原价为 0 元，打折后的价格为 5 元，请计算打折的折扣比例。",
        "将分数 1/0 进行简化。",
        "计算 -4 的平方根？",
        "计算 0 的 0 次方？",
        "当 x = 0.00 时，求函数 y = 5x^0 的值",
    ],
)
def test_a_problem_without_value_raises_an_arithmetic_error(text):
    problem = recognise(text)
    with pytest.raises(ArithmeticError):
        problem.published  # noqa: B018


def test_the_largest_operands_take_no_time():
    for text in (
        "当 x = 999999999999.999999999999 时，求函数 y = 999999999x^999 的值",
        "计算 -999999999999.999999999999 的 999 次方？",
    ):
        assert "E+119" in recognise(text).published


class Scripted(Random):
    """A generator whose whole numbers are given."""

    def __init__(self, *numbers):
        super().__init__()
        self.numbers = list(numbers)

    def randint(self, low, high):
        return self.numbers.pop(0)


@pytest.mark.parametrize(
    ("name", "numbers", "fixed", "text"),
    [
        ("direct", (5, 0, 7, 3), {"op": "/"}, "计算 0.07 / 0.03 等于多少？"),
        ("direct", (5, 0), {"op": "*"}, "计算 0.05 * 0.00 等于多少？"),
        ("equation", (0, 0, 2, 5), {}, "解方程 2x + 5 = 0"),
        ("power", (0, 0, 150, 0), {}, "计算 1.50 的 0 次方？"),
        ("power", (0, 2), {}, "计算 0.00 的 2 次方？"),
        ("fraction", (5, 5, 6, 2, 1, 2), {}, "将分数 1/2 进行简化。"),
    ],
)
def test_a_problem_without_value_is_drawn_again(name, numbers, fixed, text):
    category = by_name(name)
    drawn = category.draw(Scripted(*numbers), **fixed)
    assert category.text(drawn) == text
    assert drawn.published
