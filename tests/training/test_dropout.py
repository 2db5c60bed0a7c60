"""Dropout's masks are functions of seed, step and sequence, and drop the share that they should."""

import numpy as np
import pytest

from abacus.training.dropout import Dropout


def test_a_mask_keeps_what_it_should_and_no_more() -> None:
    mask = Dropout(0.2, 7, 576).mask(3, range(2), 288)
    assert mask.shape == (2 * 288, 576) and mask.dtype == np.float32
    assert set(np.unique(mask)) == {0.0, np.float32(1.25)}
    # Four standard deviations of as many draws.
    assert (mask == 0).mean() == pytest.approx(0.2, abs=4 * (0.16 / mask.size) ** 0.5)


def test_a_sequence_has_its_mask_on_whichever_rank() -> None:
    whole = Dropout(0.2, 7, 33).mask(3, range(4), 10)
    parts = [Dropout(0.2, 7, 33).mask(3, some, 10) for some in (range(2), range(2, 4))]
    assert np.array_equal(np.concatenate(parts), whole)


def test_masks_differ_by_seed_step_and_sequence() -> None:
    """Of independent masks that keep half, half the values agree."""
    one = Dropout(0.5, 7, 64).mask(3, [1], 64)
    for other in (
        Dropout(0.5, 8, 64).mask(3, [1], 64),
        Dropout(0.5, 7, 64).mask(4, [1], 64),
        Dropout(0.5, 7, 64).mask(3, [2], 64),
    ):
        assert (one == other).mean() == pytest.approx(0.5, abs=0.04)


def philox(key: tuple[int, int], counter: list[int]) -> list[int]:
    """Four words of Philox4x64-10, as section 3.2 of the paper and its reference code have it."""
    words, keys = list(counter), list(key)
    for _ in range(10):
        (high0, low0), (high2, low2) = (
            divmod(word * by, 2**64)
            for word, by in ((words[0], 0xD2E7470EE14C6C93), (words[2], 0xCA5A826395121157))
        )
        words = [high2 ^ words[1] ^ keys[0], low2, high0 ^ words[3] ^ keys[1], low0]
        keys = [
            (one + by) % 2**64 for one, by in zip(keys, (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B), strict=True)
        ]
    return words


def test_the_draws_are_philox_s() -> None:
    """Of a generator of our own; NumPy counts up before it draws."""
    words = [word for block in (1, 2, 3) for word in philox((7, 3), [block, 0, 0, 5])]
    draws = [word >> shift & 0xFFFF for word in words for shift in (0, 16, 32, 48)]
    mask = Dropout(0.3, 7, 16).mask(3, [5], 3).reshape(-1)
    assert (mask > 0).tolist() == [draw >= round(0.3 * 2**16) for draw in draws]
