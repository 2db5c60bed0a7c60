"""What the recipes write: the reference run's text to the letter, and for `exact` that it is true."""

import json
import re
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from abacus.commands.workings import show
from abacus.data.rows import Row
from abacus.problems.categories import CATEGORIES
from abacus.problems.workings import BARE, PREFIX, RECIPES, line, recognise, working
from tests.expressions import Expression

EACH = pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.name)
FULL = {"power", "function", "area", "mass", "fraction"}

REFERENCE = [
    ("计算 3008.48 / 3439.46 等于多少？", "3008.48 / 3439.46 = 0.8747"),
    ("计算 6.00 * 1.00 等于多少？", "6.00 * 1.00 = 6"),
    ("计算 9600.20 + 3.00 等于多少？", "9600.20 + 3.00 = 9603.2"),
    ("计算 -3828.45 - 756.08 等于多少？", "-3828.45 - 756.08 = -4584.53"),
    ("计算 -0.01 * 0.01 等于多少？", "-0.01 * 0.01 = -0.0001"),
    ("计算 -0.01 / 9999.00 等于多少？", "-0.01 / 9999.00 = 0"),
    ("计算 1.00 / 32.00 等于多少？", "1.00 / 32.00 = 0.0312"),  # half to even
    ("解方程 -39x + 20 = 0", "-39x = -20, x = -20 / -39, x = 0.5128"),
    ("解方程 39x + 0 = 0", "39x = 0, x = 0 / 39, x = 0"),
    ("解方程 -39x + 0 = 0", "-39x = 0, x = 0 / -39, x = 0"),
    ("解方程 9x + -45 = 0", "9x = 45, x = 45 / 9, x = 5"),
    ("求以下数据的平均值：[74, 13, 87]", "(74 + 13 + 87) / 3 = 58"),
    ("求以下数据的平均值：[20, 12, 72, 21, 95, 39]", "(20 + 12 + 72 + 21 + 95 + 39) / 6 = 43.1667"),
    ("将分数 6/8 进行简化。", "gcd(6, 8) = 2, 6 / 2 = 3, 8 / 2 = 4, 最简化的形式为：3/4"),
    (
        "某物体的密度为 10 克/立方厘米，体积为 3 立方厘米，请计算该物体的质量。",
        "10 * 3 = 30",
    ),
    ("一个长方形的长为 87 厘米，宽为 4 厘米，请计算其面积。", "87 * 4 = 348"),
    ("商品原价为 16 元，打折后的价格为 90 元，请计算打折的折扣比例。", "(16 - 90) / 16 = -462.5"),
    ("商品原价为 87 元，打折后的价格为 4 元，请计算打折的折扣比例。", "(87 - 4) / 87 = 95.4"),
    ("计算 5636.97 的平方根？", "√5636.97 = 75.0798"),
    ("计算 -140.10 的 4 次方？", "-140.10^4 = 385258776.56010000"),
    ("计算 2.50 的 0 次方？", "2.50^0 = 1"),
    ("去年销售额为 50 万元，今年销售额增加了 99%，请计算今年的销售额。", "50 * (1 + 0.99) = 99.5"),
    ("去年销售额为 20 万元，今年销售额增加了 5%，请计算今年的销售额。", "20 * (1 + 0.05) = 21"),
    ("去年销售额为 7 万元，今年销售额增加了 30%，请计算今年的销售额。", "7 * (1 + 0.3) = 9.1"),
    ("当 x = 8.52 时，求函数 y = 17x^16 的值", "17 * 8.52 ^ 16 = 13106370406846502.32423395132"),
    ("当 x = 6.00 时，求函数 y = 2x^2 的值", "2 * 6.0 ^ 2 = 72.0000"),
    ("当 x = 0.00 时，求函数 y = 2x^9 的值", "2 * 0.0 ^ 9 = 0"),
]
EXACT = [
    ("商品原价为 16 元，打折后的价格为 90 元，请计算打折的折扣比例。", "(16 - 90) / 16 * 100 = -462.5"),
    ("计算 -140.10 的 4 次方？", "(-140.10)^4 = 385258776.56010000"),
    ("计算 140.10 的 3 次方？", "140.10^3 = 2749884.201000"),
    ("解方程 -39x + 20 = 0", "-39x = -20, x = -20 / -39, x = 0.5128"),
    ("当 x = 8.52 时，求函数 y = 17x^16 的值", "17 * 8.52 ^ 16 = 13106370406846502.32423395132"),
    # The published line says ...501E-13: it is rounded twice.
    ("当 x = 0.57 时，求函数 y = 53x^57 的值", "53 * 0.57 ^ 57 = 6.443808760435822962869728502E-13"),
]
# The ends of the published ranges, and operands that a user's own file may hold.
EXTREMES = [
    *(
        f"计算 -9999.99 {op} {b} 等于多少？"
        for op in "+-*/"
        for b in ("-9999.99", "9999.99", "0.01", "-0.01")
    ),
    *(f"计算 0.00 {op} -0.01 等于多少？" for op in "+-*/"),
    "计算 999999999999.999999999999 + -0.000000000001 等于多少？",
    *(f"解方程 {a}x + {b} = 0" for a in (-100, -3, 1, 32, 100) for b in (-100, -7, 0, 1, 100)),
    *(f"计算 {a} 的平方根？" for a in ("0.00", "0.01", "0.02", "1.00", "9999.98", "9999.99")),
    *(f"计算 {a} 的 {n} 次方？" for a in ("-999.99", "-2.00", "-0.01", "0.01", "999.99") for n in range(6)),
    "计算 0.00 的 5 次方？",
    "计算 -7.123456 的 9 次方？",
    *(
        f"当 x = {x} 时，求函数 y = {c}x^{n} 的值"
        for x in ("0.00", "0.01", "9.99")
        for c in (1, 100)
        for n in (1, 99, 100)
    ),
    "当 x = -9.99 时，求函数 y = -100x^99 的值",
    "当 x = 3.33 时，求函数 y = 7x^0 的值",
    "求以下数据的平均值：[1, 1, 1]",
    "求以下数据的平均值：[100, 100, 99, 1, 1, 1, 1]",
    "求以下数据的平均值：[-5, 4]",
    *(f"一个长方形的长为 {a} 厘米，宽为 {b} 厘米，请计算其面积。" for a in (1, 100) for b in (1, 100)),
    *(
        f"商品原价为 {a} 元，打折后的价格为 {b} 元，请计算打折的折扣比例。"
        for a in (1, 3, 32, 96, 100)
        for b in (1, 31, 100)
    ),
    *(
        f"去年销售额为 {a} 万元，今年销售额增加了 {b}%，请计算今年的销售额。"
        for a in (1, 33, 100)
        for b in (1, 5, 30, 85, 100)
    ),
    "某物体的密度为 10 克/立方厘米，体积为 10 立方厘米，请计算该物体的质量。",
    *(f"将分数 {a}/{b} 进行简化。" for a, b in ((1, 2), (6, 8), (9, 10), (8, 4), (-6, 8))),
]

NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:E[+-]?[0-9]+)?")


def half_unit(number, places):
    """How far a shown number may be from the truth: half a unit of its last place, nothing if it is exact."""
    if places is not None:
        return Fraction(1, 2 * 10**places)
    shown = Decimal(number).as_tuple()
    return Fraction(10) ** shown.exponent / 2 if len(shown.digits) == 28 else Fraction(0)


def false_steps(text, places):
    """Return the steps `left = right` of a working that are not true at the precision shown.

    `places` is the number of decimals that results are rounded to; None for results that are not rounded
    but for the 28 digits of Python's Decimal.
    """
    steps = [step for step in re.split(r", (?![^(]*\))", text) if "=" in step]
    assert steps, text
    x, false = None, []
    for step in steps:
        left, right = step.split(" = ")
        if "x" in left and x is None:
            x = Expression(right).value / Expression(left, x=Fraction(1)).value
        difference = abs(Expression(left, x).value - Expression(right, x).value)
        if difference > (half_unit(right, places) if NUMBER.fullmatch(right) else 0):
            false.append(step)
    return false


def places_of(name, decimals):
    if name in FULL:
        return None
    return min(decimals, 2) if name == "discount" else decimals


def assert_true(problem, decimals):
    name = problem.category.name
    text = line(problem, "exact", decimals)
    assert not false_steps(text, places_of(name, decimals)), text
    if name == "equation":  # the x of the working solves the problem
        left = re.search("解方程 (.*) = 0", problem.category.text(problem))[1]
        x = Expression(re.search(", x = ([^,]*), x", text)[1]).value
        assert Expression(left, x).value == 0, text
    if name == "fraction":
        value = Expression(text.split("：")[1]).value
        assert text.endswith(f"：{value.numerator}/{value.denominator}")
        assert value == Fraction(problem.values["a"], problem.values["b"])


