"""Each question's outcome: written and read again, and two versions of it compared by McNemar's exact test."""

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abacus.core.documents import write_csv
from abacus.core.errors import InputError
from abacus.problems.recipe import Recipe
from abacus.scoring import questions
from abacus.scoring.checkpoint import judge, keys, understand
from abacus.scoring.metrics import Answers
from abacus.scoring.questions import Outcome, Paired, comparison, mcnemar, pair
from tests.stages.test_evaluate import prediction, reading

MATH = [
    prediction("解方程 9x + -45 = 0", "x = 5"),
    prediction("解方程 9x + -44 = 0", "x = 4.89"),
    prediction("将分数 6/8 进行简化。", "6/8"),
]
READING = [
    reading("The Denver Broncos", "Denver Broncos") | {"id": "x"},
    reading("Rome", "Paris") | {"id": "y"},
]


def answers(math=MATH, read=READING):
    return Answers(5, understand(read), judge(math, Recipe(workings="reference", decimals=4)))


def test_rows_are_read_as_they_were_written(tmp_path):
    write_csv(tmp_path / "1.csv", questions.rows(answers()), questions.COLUMNS)
    found = questions.read_all(tmp_path, [1])[1]
    assert list(found) == [*keys(MATH), *keys(READING)]
    assert list(found.values()) == [
        Outcome("equation", {"math_strict": True, "math_tolerant": True}),
        Outcome("equation", {"math_strict": False, "math_tolerant": True}),
        Outcome("fraction", {"math_strict": False, "math_tolerant": False}),
        Outcome("reading", {"squad_em": True, "mindformers_em": False}),
        Outcome("reading", {"squad_em": False, "mindformers_em": False}),
    ]


def test_a_question_has_one_key_in_every_run():
    assert keys(MATH) == keys(list(reversed(MATH)))[::-1]
    assert keys([MATH[0] | {"completion": "x = 7"}]) == keys(MATH)[:1]
    same = [reading("a", "b")] * 2  # one text, of two passages
    assert len({*keys(same), *keys([same[0] | {"id": "x"}])}) == 3


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,b,c\n1,2,3\n", r"^1\.csv: other columns, or no rows, expected question, category, math_strict"),
        ("", "other columns, or no rows"),
        ("{titles}\nx,root,1,2,,\n", r"^1\.csv, line 2: a question twice, or no 0 and no 1"),
        ("{titles}\nx,root,,,,\n", "line 2"),
        ("{titles}\nx,root,1,1,,\nx,root,1,1,,\n", "line 3"),
    ],
)
def test_other_files_are_refused(row, message):
    with pytest.raises(InputError, match=message):
        questions.parse(row.replace("{titles}", ",".join(questions.COLUMNS)), "1.csv")


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [  # sums of binomial coefficients over powers of two, by hand
        *((0, 0, 1), (1, 0, 1), (2, 0, 1 / 2), (5, 0, 1 / 16), (6, 0, 1 / 32), (8, 1, 20 / 512)),
        *((5, 5, 1), (3, 2, 1), (10, 2, 2 * (1 + 12 + 66) / 4096), (0, 6, 1 / 32)),
    ],
)
def test_mcnemar_is_exact(gained, lost, p):
    assert mcnemar(gained, lost) == pytest.approx(p, rel=1e-12)


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_twice_the_binomial_tail(gained, lost):
    changed, fewer = gained + lost, min(gained, lost)
    tail = 2 * sum(comb(changed, k) for k in range(fewer + 1)) / 2**changed
    assert mcnemar(gained, lost) == mcnemar(lost, gained) == pytest.approx(min(1, tail), rel=1e-9)


@pytest.mark.parametrize(
    ("gained", "lost", "verdict"),
    [
        *((5, 0, "not distinguishable"), (6, 0, "better"), (0, 6, "worse")),
        *((0, 0, "not distinguishable"), (40, 30, "not distinguishable")),
    ],
)
def test_a_difference_is_one_below_a_twentieth(gained, lost, verdict):
    assert Paired(100, 10, 10 + gained - lost, gained, lost).verdict == verdict


def right(*values, first=0):
    return {str(n): Outcome("root", {"math_strict": value}) for n, value in enumerate(values, first)}


def test_pairs_are_of_shared_questions():
    old, new = right(True, True, False, False), right(True, False, True, True, first=1)
    assert dict(pair(old, new)) == {"math_strict": Paired(3, 1, 2, 1, 0)}
    (row,) = comparison({"1": (old, new)})[1:]
    assert row == [
        *("1", "math strict", "3 of 4", "33.33", "66.67", "1", "0", "1.000", "not distinguishable"),
    ]


def test_a_small_p_is_not_printed_as_none():
    (row,) = comparison({"1": (right(*[False] * 30), right(*[True] * 30))})[1:]
    assert row[-2:] == ["< 0.001", "better"]


def test_what_was_not_asked_twice_is_not_compared():
    reading_alone = {"0": Outcome("reading", {"squad_em": True})}
    assert len(comparison({"1": (right(True), reading_alone), "2": (right(True), right(True, first=9))})) == 1
