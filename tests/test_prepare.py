"""Training and test rows: what goes with which reason, what is held out, how many stay, what is counted."""

import json
from collections import Counter
from random import Random

import pytest

from stages.audit import audit
from stages.command import InputError
from stages.prepare import figures, sift, split
from stages.problems.sampling import rank
from stages.problems.workings import recognise
from stages.rows import Row, read_rows, write_rows
from stages.synthesize import Synthesize, synthesize

RIGHT = Row(1, "计算 5636.97 的平方根？", "√5636.97 = 75.07975759151064280958687335")
WRONG = Row(2, "将分数 6/8 进行简化。", "最简化的形式为：6/8")
ENGLISH = Row(3, "What is $1 + 1$?", r"$\boxed{2}$.")
AGAIN = Row(4, RIGHT.problem, "something else")
UNKNOWN = Row(5, "今天天气很好", "是")


def pairs(rows):
    return ({"problem": row.problem, "solution": row.solution} for row in rows)


def sifted(rows):
    rejected = []
    return *sift(audit(rows), "raw.json", rejected.append), rejected


def parts(rows, params):
    kept, _, _ = sifted(rows)
    return split(kept, params)


def texts(rows):
    return [row.problem for row in rows]


@pytest.fixture
def little(recipe):
    return recipe(train_size=300, test_size=60)


def test_at_full_size_the_reference_counts_come_out(full):
    rows = {name: part["train"] for name, part in full.figures["by_category"].items()}
    assert rows == {
        "direct": 66_675,
        "equation": 7_436,
        "root": 7_278,
        "power": 7_274,
        "function": 3_716,
        "mean": 3_656,
        "area": 1_607,
        "discount": 1_164,
        "sales": 1_162,
        "mass": 18,
        "fraction": 8,
    }
    assert len(full.train) == 99_994 and len(full.test) == 2_000
    assert not set(texts(full.train)) & set(texts(full.test))


def test_at_full_size_the_proportions_are_the_printed_ones(full):
    assert full.figures["proportions"] == {
        "direct": 0.654617427706388,
        "equation": 0.07301317807710105,
        "root": 0.07145927985105895,
        "power": 0.07142284612946359,
        "function": 0.03648472880559331,
        "mean": 0.035903610946147316,
        "area": 0.015784909881189635,
        "discount": 0.011431080150544138,
        "sales": 0.011414684975826225,
        "mass": 0.000182168607976799,
        "fraction": 8.197587358955955e-05,
        "english": 0.018204108995121523,
    }


def test_at_full_size_the_counts_add_up(full):
    counts = {key: value for key, value in full.figures.items() if isinstance(value, int)}
    assert counts == {
        "rows": 809_993,
        "unique": 548_942,
        "duplicate": 800_000 - 538_949,
        "english": 9_993,
        "verified": 538_949,
        "wrong": 0,
        "train": 99_994,
        "test": 2_000,
    }
    assert len(full.rejected) == 800_000 - 538_949 + 9_993


def test_every_row_that_goes_has_a_reason():
    kept, counts, rejected = sifted([RIGHT, WRONG, ENGLISH, AGAIN])
    assert sum(map(len, kept.values())) == 1 and kept["root"] == [RIGHT]
    assert rejected == [
        {
            "line": 2,
            "reason": "wrong label: expected 最简化的形式为：3/4",
            "problem": WRONG.problem,
            "solution": WRONG.solution,
        },
        {"line": 3, "reason": "english", "problem": ENGLISH.problem, "solution": ENGLISH.solution},
        {"line": 4, "reason": "duplicate of line 1", "problem": AGAIN.problem, "solution": AGAIN.solution},
    ]
    assert counts == Counter(
        {("verified", "root"): 1, ("wrong", "fraction"): 1, ("english", ""): 1, ("duplicate", ""): 1}
    )


def test_of_repeated_problems_the_first_stays_even_if_it_is_wrong():
    kept, _, rejected = sifted([Row(1, RIGHT.problem, "√ = 1"), Row(2, *RIGHT[1:])])
    assert not any(kept.values())
    assert [row["reason"] for row in rejected] == [
        "wrong label: expected " + RIGHT.solution,
        "duplicate of line 1",
    ]


def test_a_row_of_no_category_stops_the_work():
    with pytest.raises(InputError, match=r"^raw.json, line 5: the problem is of no category: 今天天气很好$"):
        sifted([RIGHT, UNKNOWN])


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("train", "test"), [(300, 60), (400, 20), (100, 200), (30, 506), (480, 56)])
def test_held_out_problems_are_never_trained_on(small, recipe, train, test, seed):
    taught, held = parts(small, recipe(train_size=train, test_size=test, seed=seed))
    assert len(held) == len(set(texts(held))) == test
    assert len(set(texts(taught))) == len(taught) <= train
    assert not set(texts(taught)) & set(texts(held))


def test_every_category_is_held_out_in_proportion(small, little):
    kept, _, _ = sifted(small)
    _, held = split(kept, little)
    counts = Counter(recognise(text).category.name for text in texts(held))
    assert set(counts) == set(kept)
    assert abs(counts["direct"] - 60 * len(kept["direct"]) / sum(map(len, kept.values()))) < 5


