"""The embedded raw data: counts, order and seeds, small and at full size."""

from collections import Counter
from decimal import Decimal

import pytest

from abacus.data.rows import CHINESE, read_rows
from abacus.problems.categories import CATEGORIES
from abacus.problems.workings import recognise
from abacus.synthesis.rows import Synthesize, scaled, synthesize

UNIQUE = {
    ("direct", "+"): 90_113,
    ("direct", "-"): 89_366,
    ("direct", "*"): 89_902,
    ("direct", "/"): 89_966,
    ("equation", ""): 40_080,
    ("root", ""): 39_227,
    ("power", ""): 39_207,
    ("function", ""): 20_028,
    ("mean", ""): 19_709,
    ("area", ""): 8_665,
    ("discount", ""): 6_275,
    ("sales", ""): 6_266,
    ("mass", ""): 100,
    ("fraction", ""): 45,
}


def kinds(texts):
    """Count problems by category, those of `direct` by operator too."""
    problems = map(recognise, texts)
    return Counter((p.category.name, p.spelled.get("op", "")) for p in problems)


def test_at_full_size_the_counts_are_the_published_ones(full):
    assert len(full.rows) == 800_000 + 9_993
    assert all(CHINESE.search(row.problem) for row in full.rows[:800_000])
    assert not any(CHINESE.search(row.problem) for row in full.rows[800_000:])
    assert len({row.problem for row in full.rows[:800_000]}) == 538_949
    assert len({row.problem for row in full.rows[800_000:]}) == 9_993


def test_at_full_size_every_category_has_its_number(full):
    found = {(name, ""): len(rows) for name, rows in full.kept.items() if name != "direct"}
    assert found | kinds(row.problem for row in full.kept["direct"]) == UNIQUE


def test_at_full_size_the_rows_are_well_mixed(full):
    first = kinds(row.problem for row in full.rows[:8_000])
    assert sum(count for (name, _), count in first.items() if name == "direct") == pytest.approx(
        3_600, rel=0.1
    )
    assert first["equation", ""] == pytest.approx(2_400, rel=0.1)


def test_at_full_size_operands_reach_the_ends_of_their_ranges(full):
    ends = {}
    for row in full.kept["power"] + full.kept["root"]:
        problem = recognise(row.problem)
        low, high = ends.get(problem.category.name, (Decimal(0), Decimal(0)))
        ends[problem.category.name] = min(low, problem.values["a"]), max(high, problem.values["a"])
    assert -1000 < ends["power"][0] < -999 and 999 < ends["power"][1] < 1000
    assert ends["root"][0] == 0 and 9_999 < ends["root"][1] <= Decimal("9999.99")


@pytest.mark.parametrize("scale", [0.0001, 0.001, 0.01])
def test_a_small_scale_takes_the_share_of_each_count(scale):
    rows = list(synthesize(Synthesize(seed=3, scale=scale)))
    chinese = [row["problem"] for row in rows if CHINESE.search(row["problem"])]
    assert kinds(set(chinese)) == {kind: scaled(count, scale) for kind, count in UNIQUE.items()}
    assert len(chinese) == sum(scaled(category.raw, scale) for category in CATEGORIES)
    assert len(rows) - len(chinese) == scaled(9_993, scale)


def test_english_rows_stand_last(small):
    chinese = [bool(CHINESE.search(row.problem)) for row in small]
    assert chinese == sorted(chinese, reverse=True) and len(set(chinese)) == 2


def test_repeated_problems_have_the_same_solution(small):
    solutions = {row.problem: row.solution for row in small}
    assert len(solutions) < len(small)
    assert all(solutions[row.problem] == row.solution for row in small)


def test_the_seed_decides_the_rows():
    def rows(seed):
        return list(synthesize(Synthesize(seed=seed, scale=0.0005)))

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


@pytest.mark.parametrize(
    ("count", "scale", "share"),
    [(45, 0.001, 1), (45, 1.0, 45), (100, 0.29, 29), (9_993, 0.0001, 1), (7, 0.5, 3)],
)
def test_a_share_is_the_whole_part_and_at_least_one(count, scale, share):
    assert scaled(count, scale) == share


def test_the_ticks_add_up_to_the_rows(small):
    ticks = []
    rows = sum(1 for _ in synthesize(Synthesize(seed=1, scale=0.001), ticks.append))
    assert sum(ticks) == rows == len(small)


def test_the_command_writes_the_rows(stage, params, small, tmp_path):
    out = tmp_path / "raw" / "train.json"
    done = stage("synthesize", "--out", out, "--params", params(synthesize={"seed": 1, "scale": 0.001}))
    assert done.returncode == 0, done.stderr
    assert list(read_rows(out)) == small
    assert list(out.parent.iterdir()) == [out]
