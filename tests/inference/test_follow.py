"""What a completion takes of a model's choices: the greedy tokens, whatever was guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abacus.inference.follow import Following
from abacus.text.prompt import Prompt

EOS = 9
TOKENS = st.lists(st.integers(0, 4), max_size=12)


def following(ids=(1, 2), max_new=8, min_new=0):
    return Following(Prompt(ids), eos_id=EOS, min_new=min_new, max_new=max_new)


def test_a_guess_is_what_followed_the_last_two_tokens():
    assert following([1, 2, 3, 4, 1, 2]).guess(3) == [3, 4, 1]
    assert following([1, 2, 3, 1, 2, 4, 1, 2]).guess(1) == [4]  # the last time, not the first
    assert following([1, 2, 3]).guess(3) == []
    assert following([1]).guess(3) == []


def test_a_guess_is_no_longer_than_what_is_wanted_after_the_next_token():
    assert following([1, 2, 3, 4, 1, 2], max_new=2).guess(3) == [3]
    assert following([1, 2, 3, 4, 1, 2], max_new=1).guess(3) == []


def test_choices_are_taken_as_far_as_the_guess_is_right():
    row = following()
    row.accept([(3, 3), (4, 4), (5, 5)], [3, 7])
    assert row.completion().ids == [3, 4]  # 5 came after 7, which was not said
    assert (row.last, row.position, row.done) == (4, 3, False)


def test_the_end_comes_with_eos_or_with_the_last_wanted_token():
    ended = following()
    ended.accept([(3, 3), (EOS, 1), (4, 4)], [3, EOS, 4])
    assert (ended.completion().ids, ended.completion().ended, ended.done) == ([3], True, True)
    cut = following(max_new=1)
    cut.accept([(3, 3), (EOS, 1)], [3])
    assert (cut.completion().ids, cut.completion().ended, cut.done) == ([3], False, True)
    assert following(max_new=0).done


def test_eos_is_not_taken_before_the_least_number_of_tokens():
    row = following(min_new=2)
    row.accept([(EOS, 3), (EOS, 4), (EOS, 5)], [3, 4])
    assert (row.completion().ids, row.completion().ended) == ([3, 4], True)


@given(prompt=TOKENS.filter(bool), said=TOKENS, guessed=st.integers(0, 5))
def test_guesses_never_change_what_is_said(prompt, said, guessed):
    said = [*said, EOS]  # the model, which says the same whatever it is fed with
    row = following(prompt, max_new=10)
    while not row.done:
        at = len(row.completion().ids)
        guess = row.guess(guessed)
        row.accept([(token, 0) for token in said[at : at + 1 + len(guess)]], guess)
    assert row.completion().ids == said[:-1][:10]
    assert row.completion().ended == (len(said) <= 10)


@pytest.mark.parametrize(("guess", "taken"), [([3, 4, 5], [3, 4, 5]), ([3, 8, 5], [3, 4]), ([8, 4, 5], [3])])
def test_a_guess_is_taken_as_far_as_it_is_right(guess, taken):
    row = following()
    row.accept([(3, 3), (4, 4), (5, 5)], guess)
    assert row.completion().ids == taken
