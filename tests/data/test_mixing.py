"""What a recipe trains on: shares by weight, what is left out, and that the test problems do not move."""

import json
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abacus.core.errors import InputError
from abacus.data.audit import audit
from abacus.data.counted import figures
from abacus.data.lessons import lessons
from abacus.data.rows import Row
from abacus.data.selection import pair, sift
from abacus.data.splitting import Chosen, split
from abacus.problems.categories import CATEGORIES
from abacus.problems.kinds import KINDS, effort, kind_of, unique
from abacus.problems.sampling import filled
from abacus.problems.workings import recognise


class Parts(NamedTuple):
    """Training, test and reading rows, and all that was chosen."""

    train: list[Row]
    test: list[Row]
    reading: list[Row]
    chosen: Chosen


@pytest.fixture(scope="module")
def drawn(small, recipe):
    """Draw of the small raw data by a recipe: the parts, and the figures."""
    kept, counts, _ = sift(audit(small), "exact", lambda rejected: None)

    def draw(**changes) -> tuple[Parts, dict]:
        train, chosen = split(kept, recipe(**{"train_size": 300, "test_size": 60} | changes))
        return Parts(train, chosen.test, chosen.reading, chosen), figures(counts, chosen)

    return draw


def kinds_of(rows):
    return Counter(kind_of(recognise(row.problem).category, row.problem) for row in rows)


def test_a_balanced_mix_has_as_many_of_each_kind_as_there_are(drawn):
    parts, found = drawn(mix="balanced", train_size=140)
    counts = kinds_of(parts.train)
    assert counts.total() == 140 and found["train"] == 140
    short = {kind for kind in KINDS if counts[kind] < 10}
    assert {"mass", "fraction", "sales"} <= short
    most = {counts[kind] for kind in set(KINDS) - short}
    assert max(most) - min(most) <= 1 and min(most) > 10
    assert found["capped"] == sum(10 - counts[kind] for kind in short)


def test_weights_say_how_many_and_what_has_none_is_not_trained_on(drawn):
    parts, found = drawn(mix={"direct:*": 1.5, "mean": 0.5, "direct:/": 2}, train_size=40)
    assert kinds_of(parts.train) == {"direct:*": 15, "direct:/": 20, "mean": 5}
    assert found["capped"] == 0


def test_the_order_of_the_weights_does_not_matter(drawn):
    mix = {"mean": 1, "direct": 2, "root": 1}
    assert drawn(mix=mix, train_size=60)[0][:3] == drawn(mix=dict(sorted(mix.items())), train_size=60)[0][:3]


@pytest.mark.parametrize("mix", ["proportional", "balanced", {"direct": 3, "root": 1}])
def test_what_is_left_out_is_not_trained_on_and_asked_all_the_same(drawn, mix):
    parts, found = drawn(mix=mix, leave_out=["direct:*", "power"], train_size=100)
    counts = kinds_of(parts.train)
    assert not {"direct:*", "power"} & set(counts) and counts["direct:/"] > 5
    assert 90 < counts.total() <= 100
    assert {"direct:*", "power"} < set(kinds_of(parts.test))
    assert found["by_category"]["power"]["train"] == 0 < found["by_category"]["power"]["test"]


def test_no_recipe_moves_a_test_problem(drawn):
    test = drawn()[0].test
    for changes in (
        {"mix": "balanced", "train_size": 100},
        {"mix": {"mean": 1}, "train_size": 10},
        {"leave_out": ["direct:*", "mass", "fraction"]},
        {"train_size": 450, "seed": 3, "multiple_of": 8},
        {"workings": "published", "decimals": 1},
        {"replay": 0.5, "order": "easy_first"},
    ):
        assert drawn(**changes)[0].test == test


def test_easy_problems_come_first_where_they_are_to(drawn):
    plain, easy = (drawn(order=order)[0].train for order in ("shuffled", "easy_first"))
    assert sorted(plain) == sorted(easy) and plain != easy
    digits = [effort(row.problem) for row in easy]
    assert digits == sorted(digits) and digits[0] < digits[-1]
    names = [recognise(row.problem).category.name for row in easy if effort(row.problem) == 6]
    assert names != sorted(names)  # among equals the order is random


@pytest.mark.parametrize(
    ("problem", "digits"),
    [
        ("计算 6.00 * 0.05 等于多少？", 2),
        ("计算 -6.72 + 98.45 等于多少？", 7),
        ("求以下数据的平均值：[100, 12, 7]", 4),
        ("当 x = 8.52 时，求函数 y = 17x^16 的值", 7),
    ],
)
def test_the_effort_is_the_significant_digits_of_the_operands(problem, digits):
    assert effort(problem) == digits


def test_reading_rows_take_their_share_and_stand_among_the_problems(drawn, recipe, tmp_path):
    parts, found = drawn(replay=0.25, train_size=200)
    assert (found["replay"], len(parts.reading)) == (50, 50)
    assert 140 <= len(parts.train) <= 150 and found["train"] == len(parts.train) + 50
    lines = [json.loads(line) for line in lessons(parts.chosen, recipe(replay=0.25), tmp_path)]
    read = [number for number, row in enumerate(lines) if row["problem"].startswith("Read the passage")]
    assert len(lines) == found["train"] and len(read) == 50
    assert {after - before for before, after in pairwise(read)} <= {3, 4}
    assert all(lines[at] == pair(row) for at, row in zip(read, parts.reading, strict=True))


def test_more_reading_rows_leave_the_first_ones_and_multiples_count_them(drawn):
    few, many = (drawn(replay=replay, train_size=200)[0] for replay in (0.1, 0.2))
    assert many.reading[: len(few.reading)] == few.reading
    parts, found = drawn(replay=0.1, train_size=200, multiple_of=64)
    assert found["train"] == 192 == len(parts.train) + len(parts.reading)


def test_too_few_rows_of_a_mix_are_refused(drawn):
    with pytest.raises(InputError, match=r"leave \d+ rows to train on, expected the 300 of train_size"):
        drawn(mix={"mass": 1, "mean": 1})


WEIGHTS = st.lists(st.tuples(st.fractions(Fraction(1, 100), 100), st.integers(0, 60)), min_size=1, max_size=9)


@given(WEIGHTS, st.floats(0, 1))
def test_shares_are_by_weight_below_what_there_is(pairs, part):
    weights = {str(n): weight for n, (weight, _) in enumerate(pairs)}
    counts = {str(n): count for n, (_, count) in enumerate(pairs)}
    size = int(part * sum(counts.values()))
    shares = filled(weights, counts, size)
    assert list(shares) == list(weights) and sum(shares.values()) == size
    assert all(0 <= shares[name] <= counts[name] for name in counts)
    # Whoever has rows left gets the same a weight, but for one row: nobody who is cut short gets more than that.
    level = [shares[name] / weight for name, weight in weights.items() if shares[name] < counts[name]]
    for name, weight in weights.items():
        for other in (other for other in weights if shares[other] < counts[other]):
            assert shares[name] <= (Fraction(shares[other] + 1, 1) / weights[other]) * weight + 1
    assert all(abs(a - b) <= 1 / min(weights.values()) for a, b in pairwise(level))


def test_the_kinds_are_those_that_the_table_counts():
    assert len(KINDS) == sum(len(category.unique) for category in CATEGORIES)
    for category in CATEGORIES:
        problem = category.text(category.draw(Random(1)))
        assert kind_of(category, problem) in KINDS
        assert sum(unique(kind) for kind in KINDS if kind.partition(":")[0] == category.name) == sum(
            category.unique.values()
        )