def test_the_order_of_the_raw_rows_does_not_matter(small, little):
    shuffled = list(small)
    Random(1).shuffle(shuffled)
    before, after = parts(small, little), parts(shuffled, little)
    assert [list(pairs(rows)) for rows in before] == [list(pairs(rows)) for rows in after]


def test_the_seed_changes_the_draw_and_not_what_is_held_out(small, recipe):
    first, second = (parts(small, recipe(train_size=300, test_size=60, seed=seed)) for seed in (1, 2))
    assert texts(first[1]) == texts(second[1])
    assert set(texts(first[0])) != set(texts(second[0]))


def test_added_rows_displace_held_out_ones_only_by_lower_hashes(small, little):
    added = [Row(line, **row) for line, row in enumerate(synthesize(Synthesize(2, 0.0005)), 10_000)]
    before, after = (set(texts(parts(rows, little)[1])) for rows in (small, small + added))
    old = set(texts(small))
    for name, group in sifted(small)[0].items():
        ranked = sorted(texts(group), key=rank)
        stayed = [text for text in ranked if text in after]
        assert stayed == ranked[: len(stayed)], name
    assert len(before & after) >= 30
    assert after - old <= set(texts(added))


def test_the_share_of_each_category_is_the_floor_of_its_quota(small, little):
    kept, _, _ = sifted(small)
    total = sum(map(len, kept.values()))
    taught, _ = split(kept, little)
    counts = Counter(recognise(text).category.name for text in texts(taught))
    assert counts == Counter({name: len(rows) * 300 // total for name, rows in kept.items()})


def test_training_rows_are_shuffled(small, little):
    names = [recognise(text).category.name for text in texts(parts(small, little)[0])]
    assert names != sorted(names)
    assert "direct" in names[:10] and set(names[:100]) - {"direct"}


@pytest.mark.parametrize("multiple", [1, 8, 64])
def test_rows_come_in_multiples(small, recipe, multiple):
    every, _ = parts(small, recipe(train_size=300, test_size=60))
    taught, _ = parts(small, recipe(train_size=300, test_size=60, multiple_of=multiple))
    assert taught == every[: len(every) // multiple * multiple]


@pytest.mark.parametrize(
    ("train", "test", "multiple", "message"),
    [
        (
            500,
            60,
            1,
            "params.yaml: prepare.train_size 500 and test_size 60 ask for more than the"
            " 536 different right rows of raw.json",
        ),
        (
            300,
            10,
            1,
            "params.yaml: prepare.test_size: a sample of 10 cannot be taken of 536 rows in 11 categories"
            " (expected 11 to 536)",
        ),
        (5, 60, 64, "params.yaml: prepare.train_size 5 and multiple_of 64 leave no row"),
    ],
)
def test_too_few_rows_are_refused(small, recipe, train, test, multiple, message):
    with pytest.raises(InputError) as caught:
        parts(small, recipe(train_size=train, test_size=test, multiple_of=multiple))
    assert str(caught.value) == message


def test_the_figures_add_up(small, little):
    kept, counts, rejected = sifted(small)
    train, test = split(kept, little)
    found = figures(counts, train, test)
    assert found["rows"] == len(small) == len(rejected) + found["verified"]
    assert found["unique"] == found["verified"] + found["english"]
    assert sum(found["proportions"].values()) == pytest.approx(1)
    for part, rows in (("train", train), ("test", test)):
        assert sum(counts[part] for counts in found["by_category"].values()) == len(rows) == found[part]


def test_the_command_writes_four_files_twice_the_same(stage, params, small, tmp_path):
    raw = tmp_path / "raw.json"
    write_rows(raw, pairs([*small, Row(0, WRONG.problem, WRONG.solution)]))
    recipe = params(prepare={"train_size": 300, "test_size": 60, "workings": "exact", "decimals": 2})
    written = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        outs = {name: folder / name for name in ("train", "test", "rejected", "metrics")}
        flags = [text for name, path in outs.items() for text in (f"--{name}", path)]
        done = stage("prepare", "--raw", raw, "--params", recipe, *flags)
        assert done.returncode == 0, done.stderr
        assert set(folder.iterdir()) == set(outs.values())
        written.append({name: path.read_bytes() for name, path in outs.items()})
    assert written[0] == written[1]

    found = json.loads(outs["metrics"].read_text(encoding="utf-8"))
    train, test = list(read_rows(outs["train"])), list(read_rows(outs["test"]))
    assert (found["train"], found["test"], found["wrong"]) == (len(train), len(test), 1)
    assert all(row.solution.startswith("计算过程：") for row in train)
    assert all(recognise(row.problem).published == row.solution for row in test)
    rejected = [json.loads(line) for line in outs["rejected"].read_text(encoding="utf-8").splitlines()]
    assert Counter(row["reason"].split(" ")[0] for row in rejected) == {
        "duplicate": found["duplicate"],
        "english": found["english"],
        "wrong": 1,
    }
