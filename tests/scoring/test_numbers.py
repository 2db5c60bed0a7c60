"""Numbers that are none, too long, too large or of another script: in raw rows, in what is asked, answered and set."""

import json
import time

import pytest

from abacus.commands.predict import answer_text, parse
from abacus.core.errors import InputError
from abacus.core.params import section
from abacus.data.audit import judge
from abacus.data.rows import Row, read_rows
from abacus.data.selection import Prepare
from abacus.problems.workings import RECIPES, recognise, working
from abacus.scoring.arithmetic import final_number, strict, tolerant
from tests.journeys.test_bad_input import GOOD

# Spellings that no operand has.
NO_OPERANDS = {
    "large": "1e9999",
    "nan": "NaN",
    "infinity": "-Infinity",
    "arabic": "١٢",
    "fullwidth": "１２",
    "superscript": "²",
    "digits": "7" * 4000,
    "more-digits": "7" * 5000,  # beyond Python's bound of 4300
    "power": "9**9**9",
    "hexadecimal": "0x10",
    "thousands": "1,000",
    "no-fraction": "1.",
    "minus": "−5",
}
TEXTS = {
    "root": "计算 {} 的平方根？",
    "direct": "计算 1.00 / {} 等于多少？",
    "equation": "解方程 {}x + 1 = 0",
    "function": "当 x = {} 时，求函数 y = 3x^2 的值",
    "exponent": "计算 2.00 的 {} 次方？",
    "mean": "求以下数据的平均值：[1, {}]",
    "fraction": "将分数 {}/8 进行简化。",
}


@pytest.mark.parametrize("spelled", NO_OPERANDS.values(), ids=NO_OPERANDS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_no_operand_makes_a_row_unknown(text, spelled):
    verdict = judge(Row(1, text.format(spelled), spelled))
    assert (verdict.kind, verdict.expected) == ("unknown", "is of no category")


@pytest.mark.parametrize(
    "problem",
    [
        *(
            "计算 5.00 / 0.00 等于多少？",
            "计算 5.00 / -0.0 等于多少？",
            "解方程 0x + 5 = 0",
            "将分数 5/0 进行简化。",
        ),
        *(
            "商品原价为 0 元，打折后的价格为 90 元，请计算打折的折扣比例。",
            "计算 0.00 的 0 次方？",
            "计算 -4.00 的平方根？",
        ),
    ],
)
def test_a_zero_divisor_is_a_wrong_row_without_value(problem):
    verdict = judge(Row(1, problem, "0"))
    assert (verdict.kind, verdict.expected) == ("wrong", "no value")


@pytest.mark.parametrize(
    ("problem", "published"),
    [
        ("解方程 -39x + 0 = 0", "方程的解为：-0.0"),
        ("计算 -0.0 的平方根？", "√-0.0 = -0.0"),
        ("计算 -0.0 + 0.0 等于多少？", "-0.0 + 0.0 = 0.0"),
        ("当 x = 2.29 时，求函数 y = 30x^40 的值", None),
        ("当 x = 9.99 时，求函数 y = 100x^100 的值", None),
        ("当 x = 999999999999.999999999999 时，求函数 y = 999999999x^999 的值", None),
        ("计算 -999999999999.999999999999 的 999 次方？", None),
    ],
)
def test_zeros_with_a_sign_and_huge_powers_are_right_and_quick(problem, published):
    start = time.perf_counter()
    found = recognise(problem)
    assert published in (None, found.published)
    assert judge(Row(1, problem, found.published)).kind == "verified"
    for recipe in RECIPES:
        line = working(found, recipe, 4)
        assert strict(found, line, recipe, 4) and tolerant(found, line, recipe, 4)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1e9999", "'problem' is Infinity, expected text"),
        ("NaN", "'problem' is NaN, expected text"),
        ("-Infinity", "'problem' is -Infinity, expected text"),
        ("7" * 4000, "'problem' is 7777"),
        ("7" * 5000, "a number is too long to be read: {"),
        ("-0.0", "'problem' is -0.0, expected text"),
        ("١٢", "not JSON (Expecting value at character 13)"),
        ("9**9**9", "not JSON (Expecting ',' delimiter at character 14)"),
    ],
)
def test_a_number_in_a_files_row_is_named(tmp_path, value, message):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD + f'{{"problem": {value}, "solution": ""}}\n'.encode())
    with pytest.raises(InputError) as caught:
        list(read_rows(path))
    assert str(caught.value).startswith(f"{path}, line 2: {message}") and len(str(caught.value)) < 400


