"""Sizes that no rows can satisfy are refused before the first stage."""

import pytest

from abacus.core.errors import InputError
from abacus.core.params import section
from abacus.data.selection import Prepare
from abacus.pipeline.judge import check_sizes, files
from abacus.synthesis.rows import Synthesize, different, synthesize


@pytest.mark.parametrize("scale", [0.0001, 0.0005, 0.003])
def test_the_synthetic_rows_are_counted_before_they_are_made(scale):
    rows = {row["problem"] for row in synthesize(Synthesize(seed=3, scale=scale))}
    chinese = {text for text in rows if any("\u4e00" <= c <= "\u9fff" for c in text)}
    assert different(scale) == len(chinese)


def test_at_full_size_they_are_the_published_number():
    assert different(1) == 538_949


@pytest.mark.parametrize(("train", "fits"), [(8, True), (9, False)])
def test_more_rows_than_there_can_be_are_refused(params, train, fits):
    path = params(prepare={"train_size": train, "test_size": 2})
    recipe = section("prepare", Prepare, path)
    if fits:
        check_sizes(recipe, 10, "lines of x", path)
        return
    with pytest.raises(InputError) as caught:
        check_sizes(recipe, 10, "lines of x", path)
    expected = "prepare.train_size 9 and test_size 2 ask for more than the 10 lines of x"
    assert str(caught.value) == f"{path}: {expected}"


def test_the_lines_of_a_raw_file_of_ones_own_are_counted(params, write_lines, tmp_path):
    raw = write_lines(tmp_path / "mine.json", *({"problem": f"{n}", "solution": ""} for n in range(30)))
    raw.write_bytes(raw.read_bytes().rstrip(b"\n"))
    with pytest.raises(InputError, match=f"ask for more than the 30 lines of {raw}$"):
        files(params(prepare={"raw": str(raw), "train_size": 29, "test_size": 2}))
    files(params(prepare={"raw": str(raw), "train_size": 28, "test_size": 2}))
