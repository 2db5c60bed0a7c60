"""Places of a model's files that say the same, or differ and are both named."""

from pathlib import Path

import pytest

from abacus.core.errors import InputError
from abacus.formats.facts import Said, agreed

A, B, C = (Path(f"folder/{name}.json") for name in "abc")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], None),
        ([[], []], None),
        ([[], [7], []], 7),
        ([[7], [7]], 7),
        ([[1, 2, 3], [], [3, 2]], 2),
        ([[1, 2, 3], [3, 2], [3]], 3),
        ([[0], [0]], 0),
    ],
)
def test_the_first_value_that_all_allow(values, found):
    assert agreed(Said(A, "key", value) for value in values) == found


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1], [2]], "folder/b.json: y is 2, expected 1 as x in a.json"),
        ([[], [1], [2]], "folder/c.json: z is 2, expected 1 as y in b.json"),
        ([[1, 2], [3, 4]], "folder/b.json: y is one of 3, 4, expected one of 1, 2 as x in a.json"),
        ([[1, 2], [2, 3], [1, 3]], "folder/c.json: z is one of 1, 3, expected 2 as x in a.json"),
    ],
)
def test_two_places_that_differ_are_named(values, message):
    with pytest.raises(InputError) as error:
        agreed(map(Said, (A, B, C), "xyz", values))
    assert str(error.value) == message