@pytest.mark.parametrize(("text", "expected"), REFERENCE)
def test_the_reference_recipe_writes_the_reference_text(text, expected):
    assert working(recognise(text), "reference", 4) == f"计算过程：{expected}"


@pytest.mark.parametrize(("text", "expected"), EXACT)
def test_the_exact_recipe_mends_what_is_false(text, expected):
    assert working(recognise(text), "exact", 4) == f"计算过程：{expected}"


@EACH
def test_the_published_recipe_writes_the_published_line(category):
    problem = category.draw(Random(1))
    assert working(problem, "published", 4) == f"计算过程：{problem.published}"


@pytest.mark.parametrize(
    ("decimals", "number"), [(0, "75"), (1, "75.1"), (2, "75.08"), (3, "75.08"), (10, "75.0797575915")]
)
def test_decimals_say_how_results_are_rounded(decimals, number):
    problem = recognise("计算 5636.97 的平方根？")
    for recipe in ("reference", "exact"):
        assert line(problem, recipe, decimals) == f"√5636.97 = {number}"
    assert line(problem, "published", decimals) == "√5636.97 = 75.07975759151064280958687335"


@EACH
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_working_is_one_line_and_behind_the_prefix_but_where_tokens_count(category, recipe):
    random = Random(2)
    for decimals in range(11):
        for _ in range(20):
            text = working(category.draw(random), recipe, decimals)
            assert (
                text.startswith(PREFIX) is (recipe not in BARE) and text.strip() == text and "\n" not in text
            )
            if recipe != "published" and category.name not in FULL:
                assert not re.search(r"\.[0-9]*0$| -0$", text), text


@EACH
def test_every_exact_step_is_true(category):
    random = Random(3)
    for decimals in range(11):
        for _ in range(40):
            assert_true(category.draw(random), decimals)


@pytest.mark.parametrize("text", EXTREMES)
def test_every_exact_step_is_true_at_the_ends(text):
    for decimals in range(11):
        assert_true(recognise(text), decimals)


def test_every_exact_step_is_true_beyond_the_published_ranges():
    random = Random(5)
    for _ in range(100):
        a, b = random.randint(-(10**9) + 1, 10**9 - 1), random.randint(1, 10**9 - 1)
        c, d = (Decimal(random.randint(-(10**24) + 1, 10**24 - 1)).scaleb(-12) for _ in range(2))
        for text in (
            *(f"计算 {c:.12f} {op} {d:.12f} 等于多少？" for op in "+-*/"),
            f"解方程 {b}x + {a} = 0",
            f"计算 {abs(c):.12f} 的平方根？",
            f"求以下数据的平均值：[{a}, {b}, 7]",
            f"商品原价为 {b} 元，打折后的价格为 {a} 元，请计算打折的折扣比例。",
            f"去年销售额为 {a} 万元，今年销售额增加了 {b}%，请计算今年的销售额。",
        ):
            for decimals in (0, 2, 4, 10):
                assert_true(recognise(text), decimals)


