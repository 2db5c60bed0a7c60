"""Math accuracy: a perfect completion scores in full, and what counts as right or wrong besides.

tests/scoring/cases.jsonl is the table of what is read in which notation, by kind, each case with its reason.
"""

import json
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abacus.commands.predict import answer_text
from abacus.problems.categories import CATEGORIES
from abacus.problems.workings import PREFIX, RECIPES, recognise, working
from abacus.scoring.arithmetic import final_answer, final_number, strict, tolerant

CASES = [
    json.loads(text)
    for text in (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8").splitlines()
]
EACH = pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.name)

# -20 / 61 is -0.3279, 50 / 3 is 16.6667, 183.94^5 is 210562442992.2269624224
EQUATION = "解方程 61x + 20 = 0"
MEAN = "求以下数据的平均值：[20, 20, 10]"
POWER = "计算 183.94 的 5 次方？"
FUNCTION = "当 x = 10.00 时，求函数 y = 3x^34 的值"
FRACTION = "将分数 6/8 进行简化。"
SALES = "去年销售额为 50 万元，今年销售额增加了 99%，请计算今年的销售额。"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}: {case['reason']}")
def test_the_number_that_is_written_is_read(case):
    problem, completion, ended = recognise(case["question"]), case["completion"], case["ended"]
    assert answer_text(completion, case["question"], ended) == case["number"]
    assert strict(problem, completion, "reference", 4, ended) is case["right"]
    assert tolerant(problem, completion, "reference", 4, ended) or not case["right"]


def test_the_table_has_cases_of_every_kind_right_and_wrong():
    kinds = Counter((case["kind"], case["right"]) for case in CASES)
    assert len(CASES) >= 60 and len(
        {(case["completion"], case["question"], case["ended"]) for case in CASES}
    ) == len(CASES)
    assert all(kinds[kind, False] >= 2 for kind, _ in kinds)
    assert all(case["reason"] for case in CASES)


@EACH
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_perfect_completion_scores_in_full(category, recipe):
    random = Random(1)
    for decimals in range(7):
        for _ in range(40):
            problem = category.draw(random)
            text = working(problem, recipe, decimals)
            question = category.text(problem)
            assert not strict(problem, text, recipe, decimals, ended=False), text
            assert not tolerant(problem, question, recipe, decimals), question
            for completion in (text, f" {text}\n", text.removeprefix(PREFIX), f"{question}\n{text}"):
                assert strict(problem, completion, recipe, decimals), completion
                assert tolerant(problem, completion, recipe, decimals), completion


@EACH
def test_the_published_solution_is_tolerated_under_every_recipe(category):
    random = Random(2)
    for recipe in RECIPES:
        for _ in range(100):
            problem = category.draw(random)
            assert tolerant(problem, problem.published, recipe, 4), problem.published


@EACH
@pytest.mark.parametrize("recipe", RECIPES)
def test_another_answer_scores_nothing(category, recipe):
    random = Random(3)
    for _ in range(100):
        problem = category.draw(random)
        for completion in ("", "计算过程：", "NaN", "x = ", "12345678.9", "7/11", "-1e300"):
            assert not strict(problem, completion, recipe, 4), completion
            assert not tolerant(problem, completion, recipe, 4), completion


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("x = 0.5128", "0.5128"),
        ("-39x = -20, x = -20 / -39, x = -0.5128", "-0.5128"),
        ("x=-5", "-5"),
        ("x = −5", "-5"),  # the typographic minus
        ("结果为-5。", "-5"),
        ("答案是 12。", "12"),
        ("The answer is 12.", "12"),
        ("12.50 元", "12.50"),
        ("1,234,567.89", "1234567.89"),
        ("-1,234", "-1234"),
        ("3, 4", "4"),
        ("2.769E+34", "2.769E+34"),
        ("3.5e-3", "0.0035"),
        ("-0.0", "0"),
        ("007", "7"),
        ("99%", "0.99"),
        ("1e9999", "1e9999"),
        ("7" * 4000, "7" * 4000),
    ],
)
def test_the_last_number_is_the_answer(text, number):
    assert final_number(text) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("最简化的形式为：3/4", (3, 4)),
        ("最简化的形式为：3/4。", (3, 4)),
        ("It is 3/4.", (3, 4)),
        ("-3/4", (-3, 4)),
    ],
)
def test_a_slash_without_spaces_is_a_fraction(text, fraction):
    assert final_number(text) == fraction


@pytest.mark.parametrize(
    "text",
    [
        *("", "NaN", "Infinity", "√", "没有", "٣٤", "四", "1e" + "9" * 30, "1e-" + "9" * 30),
        *("16-90", "16 - 90", "(3)-90", "（3）-90", "16 * -90", "20 / -39", "x^2", "1/2.5"),
        *("1,23", "1,2345", "12345,678", "0.1.2"),
    ],
)
def test_a_text_may_hold_no_number(text):
    assert final_number(text) is None


@given(st.text(), st.text(), st.booleans())
def test_the_extraction_never_raises(text, question, ended):
    final_number(text)
    final_answer(text, question, ended)


