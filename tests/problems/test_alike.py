"""Problems that ask the same have the same key, and no others."""

import unicodedata
from decimal import Decimal
from random import Random

import pytest

from abacus.problems.alike import digits, key, keys
from abacus.problems.categories import CATEGORIES
from abacus.problems.workings import recognise

EACH = pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.name)
SUM = "计算 6.00 + 1.50 等于多少？"
SAME = [
    (SUM, "计算 1.50 + 6.00 等于多少？"),
    (SUM, "计算 6 + 1.5 等于多少？"),
    (SUM, "计算６．００＋１．５０等于多少"),
    (SUM, "请 计算 : +006.0 + (1.50)  等于多少? 一步一步算。"),
    (SUM, "### Instruction:\n计算 6.00 + 1.50 等于多少？\n\n### Response:"),
    (SUM, "计算\u3000\u200b6.00\n+ ١.50 等于多少!"),
    ("计算 6.00 * 1.50 等于多少？", "计算 1.5 × 6 等于多少？"),
    ("计算 6.00 / 1.50 等于多少？", "计算 6.0 ÷ 1.5 等于多少？"),
    ("计算 -6.00 - 1.50 等于多少？", "计算 −6 – 1.5 等于多少？"),
    ("计算 0.00 - 1.50 等于多少？", "计算 -0.00 - 1.50 等于多少？"),
    ("计算 1000.00 的平方根？", "计算 1,000.00 的平方根"),
    ("计算 0.50 的平方根？", "计算 .5 的平方根？"),
    ("解方程 9x + -45 = 0", "解方程：9x - 45 = 0。"),
    ("解方程 9x + 0 = 0", "解方程 9.0x + -0 = 0"),
    ("求以下数据的平均值：[74, 13, 87]", "求以下数据的平均值：87、74、13"),
    ("求以下数据的平均值：[74, 13, 87]", "求以下数据的平均值: [13 74 87]"),
    (
        "一个长方形的长为 87 厘米，宽为 4 厘米，请计算其面积。",
        "一个长方形的长为 4.00 厘米,宽为 87 厘米,请计算其面积",
    ),
    (
        "某物体的密度为 10 克/立方厘米，体积为 3 立方厘米，请计算该物体的质量。",
        "某物体的密度为3克／立方厘米，体积为10立方厘米，请计算该物体的质量。",
    ),
    ("When $x$ is 5?", "when x is  5"),
]
OTHER = [
    (SUM, "计算 6.00 + 1.51 等于多少？"),
    (SUM, "计算 6.00 * 1.50 等于多少？"),
    (SUM, "计算 -6.00 + 1.50 等于多少？"),
    (SUM, "计算 61.50 + 0 等于多少？"),
    ("计算 6.00 - 1.50 等于多少？", "计算 1.50 - 6.00 等于多少？"),
    ("计算 6.00 / 1.50 等于多少？", "计算 1.50 / 6.00 等于多少？"),
    ("计算 6.00 的平方根？", "计算 60.0 的平方根？"),
    ("计算 2.00 的 3 次方？", "计算 3.00 的 2 次方？"),
    ("解方程 9x + 4 = 0", "解方程 4x + 9 = 0"),
    ("求以下数据的平均值：[7, 4, 1]", "求以下数据的平均值：[74, 1]"),
    ("求以下数据的平均值：[7, 4]", "求以下数据的平均值：[7, 4, 7]"),
    ("将分数 6/8 进行简化。", "将分数 3/4 进行简化。"),
    (
        "商品原价为 6 元，打折后的价格为 9 元，请计算打折的折扣比例。",
        "商品原价为 9 元，打折后的价格为 6 元，请计算打折的折扣比例。",
    ),
    (
        "去年销售额为 5 万元，今年销售额增加了 9%，请计算今年的销售额。",
        "去年销售额为 9 万元，今年销售额增加了 5%，请计算今年的销售额。",
    ),
    ("当 x = 8.00 时，求函数 y = 7x^6 的值", "当 x = 7.00 时，求函数 y = 8x^6 的值"),
    ("解方程 9x + 5 = 0", "解方程 9x + 5 = 0.5"),
    ("今天天气很好", "今天天气不好"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_variants_have_one_key(one, other):
    assert keys(one) == keys(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other_problems_have_other_keys(one, other):
    assert not keys(one) & keys(other)


def test_a_text_has_the_key_of_every_problem_in_it():
    text = f"{SUM}计算 4.00 的平方根？"
    assert keys(text) == keys(SUM) | keys("计算 4.00 的平方根？")


@EACH
def test_any_problem_is_found_in_its_text_and_in_other_spellings_of_it(category):
    random = Random(6)
    for _ in range(200):
        text = category.text(category.draw(random))
        problem = recognise(text)
        wide = "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c != " " else c for c in text)
        assert unicodedata.normalize("NFKC", wide) != wide
        for variant in (text, wide, text.replace(" ", ""), text.rstrip("？。"), f"请问，{text}"):
            assert keys(variant) == {key(problem)}, variant
        longer = category.read(
            {name: spelled + "0" * ("." in spelled) for name, spelled in problem.spelled.items()}
        )
        assert key(longer) == key(problem) and digits(category.text(longer)) == digits(text)


@EACH
def test_the_order_matters_exactly_where_the_value_depends_on_it(category):
    """The operands exchanged give the same key only if they give the same answer, whatever they are."""
    random = Random(7)
    for _ in range(200):
        problem = category.draw(random)
        names = [name for name, value in problem.values.items() if isinstance(value, int | Decimal)]
        if len(names) < 2 or len({problem.values[name] for name in names}) < 2:
            continue
        turned = dict(problem.values) | dict(
            zip(names, [problem.values[n] for n in reversed(names)], strict=True)
        )
        if category.alike(**turned) == category.alike(**problem.values):
            assert category.solve(**turned) == problem.answer
