"""What the library knows of a question, and how a completion is judged by it."""

import pytest

from abacus.asking.truth import forms, judged, truth
from abacus.problems.recipe import Recipe
from abacus.problems.workings import RECIPES, working

FOUR = Recipe(workings="reference", decimals=4)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_published_form_has_an_answer_and_its_working_is_right(recipe):
    how = Recipe(workings=recipe, decimals=2)
    assert len(forms()) == 11
    for name, example in forms():
        known = truth(example, how)
        assert known.problem is not None and known.problem.category.name == name
        assert known.working == working(known.problem, recipe, 2)
        found = judged(known, known.working, how, ended=True)
        assert found.strict and found.tolerant and found.words == "right"
        assert not judged(known, known.working, how, ended=False).strict, "it was cut"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("计算 12.00 + 8.00 等于多少？", "20"),
        ("计算 3008.48 / 3439.46 等于多少？", "0.8747"),
        ("将分数 6/8 进行简化。", "3/4"),
        ("商品原价为 16 元，打折后的价格为 90 元，请计算打折的折扣比例。", "-462.5"),
    ],
)
def test_the_answer_is_rounded_as_the_recipe_rounds(question, answer):
    assert truth(question, FOUR).answer == answer
    assert truth(question, FOUR).document()["answer"] == answer


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("Was ist 1+1?", "the question is of no category"),
        ("请计算 4.00 的平方根？", "the question holds a problem of category 'root' and more text around it"),
        ("计算 1.00 / 0.00 等于多少？", "the question has no answer"),
    ],
)
def test_of_other_questions_it_says_why_nothing_is_known(question, why):
    known = truth(question, FOUR)
    assert known.document() == {
        "question": question,
        "category": None,
        "answer": None,
        "working": None,
        "unknown": why,
    }
    assert judged(known, "= 2", FOUR, True) == ("2", None, None)
    assert judged(known, "= 2", FOUR, True).words == "answer: 2"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("= 0.8747", "right"),
        ("= 0.87", "right at two decimals or six digits"),
        ("= 0.8847", "wrong: 0.8847"),
        ("不知道", "no answer"),
    ],
)
def test_a_judgement_in_words(said, words):
    assert judged(truth("计算 3008.48 / 3439.46 等于多少？", FOUR), said, FOUR, True).words == words


def test_of_a_large_number_no_more_is_said_than_is_compared():
    """From a million on six digits are compared, and not two decimals."""
    known = truth("计算 3000000.00 + 4.00 等于多少？", FOUR)
    assert known.answer == "3000004"
    assert judged(known, "= 3000003", FOUR, True).words == "right at two decimals or six digits"
