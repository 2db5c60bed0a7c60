"""Graded measures: what is right of an answer, nothing for no answer, all of it for the recipe's own text."""

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abacus.problems.categories import CATEGORIES
from abacus.problems.workings import RECIPES, recognise, working
from abacus.scoring.arithmetic import graded, strict
from abacus.scoring.graded import NOTHING, Graded, digits, layout, leading, magnitude, sign
from abacus.scoring.written import final_number

ALL = Graded(True, True, True, 1.0)
QUESTION = "计算 1200.50 + 34.00 等于多少？"  # 1234.5
ZERO = "解方程 -39x + 0 = 0"
FRACTION = "将分数 6/8 进行简化。"
FUNCTION = "当 x = 10.00 时，求函数 y = 3x^34 的值"  # 3E+34
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6).map(Decimal)


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.name)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipes_own_text_has_all_of_it_in_every_category(category, recipe):
    random = Random(7)
    for decimals in range(5):
        for _ in range(20):
            problem = category.draw(random)
            text = working(problem, recipe, decimals)
            for said in (
                text,
                f" {text}\n",
                text.translate(str.maketrans("0123456789.", "０１２３４５６７８９．")),
            ):
                assert graded(problem, said, recipe, decimals) == ALL, said
            assert graded(problem, text, recipe, decimals, ended=False) == NOTHING


@pytest.mark.parametrize("question", [QUESTION, ZERO, FRACTION, FUNCTION])
@pytest.mark.parametrize(
    "said", ["", " \n", "计算过程：", "没有", "NaN", "1e" + "9" * 30, "\0", "\0 + \0 = \0"]
)
def test_no_answer_gets_nothing(question, said):
    assert graded(recognise(question), said, "reference", 4) == NOTHING
    assert graded(recognise(question), question, "reference", 4) == NOTHING


@pytest.mark.parametrize(
    ("question", "said", "expected"),
    [
        (QUESTION, "计算过程：1200.50 + 34.00 = 1234.6", (True, True, True, 4 / 5)),
        (QUESTION, "计算过程：1200.50 + 34.00 = -1234.5", (True, False, True, 0)),
        (QUESTION, "计算过程：1200.50 + 34.00 = 123.45", (True, True, False, 0)),
        (QUESTION, "计算过程：9 + -9 = 5678", (True, True, True, 0)),
        (QUESTION, "1200.50 + 34.00 = 1234.5", (False, True, True, 1)),  # the form asks for the prefix
        (QUESTION, "计算过程：1200.50 + 34.00 = 1,234.5", (False, True, True, 1)),
        (QUESTION, "计算过程：1200.50 - 34.00 = 1234.5", (False, True, True, 1)),
        (QUESTION, "计算过程：\0 + \0 = 1234.5", (False, True, True, 1)),
        (QUESTION, "1234.50001", (False, True, True, 1)),  # as strict: at the recipe's precision
        (QUESTION, "1.2345E+3", (False, True, True, 1)),
        (QUESTION, "1234.5" + "1" * 3000, (False, True, True, 5 / 8)),
        (QUESTION, "1e999999999", (False, True, False, 0)),
        (QUESTION, "0", (False, False, False, 0)),
        (QUESTION, "3/4", (False, False, False, 0)),  # a fraction is no number here
        (ZERO, "计算过程：-39x = 0, x = 0 / -39, x = 0", (True, True, True, 1)),
        (ZERO, "-0.0", (False, True, True, 1)),
        (ZERO, "0.00001", (False, True, True, 1)),  # zero at four decimals
        (ZERO, "5", (False, False, False, 0)),
        (ZERO, "-39x = 7, x = -0.5", (False, False, False, 0)),
        (FRACTION, "3/4", (False, True, True, 1)),
        (FRACTION, "3/5", (False, True, True, 1 / 2)),
        (FRACTION, "6/8", (False, True, True, 0)),
        (FRACTION, "-3/4", (False, False, True, 1 / 2)),
        (FRACTION, "3/40", (False, True, False, 1 / 2)),
        (FRACTION, "0.75", (False, False, False, 0)),
        (FUNCTION, "3E+34", (False, True, True, 1)),
        (FUNCTION, "31" + "0" * 33, (False, True, True, 1 / 2)),
        (FUNCTION, "3E+35", (False, True, False, 0)),
        (FUNCTION, "3E-34", (False, True, False, 0)),
    ],
)
def test_what_is_right_of_an_answer(question, said, expected):
    assert graded(recognise(question), said, "reference", 4) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("found", "taught", "share"),
    [
        *(("1234", "1234", 1), ("1243", "1234", 1 / 2), ("1200", "1234", 1 / 2), ("1234", "1200", 1 / 2)),
        *(("1203", "1200", 3 / 4), ("1300", "1200", 1 / 2), ("0.0120", "0.012", 1), ("12", "1.2", 0)),
        *(("0", "0", 1), ("-0", "0.00", 1), ("0", "7", 0), ("-12", "12", 0), ("9", "10", 0)),
        ("12.51", "12.5", 3 / 4),  # more digits than are taught are wrong ones
    ],
)
def test_leading_digits(found, taught, share):
    assert leading(Decimal(found), Decimal(taught)) == share


@given(NUMBERS, NUMBERS)
def test_all_digits_are_those_of_equal_numbers(found, taught):
    share = leading(found, taught)
    assert 0 <= share <= 1 and (share == 1) == (found == taught)
    assert share == leading(taught, found) == leading(-taught, -found)
    if share:
        assert sign(found, taught) and magnitude(found, taught)


@given(NUMBERS, st.integers(-50, 50))
def test_order_and_digits_do_not_depend_on_the_notation(value, places):
    shifted = Decimal((value.as_tuple().sign, (*value.as_tuple().digits, 0), value.as_tuple().exponent - 1))
    assert digits(value, shifted) == 1 and magnitude(value, shifted) and sign(value, shifted)


@given(st.text("0123456789.,+-−/eE() x=^%\n٣，。：［］{}\\$|~或分之万计算过程\0", max_size=60), st.booleans())
def test_what_is_strictly_right_is_right_in_all_but_its_form(text, ended):
    for question in (QUESTION, ZERO, FRACTION, FUNCTION):
        problem = recognise(question)
        found = graded(problem, text, "reference", 4, ended)
        if final_number(text) is None or not ended:
            assert found == NOTHING
        assert (found.digits == 1) == strict(problem, text, "reference", 4, ended)
        assert not found.digits or (found.sign and found.magnitude) or question == FRACTION


@given(st.text("0123456789.- \0", max_size=30))
def test_a_layout_has_no_digit_and_a_texts_own_mark_is_none(text):
    assert not any(character.isdigit() for character in layout(text))
    assert layout(text.replace("\0", "")) == layout(text)
