"""`workings: stepwise` and `spaced`: every step is true, the steps lead to the answer, and the answer is the recipe's."""

import re
from decimal import Decimal
from fractions import Fraction
from math import isqrt
from random import Random

import pytest

from abacus.problems import stepwise
from abacus.problems.kinds import KINDS, category_of
from abacus.problems.workings import precision, recognise, working
from abacus.scoring.arithmetic import strict, tolerant
from tests.expressions import Expression

# A category of one's own may do without: it is then worked out as in `reference`.
WORKED = [kind for kind in KINDS if "stepwise" in category_of(kind).writers]
EXAMPLES = [
    ("计算 6.72 + 98.45 等于多少？", 4, "0+9=9;6+8=14;7+4=11;2+5=7;105.17"),
    ("计算 98.45 - 6.72 等于多少？", 4, "9-0=9;8-6=2;4-7=-3;5-2=3;91.73"),
    ("计算 -6.72 - -98.45 等于多少？", 4, "9-0=9;8-6=2;4-7=-3;5-2=3;91.73"),
    ("计算 -6.72 - 98.45 等于多少？", 4, "0+9=9;6+8=14;7+4=11;2+5=7;-105.17"),
    ("计算 0.05 + 0.01 等于多少？", 4, "0+0=0;0+0=0;5+1=6;0.06"),
    ("计算 6.72 + -6.72 等于多少？", 4, "6-6=0;7-7=0;2-2=0;0"),
    ("计算 6.72 + 98.45 等于多少？", 1, "0+9=9;6+8=14;7+4=11;2+5=7;105.17;105.2"),
    ("计算 -12.30 * 4.50 等于多少？", 4, "x=123;5x=615;4x+61=553;-55.35"),
    ("计算 98.00 * 0.00 等于多少？", 4, "x=98;0x=0;0"),
    ("计算 1.25 / 0.40 等于多少？", 4, "x=40;125-3x=5;50-1x=10;100-2x=20;200-5x=0;3.125"),
    ("计算 1.00 / 32.00 等于多少？", 4, "x=3200;1000-0x=1000;10000-3x=400;4000-1x=800;8000-2x=1600;0.0312"),
    ("解方程 -39x + 20 = 0", 2, "x=20/39;200-39*5=5;50-39*1=11;0.51"),
    ("解方程 39x + 0 = 0", 4, "x=0/39;0"),
    ("计算 5636.97 的平方根？", 2, "56-7*7=7;736-145*5=11;1197-1500*0=1197;119700-15007*7=14651;75.08"),
    ("计算 0.04 的平方根？", 4, "4-2*2=0;0.2"),
    ("计算 5625.00 的平方根？", 4, "56-7*7=7;725-145*5=0;75"),
    ("计算 -1.20 的 2 次方？", 4, "x=12;2x=24;1x+2=14;1.4400"),
    ("计算 -2.00 的 3 次方？", 4, "(-2)^3=-8.000000"),
    ("当 x = 6.00 时，求函数 y = 2x^2 的值", 4, "2*6^2=72.0000"),
    ("求以下数据的平均值：[74, 13, 87]", 4, "74+13=87;87+87=174;17-3*5=2;24-3*8=0;58"),
    ("一个长方形的长为 87 厘米，宽为 43 厘米，请计算其面积。", 4, "87*40=3480;87*3=261;3480+261=3741"),
    (
        "商品原价为 16 元，打折后的价格为 90 元，请计算打折的折扣比例。",
        4,
        "16-90=-74;74-16*4=10;100-16*6=4;40-16*2=8;80-16*5=0;-462.5",
    ),
    ("去年销售额为 50 万元，今年销售额增加了 99%，请计算今年的销售额。", 4, "99*50=4950;50+49.5=99.5"),
    ("某物体的密度为 10 克/立方厘米，体积为 3 立方厘米，请计算该物体的质量。", 4, "10*3=30"),
    ("将分数 6/8 进行简化。", 4, "6/2=3;8/2=4;3/4"),
]
# What only a user's own file may hold.
BEYOND = [
    *(f"计算 -999999999999.999999999999 {op} 999999999999.000000000001 等于多少？" for op in "+-*/"),
    *(f"计算 3 {op} -0.001 等于多少？" for op in "+-*/"),
    *(f"计算 0.00 {op} -9999.99 等于多少？" for op in "+-*/"),
    *(f"解方程 {a}x + {b} = 0" for a in (-999999999, -100, 1, 100) for b in (-999999999, -100, 0, 1)),
    *(f"计算 {a} 的平方根？" for a in ("0.00", "0.0002", "0.01", "12345.678901", "999999999999.999999999999")),
    *(f"计算 {a} 的 {n} 次方？" for a in ("-999999999999.999999999999", "0.01", "-7", "0.00") for n in (1, 2, 7)),
    "求以下数据的平均值：[-5, 4]",
    "求以下数据的平均值：[7]",
    f"求以下数据的平均值：[{', '.join(['100'] * 40)}]",
    "一个长方形的长为 -87 厘米，宽为 -43 厘米，请计算其面积。",
    "一个长方形的长为 123456789 厘米，宽为 987654321 厘米，请计算其面积。",
    "一个长方形的长为 0 厘米，宽为 20 厘米，请计算其面积。",
    "商品原价为 -16 元，打折后的价格为 900000000 元，请计算打折的折扣比例。",
    "去年销售额为 33 万元，今年销售额增加了 -85%，请计算今年的销售额。",
    *(f"将分数 {a}/{b} 进行简化。" for a, b in ((8, 4), (-6, 8), (6, -8), (0, 5))),
]  # fmt: skip


