"""Shares: sums, limits and proportion hold for any counts; ranks depend on nothing but the text."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abacus.problems.sampling import exact_shares, floor_shares, rank

UNIQUE = {
    "direct": 359_347,
    "equation": 40_080,
    "root": 39_227,
    "power": 39_207,
    "function": 20_028,
    "mean": 19_709,
    "area": 8_665,
    "discount": 6_275,
    "sales": 6_266,
    "mass": 100,
    "fraction": 45,
}
COUNTS = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), st.integers(1, 10**6), min_size=1)


@st.composite
def sample(draw):
    """Counts, and a size that a sample of them may have."""
    counts = draw(COUNTS)
    return counts, draw(st.integers(len(counts), sum(counts.values())))


def test_the_reference_floor_rule_at_full_size():
    shares = floor_shares(UNIQUE, 100_000)
    assert list(shares.values()) == [66_675, 7_436, 7_278, 7_274, 3_716, 3_656, 1_607, 1_164, 1_162, 18, 8]
    assert sum(shares.values()) == 99_994


def test_two_thousand_of_the_published_counts():
    shares = exact_shares(UNIQUE, 2_000)
    assert sum(shares.values()) == 2_000
    assert (shares["mass"], shares["fraction"]) == (1, 1)
    assert shares["direct"] in (1_333, 1_332)


@given(COUNTS, st.integers(0, 10**6))
def test_a_floor_share_is_the_whole_part_of_the_quota(counts, size):
    total = sum(counts.values())
    shares = floor_shares(counts, size)
    assert all(0 <= Fraction(counts[n] * size, total) - shares[n] < 1 for n in counts)


@given(sample())
def test_exact_shares_sum_up_and_leave_nobody_out(given):
    counts, size = given
    shares = exact_shares(counts, size)
    assert sum(shares.values()) == size
    assert list(shares) == list(counts)
    assert all(1 <= shares[name] <= counts[name] for name in counts)


@given(sample())
def test_exact_shares_stay_within_one_of_the_quota_if_no_quota_is_below_one(given):
    counts, size = given
    total = sum(counts.values())
    quotas = {name: Fraction(count * size, total) for name, count in counts.items()}
    shares = exact_shares(counts, size)
    if min(quotas.values()) >= 1:
        assert all(abs(shares[name] - quotas[name]) < 1 for name in counts)


@given(sample())
def test_a_larger_category_never_gets_less(given):
    counts, size = given
    shares = exact_shares(counts, size)
    ordered = sorted(counts, key=lambda name: counts[name])
    assert all(shares[a] <= shares[b] + 1 for a, b in pairwise(ordered))


@given(COUNTS)
def test_all_of_it_is_a_sample_too(counts):
    assert exact_shares(counts, sum(counts.values())) == counts


def test_an_empty_category_gets_no_share():
    assert exact_shares({"a": 3, "b": 0}, 2) == {"a": 2}


@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_sample_that_cannot_be_taken_is_refused(size):
    message = f"a sample of {size} cannot be taken of 6 rows in 2 categories .expected 2 to 6.$"
    with pytest.raises(ValueError, match=message):
        exact_shares({"a": 4, "b": 2}, size)


def test_a_rank_is_the_hash_of_the_text():
    assert rank("计算 1.00 + 2.00 等于多少？") == rank("计算 1.00 + 2.00 等于多少？")
    assert rank("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