@pytest.mark.parametrize("spelled", NO_OPERANDS.values(), ids=NO_OPERANDS)
def test_any_number_may_be_asked_in_words(spelled):
    line = parse(1, json.dumps({"problem": f"计算 {spelled} 的平方根？"}).encode())
    assert not line.fault and spelled in line.row["problem"]


@pytest.mark.parametrize("value", ["1e9999", "NaN", "Infinity", "7" * 5000])
def test_a_number_that_is_none_is_a_fault_beside_a_problem(value):
    line = parse(3, f'{{"problem": "1 + 1", "id": {value}}}'.encode())
    assert line.fault.startswith("holds a number that is too long, or none (NaN, Infinity): ")


COMPLETIONS = [
    *NO_OPERANDS.values(),
    *(
        "1e9999999999999999999",
        "-1e-9999999999999999999",
        "1/0",
        "0/0",
        "-0.0",
        "0e0",
        "1e1e1",
        "9" * 10**5,
        "inf",
        "",
    ),
]


@pytest.mark.parametrize("completion", COMPLETIONS, ids=lambda text: text[:12] or "empty")
@pytest.mark.parametrize(
    "problem",
    ["计算 2.00 * 3.50 等于多少？", "将分数 6/8 进行简化。", "当 x = 9.99 时，求函数 y = 9x^99 的值"],
)
def test_no_completion_stops_the_scoring_or_is_right(problem, completion):
    found = recognise(problem)
    for recipe in RECIPES:
        assert not strict(found, f"x = {completion}", recipe, 4)
        assert not tolerant(found, f"x = {completion}", recipe, 4)
    shown = answer_text(completion)
    assert shown is None or json.loads(json.dumps(shown)) == shown


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "١٢", "²", "一"])
def test_what_is_no_number_in_digits_is_not_extracted(text):
    assert final_number(f"答案是 {text}。") is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1e9999", "prepare.decimals is '1e9999' (text), expected a whole number from 0 to 10"),
        ("1.0e+9999", "prepare.decimals is inf (a number), expected a whole number from 0 to 10"),
        (".nan", "prepare.decimals is nan (a number), expected a whole number from 0 to 10"),
        (".inf", "prepare.decimals is inf (a number), expected a whole number from 0 to 10"),
        ("١٢", "prepare.decimals is '١٢' (text), expected a whole number from 0 to 10"),
        ("１２", "prepare.decimals is '１２' (text), expected a whole number from 0 to 10"),
        ("-0.0", "prepare.decimals is -0.0 (a number), expected a whole number from 0 to 10"),
        ("9**9**9", "prepare.decimals is '9**9**9' (text), expected a whole number from 0 to 10"),
        ("7" * 4000, "prepare.decimals is a whole number of 13288 bits, expected at most 63"),
        (
            "12:30:45",
            "prepare.decimals is 45045, expected a whole number from 0 to 10",
        ),  # YAML 1.1 counts by sixties
    ],
)
def test_a_number_that_no_parameter_can_be(tmp_path, params, value, message):
    path = params()
    text = path.read_text(encoding="utf-8").replace("decimals: 4", f"decimals: {value}")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        section("prepare", Prepare, path)
    assert str(caught.value) == f"{path}: {message}"
