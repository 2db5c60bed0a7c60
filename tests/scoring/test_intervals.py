"""Intervals: published values of Wilson's, what an interval must be, and the same bounds in every run."""

from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abacus.scoring.intervals import DIGITS, of_mean, wilson

SHARES = st.integers(1, 3000).flatmap(lambda asked: st.tuples(st.integers(0, asked), st.just(asked)))
WITHIN = 10**-DIGITS


@pytest.mark.parametrize(
    ("right", "asked", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_the_published_one(right, asked, low, high):
    assert tuple(round(bound / 100, 4) for bound in wilson(right, asked)) == (low, high)


def test_wilson_is_its_formula():
    """By hand, with z of 0.975: (p + z²/2n ± z sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n)."""
    z, asked, share = 1.959963984540054, 128, 5 / 128
    middle, half = (
        share + z * z / (2 * asked),
        z * (share * (1 - share) / asked + (z / asked) ** 2 / 4) ** 0.5,
    )
    whole = 1 + z * z / asked
    expected = 100 * (middle - half) / whole, 100 * (middle + half) / whole
    assert wilson(5, 128) == pytest.approx(expected, abs=WITHIN)


@settings(deadline=None)
@given(SHARES)
def test_an_interval_holds_its_share_and_mirrors_that_of_the_rest(share):
    right, asked = share
    low, high = wilson(right, asked)
    assert 0 <= low <= 100 * right / asked + WITHIN and 100 * right / asked - WITHIN <= high <= 100
    assert high - low > 0
    other = wilson(asked - right, asked)
    assert (100 - other.high, 100 - other.low) == pytest.approx((low, high), abs=2 * WITHIN)


@settings(deadline=None)
@given(SHARES)
def test_more_questions_make_it_narrower(share):
    right, asked = share
    few, many = wilson(right, asked), wilson(4 * right, 4 * asked)
    assert many.high - many.low < few.high - few.low


@settings(deadline=None, max_examples=20)
@given(st.lists(st.sampled_from([0.0, 100.0]), min_size=1, max_size=50))
def test_scores_of_right_and_wrong_have_wilsons(scores):
    assert of_mean(scores) == wilson(scores.count(100.0), len(scores))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_the_interval_of_a_mean_holds_it_and_repeats(scores):
    low, high = of_mean(scores)
    assert 0 <= low <= high <= 100
    assert of_mean(scores) == (low, high)
    if len(scores) > 10:
        assert low - WITHIN <= fmean(scores) <= high + WITHIN


def test_the_interval_of_a_mean_is_about_two_standard_errors_on_either_side():
    scores = [float(i % 101) for i in range(1010)]  # a mean of 50, a standard deviation of 29.15
    low, high = of_mean(scores)
    assert (low, high) == pytest.approx(
        (50 - 1.96 * 29.15 / 1010**0.5, 50 + 1.96 * 29.15 / 1010**0.5), abs=0.1
    )


def test_one_score_alone_says_little():
    assert of_mean([66.0]) == (wilson(0, 1).low, wilson(1, 1).high)
    assert of_mean([50.0] * 4) == wilson(2, 4)