@pytest.mark.parametrize(
    "part",
    [
        *(
            "1",
            "1,",
            "1,111,",
            "1.",
            "1 ",
            "1/",
            "1e1",
            "1 1/2 ",
            "1\n",
            "-",
            "- ",
            "-\n",
            "--",
            "—",
            ".",
            ",",
            " ",
            "\t ",
        ),
        *(
            "(",
            ")",
            "((1",
            "=",
            "= 1",
            "1 = ",
            "x",
            "x1_",
            "a.1",
            "√",
            "^",
            "^(1",
            "*",
            "**",
            "**1",
            "* 10 ^ 1",
            "_",
            "|-",
        ),
        *(
            "\\",
            "\\frac{1}{",
            "\\frac{1",
            "\\text{",
            "\\text{a",
            "{,}",
            "百分之1",
            "1分之",
            "负",
            "负 ",
            "的",
            "的 1次",
        ),
        *(
            "10 * 10",
            "5 万",
            "万",
            "5 厘米 /",
            "或",
            "1 或",
            "計算",
            "²",
            "½",
            "minus ",
            "per",
            "٣",
            "12.00 + 8.00 等于多少？",
        ),
    ],
)
def test_a_long_text_takes_time_in_proportion_to_its_length(part):
    question = "计算 12.00 + 8.00 等于多少？"
    text = (part * 10**5)[: 10**5]
    start = time.perf_counter()
    final_answer(text + "x", question)
    final_answer("20" + text, text[:4000])
    assert time.perf_counter() - start < 10  # what is quadratic takes minutes


@given(st.text("0123456789.,+-−/eE() x=^%\n٣，。：［］{}\\$|~或分之万", max_size=60))
def test_no_completion_stops_the_scoring(text):
    final_number(text)
    for question in (EQUATION, POWER, FUNCTION, FRACTION):
        problem = recognise(question)
        assert strict(problem, text, "reference", 4) <= tolerant(problem, text, "reference", 4)


@pytest.mark.parametrize("text", ["1e9999", "1e9999999", "-1e999999999999", "9" * 4001, "1e-9999999", "1/0"])
def test_absurd_numbers_are_wrong_and_no_error(text):
    for question in (EQUATION, MEAN, POWER, FUNCTION, FRACTION):
        for recipe in RECIPES:
            assert not tolerant(recognise(question), text, recipe, 4)


@pytest.mark.parametrize(
    ("question", "completion", "decimals", "is_strict", "is_tolerant"),
    [
        (EQUATION, "-0.3279", 4, True, True),
        (EQUATION, "-0.32787", 4, True, True),  # rounds to what is taught
        (EQUATION, "-0.328", 4, False, True),
        (EQUATION, "-0.33", 4, False, True),
        (EQUATION, "-0.33", 2, True, True),
        (EQUATION, "-0.3355", 4, False, False),
        (EQUATION, "-0.3", 4, False, False),
        (EQUATION, "-0.3", 1, True, True),
        (EQUATION, "0.3279", 4, False, False),
        (MEAN, "16.6667", 4, True, True),
        (MEAN, "16.67", 4, False, True),
        (MEAN, "16.66", 4, False, False),
        (MEAN, "16.7", 4, False, False),
        (MEAN, "16.7", 1, True, True),
        (MEAN, "17", 0, True, True),
        (POWER, "210562442992.2269624224", 4, True, True),
        (POWER, "210562442992.23", 4, False, True),
        (POWER, "210,562,000,000", 4, False, True),  # six digits, as a million and more asks
        (POWER, "2.10562E+11", 4, False, True),
        (POWER, "210563000000", 4, False, False),
        (FUNCTION, "3E+34", 4, True, True),
        (FUNCTION, "3.00001E+34", 4, False, False),
        (FUNCTION, "3.000001E+34", 4, False, True),
        (FRACTION, "3/4", 4, True, True),
        (FRACTION, "6/8", 4, False, False),
        (FRACTION, "0.75", 4, False, False),
        (FRACTION, "-3/4", 4, False, False),
        (FRACTION, "4/3", 4, False, False),
        (SALES, "99.5", 4, True, True),
        (SALES, "99.50 万元", 4, True, True),
        (SALES, "1/2", 4, False, False),
    ],
)
def test_strict_and_tolerant(question, completion, decimals, is_strict, is_tolerant):
    problem = recognise(question)
    assert strict(problem, completion, "reference", decimals) is is_strict
    assert tolerant(problem, completion, "reference", decimals) is is_tolerant


def test_a_mere_distance_of_a_hundredth_is_no_equality():
    problem = recognise("解方程 67x + 22 = 0")  # x = -0.328358...
    assert tolerant(problem, "-0.3283", "reference", 4)
    assert not tolerant(problem, "-0.3355", "reference", 4)


def test_the_published_recipe_asks_for_every_digit():
    problem = recognise("计算 5636.97 的平方根？")
    assert strict(problem, "75.07975759151064280958687335", "published", 4)
    assert not strict(problem, "75.0798", "published", 4)
    assert tolerant(problem, "75.0798", "published", 4)