def test_the_check_finds_the_reference_discount():
    assert false_steps("(16 - 90) / 16 = -462.5", 2) == ["(16 - 90) / 16 = -462.5"]
    problem = recognise("商品原价为 16 元，打折后的价格为 90 元，请计算打折的折扣比例。")
    assert false_steps(line(problem, "reference", 4), 2)


@pytest.mark.parametrize(
    ("text", "places", "false"),
    [
        ("-140.10^4 = 385258776.56010000", None, True),
        ("(-140.10)^4 = 385258776.56010000", None, False),
        ("183.94^5 = 210562442992.2269624225", None, True),
        ("3 / 7 = 0.4286", 4, False),
        ("3 / 7 = 0.4285", 4, True),
        ("3 / 7 = 0.43", 2, False),
        ("3 / 7 = 0.43", 4, True),
        ("gcd(6, 8) = 1, 6 / 1 = 6", None, True),
        ("8 / 3 = 2", None, True),
        ("-39x = -20, x = 20 / -39, x = 0.5128", 4, True),
        ("-39x = -20, x = -20 / -39, x = 0.5129", 4, True),
        ("√2.00 = 1.414213562373095048801688725", None, True),
        ("√2.00 = 1.414213562373095048801688724", None, False),
    ],
)
def test_the_check_tells_true_from_false(text, places, false):
    assert bool(false_steps(text, places)) is false


@EACH
def test_the_check_finds_a_wrong_last_digit(category):
    random = Random(4)
    for _ in range(50):
        text = line(category.draw(random), "exact", 4).split(", 最简")[0]
        mantissa, e, exponent = text.partition("E")
        wrong = f"{mantissa[:-1]}{(int(mantissa[-1]) + 3) % 10}{e}{exponent}"
        assert false_steps(wrong, places_of(category.name, 4)), wrong


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (Row(1, "计算 1.00 + 2.00 等于多少？", "1.00 + 2.00 = 3.00"), "计算过程：1.00 + 2.00 = 3"),
        (Row(1, "计算 1.00 + 2.00 等于多少？", ""), "计算过程：1.00 + 2.00 = 3"),
        (Row(1, "计算 1.00 + 2.00 等于多少？", "4"), "wrong label: expected 1.00 + 2.00 = 3.00"),
        (Row(1, "计算 1.00 / 0.00 等于多少？", ""), "wrong label: expected no value"),
        (Row(1, "你好", "4"), "the problem is of no category"),
        (Row(1, "What is $1$?", r"\boxed{1}"), "english"),
    ],
)
def test_a_row_is_shown_or_the_reason_why_not(row, shown):
    if shown.startswith(PREFIX):
        assert show(row, "exact", 4) == {"problem": row.problem, "solution": shown}
    else:
        assert show(row, "exact", 4) == {"problem": row.problem, "solution": None, "reason": shown}


def test_the_command_writes_one_row_for_each(stage, write_lines, tmp_path):
    problems = ["计算 2.00 的平方根？", "hello", "计算 2.00 的平方根？"]
    raw = write_lines(tmp_path / "raw.json", *({"problem": problem} for problem in problems))
    done = stage("workings", "--workings", "exact", "--decimals", "2", "--raw", raw)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(text) for text in done.stdout.splitlines()]
    assert [row["problem"] for row in rows] == problems
    assert [row["solution"] for row in rows] == ["计算过程：√2.00 = 1.41", None, "计算过程：√2.00 = 1.41"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--workings", "exakt"),
            "WORKINGS is 'exakt', expected one of: published, reference, stepwise, spaced, exact",
        ),
        (("--decimals", "11"), "DECIMALS is '11', expected 0 to 10"),
        (("--decimals", "2.5"), "DECIMALS is '2.5', expected 0 to 10"),
    ],
)
def test_the_command_refuses_an_unknown_recipe(stage, error_line, arguments, message):
    assert error_line(stage("workings", *arguments, "--raw", "params.yaml")) == message