def false_steps(text, places):
    """The steps that are not true; a line that states the answer at once may be rounded as that is."""
    steps = text.split(";")
    named = re.fullmatch(r"x=([0-9]+)", steps[0])
    x, false = Fraction(named[1]) if named else None, []
    for step in steps[named is not None :]:
        left, _, right = step.rpartition("=")
        shown = Fraction(right)
        if not left:
            continue
        value = shown if left == "x" else Expression(left, x).value
        alone = len(steps) == 1 or (len(steps) == 2 and steps[0].startswith("x="))
        digits = Decimal(right).as_tuple() if "/" not in right else None
        half = Fraction(1, 2 * 10**places) if places is not None else Fraction(10) ** digits.exponent / 2
        rounded = alone and (places is not None or len(digits.digits) == 28)
        if abs(value - shown) > (half if rounded else 0):
            false.append(step)
    return false


def led_to(problem, text):
    """The number that the steps of an operation, a root or a square spell, read on its own; None if they are none."""
    name, values = problem.category.name, problem.values
    steps = [step for step in text.split(";") if "=" in step]
    op = values.get("op") if name == "direct" else {"power": "*", "root": "root"}.get(name)
    if op is None or len(steps) < 2 or steps[0] == "x=0":
        return None
    results = [int(step.rpartition("=")[2]) for step in steps]
    places = [max(0, -values[key].as_tuple().exponent) for key in ("a", "b") if key in values]
    if op in "+-":
        total = sum(number * 10**at for at, number in enumerate(reversed(results)))
        both = values["a"] < 0 and (values["b"] < 0) == (op == "+")  # negative: added without the sign
        return Fraction(-total if both and values["b"] else total, 10 ** max(places))
    if op == "*":
        digits = str(results[-1]) + "".join(str(number)[-1] for number in reversed(results[1:-1]))
        bare = [values["a"].normalize(), values.get("b", values["a"]).normalize()]
        sign = (-1) ** sum(number < 0 for number in bare)
        return sign * int(digits) * Fraction(10) ** sum(min(0, number.as_tuple().exponent) for number in bare)
    pattern = r"[0-9]+-([0-9])x=[0-9]+" if op == "/" else r"[0-9]+-[0-9]+\*([0-9])=[0-9]+"
    return [re.fullmatch(pattern, step)[1] for step in steps[op == "/" :]]


def signs_of(text):
    """How many signs stand between two numbers."""
    return len(re.findall(r"(?<=[0-9x)])[-+*/=]", text))


