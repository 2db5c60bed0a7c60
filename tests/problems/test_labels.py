"""Published solutions that are right at their own precision."""

from random import Random

import pytest

from abacus.problems.categories import CATEGORIES
from abacus.problems.labels import is_rounded
from abacus.problems.workings import recognise

EIGHTH, THIRD = "计算 {}1.00 / 8.00 等于多少？", "计算 {}2.00 / 3.00 等于多少？"
RIGHT = [
    (EIGHTH.format(""), "1.00 / 8.00 = 0.12"),  # half to even
    (EIGHTH.format(""), "1.00 / 8.00 = 0.13"),  # half up
    (EIGHTH.format(""), "1.00 / 8.00 = 0.1250"),
    (EIGHTH.format("-"), "-1.00 / 8.00 = -0.13"),
    (EIGHTH.format(""), "1.00 / 8.00 = 0"),
    ("计算 3.00 / 8.00 等于多少？", "3.00 / 8.00 = 0.38"),
    (THIRD.format(""), "2.00 / 3.00 = 0.667"),
    (THIRD.format("-"), "-2.00 / 3.00 = -1"),
    ("计算 -0.01 * 0.01 等于多少？", "-0.01 * 0.01 = 0.000"),
    ("计算 -0.01 * 0.01 等于多少？", "-0.01 * 0.01 = -0.000"),
    ("计算 6.00 + 1.50 等于多少？", "6.00 + 1.50 = 7.5"),
    ("计算 5636.97 的平方根？", "√5636.97 = 75.08"),
    ("解方程 -39x + 20 = 0", "方程的解为：0.513"),
    ("求以下数据的平均值：[20, 12, 72, 21, 95, 39]", "平均值为 43.17"),
    ("商品原价为 87 元，打折后的价格为 4 元，请计算打折的折扣比例。", "95.4"),
    ("去年销售额为 7 万元，今年销售额增加了 35%，请计算今年的销售额。", "9.45"),
    (
        "去年销售额为 7 万元，今年销售额增加了 35%，请计算今年的销售额。",
        "9.4",
    ),  # as a float, 9.45 is below it
    ("一个长方形的长为 87 厘米，宽为 4 厘米，请计算其面积。", "面积为 348.00 平方厘米"),
    ("当 x = 8.52 时，求函数 y = 17x^16 的值", "函数的值为：1.3106E+16"),
    ("当 x = 9.99 时，求函数 y = 100x^100 的值", "函数的值为：9.05E+101"),
]
WRONG = [
    (EIGHTH.format(""), "1.00 / 8.00 = 0.124"),
    (EIGHTH.format(""), "1.00 / 8.00 = -0.13"),
    (EIGHTH.format("-"), "-1.00 / 8.00 = 0.13"),
    (EIGHTH.format(""), "1.00 / 8.00 = -0"),
    ("计算 3.00 / 8.00 等于多少？", "3.00 / 8.00 = 0.37"),  # half down
    (THIRD.format(""), "2.00 / 3.00 = 0.66"),
    (THIRD.format(""), "2.0 / 3.0 = 0.667"),
    (THIRD.format(""), "2.00 / 3.00 ≈ 0.667"),
    (THIRD.format(""), "2.00 / 3.00 = 0.667 "),
    (THIRD.format(""), "0.667"),
    (THIRD.format(""), "2.00 / 3.00 = ０.667"),
    (THIRD.format(""), "2.00 / 3.00 = "),
    ("计算 6.00 + 1.50 等于多少？", "6.00 + 1.50 = 8.00"),
    ("商品原价为 87 元，打折后的价格为 4 元，请计算打折的折扣比例。", "0.954"),
    ("商品原价为 87 元，打折后的价格为 4 元，请计算打折的折扣比例。", "95.4%"),
    ("将分数 6/8 进行简化。", "最简化的形式为：1/1"),
    ("将分数 6/8 进行简化。", "最简化的形式为：0.75"),
    ("当 x = 8.52 时，求函数 y = 17x^16 的值", "函数的值为：1.3107E+16"),
]


@pytest.mark.parametrize(("problem", "solution"), RIGHT)
def test_a_rounded_answer_is_right_at_its_own_precision(problem, solution):
    assert is_rounded(recognise(problem), solution)


@pytest.mark.parametrize(("problem", "solution"), WRONG)
def test_all_else_is_wrong(problem, solution):
    assert not is_rounded(recognise(problem), solution)


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.name)
def test_the_published_line_is_right_and_its_neighbours_are_not(category):
    random = Random(8)
    for _ in range(100):
        problem = category.draw(random)
        if "answer}" not in category.solution:
            assert not is_rounded(problem, problem.published)
            continue
        assert is_rounded(problem, problem.published)
        answer = str(problem.answer)
        for other in ("-1" + answer.lstrip("-"), "7" + answer.lstrip("-"), answer.replace(".", "", 1) + "1"):
            solution = category.solution.format(answer=other, **problem.spelled)
            assert not is_rounded(problem, solution), solution