def check(problem, decimals):
    """One problem's working: not too long, each step true, the steps lead to the answer, and it is the recipe's."""
    text = working(problem, "stepwise", decimals)
    places = precision(problem.category, "stepwise", decimals)
    assert len(text) <= stepwise.LONGEST or ";" not in text
    assert not false_steps(text, places), text
    assert strict(problem, text, "stepwise", decimals), text
    assert tolerant(problem, text, "stepwise", decimals), text
    blanks = working(problem, "spaced", decimals)
    assert strict(problem, blanks, "spaced", decimals) and tolerant(problem, blanks, "spaced", decimals), (
        blanks
    )
    assert blanks.count(" ") == 2 * len(re.findall(r"(?<! ) [-+*/=] (?! )", blanks)), blanks
    if (bare := blanks.replace(" ", "")) != text:  # too long with blanks, and stated at once
        assert len(text) + signs_of(text) > stepwise.LONGEST and not false_steps(bare, places), blanks
    found, answer = led_to(problem, text), text.rpartition(";")[2].rpartition("=")[2]
    if isinstance(found, Fraction):
        exact = problem.category.solve_exactly or (lambda a, n: Fraction(a) ** n)
        assert found == exact(**problem.values), text
    if isinstance(found, list):
        # The digits of the answer, cut off; they end early where nothing is left.
        digits, shown = "".join(found).lstrip("0"), int(abs(Fraction(answer)) * 10**places)
        ended = text.split(";")[-2].endswith("=0")
        assert str(shown).startswith(digits) if ended else shown - int(digits or 0) in (0, 1), text


@pytest.mark.parametrize(("text", "decimals", "expected"), EXAMPLES)
def test_the_text_of_each_category(text, decimals, expected):
    assert working(recognise(text), "stepwise", decimals) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("计算 -6.72 - -98.45 等于多少？", "9 - 0 = 9;8 - 6 = 2;4 - 7 = -3;5 - 2 = 3;91.73"),
        ("解方程 39x + 20 = 0", "x = -20 / 39;200 - 39 * 5 = 5;50 - 39 * 1 = 11;-0.51"),
        ("计算 -1.20 的 2 次方？", "x = 12;2x = 24;1x + 2 = 14;1.4400"),
        ("当 x = 0.10 时，求函数 y = 2x^20 的值", "2 * 0.1^20 = 2.00000000000000000000E-20"),
        ("将分数 6/8 进行简化。", "6 / 2 = 3;8 / 2 = 4;3/4"),
    ],
)
def test_the_text_with_blanks(text, expected):
    assert working(recognise(text), "spaced", 2) == expected


def drawn(kind, count):
    category, random = category_of(kind), Random(kind)
    fixed = {category.split: kind.partition(":")[2]} if category.split else {}
    return [category.draw(random, **fixed) for _ in range(count)]


@pytest.mark.parametrize("kind", WORKED)
def test_every_step_is_true_and_leads_to_the_answer(kind):
    for number, problem in enumerate(drawn(kind, 330)):
        check(problem, number % 11)


@pytest.mark.slow
@pytest.mark.parametrize("kind", WORKED)
def test_every_step_is_true_of_ten_thousand(kind):
    for number, problem in enumerate(drawn(kind, 10_000)):
        check(problem, (1, 2, 4)[number % 3])


@pytest.mark.parametrize("text", BEYOND)
def test_every_step_is_true_beyond_the_published_ranges(text):
    for decimals in (0, 1, 2, 4, 10):
        check(recognise(text), decimals)


@pytest.mark.parametrize(
    ("text", "false"),
    [
        ("2+5=8;8", ["2+5=8"]),
        ("x=12;2x=24;1x+2=13;132", ["1x+2=13"]),
        ("200-39*5=6;0.5", ["200-39*5=6"]),
        ("1-2=1;1", ["1-2=1"]),
        ("(-2)^3=8", ["(-2)^3=8"]),
        ("2+5=7;7", []),
    ],
)
def test_the_check_finds_a_false_step(text, false):
    assert false_steps(text, None) == false


def test_published_operands_are_worked_out_but_for_high_powers_and_functions():
    stated = {kind: sum(";" not in working(p, "stepwise", 4) for p in drawn(kind, 200)) for kind in WORKED}
    once = {"power", "function", "area", "mass"}  # one digit by some digits is one step
    assert {kind for kind, count in stated.items() if count} == once
    assert stated["function"] == 200 and stated["area"] < 100
    assert all((";" in working(p, "stepwise", 4)) == (p.values["n"] == 2) for p in drawn("power", 200))


def test_a_root_is_that_of_whole_numbers():
    for n in range(1, 100):
        text = working(recognise(f"计算 {n * n}.00 的平方根？"), "stepwise", 4)
        assert text.endswith(f"=0;{n}" if n % 10 else f";{n}") and isqrt(n * n) == n
