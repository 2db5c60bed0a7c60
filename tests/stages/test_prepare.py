"""Training and test rows: what goes with which reason, what is held out, how many stay, what is counted."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from random import Random

import psutil
import pytest
import yaml

from abacus.commands.workings import show
from abacus.core.errors import InputError
from abacus.data.audit import audit, summary
from abacus.data.counted import figures
from abacus.data.rows import Row, read_rows, write_rows
from abacus.data.selection import Prepare, check_enough, check_known, right, sift
from abacus.data.splitting import split
from abacus.problems.alike import key
from abacus.problems.sampling import rank
from abacus.problems.workings import recognise
from abacus.synthesis.rows import Synthesize, synthesize
from tests.workspace import ROOT, program

RIGHT = Row(1, "计算 5636.97 的平方根？", "√5636.97 = 75.07975759151064280958687335")
WRONG = Row(2, "将分数 6/8 进行简化。", "最简化的形式为：6/8")
ENGLISH = Row(3, "What is $1 + 1$?", r"$\boxed{2}$.")
AGAIN = Row(4, RIGHT.problem, "something else")
UNKNOWN = Row(5, "今天天气很好", "是")


def pairs(rows):
    return ({"problem": row.problem, "solution": row.solution} for row in rows)


@pytest.fixture
def sifted(recipe):
    """Sift rows: those that stay, the counts, those that go."""

    def sift_all(rows, **changes):
        rejected = []
        params = recipe(**changes)
        kept, counts, unknown = sift(audit(rows), params.labels, rejected.append)
        check_known(unknown, counts, params)
        return kept, counts, rejected

    return sift_all


def parts(rows, params):
    """Training and test rows of raw rows."""
    kept, counts, _ = sift(audit(rows), params.labels, lambda rejected: None)
    check_enough(counts, params)
    train, chosen = split(kept, params)
    return train, chosen.test


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
        "rounded": 0,
        "wrong": 0,
        "unknown": 0,
        "variants": 29,
        "train": 99_994,
        "test": 2_000,
        "capped": 0,
        "replay": 0,
    }
    assert len(full.rejected) == 800_000 - 538_949 + 9_993 + 29


def test_every_row_that_goes_has_a_reason(sifted):
    kept, counts, rejected = sifted([RIGHT, WRONG, ENGLISH, AGAIN])
    assert sum(map(len, kept.values())) == 1 and list(map(right, kept["root"])) == list(pairs([RIGHT]))
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


def test_of_repeated_problems_the_first_stays_even_if_it_is_wrong(sifted):
    kept, _, rejected = sifted([Row(1, RIGHT.problem, "√ = 1"), Row(2, *RIGHT[1:])])
    assert not any(kept.values())
    assert [row["reason"] for row in rejected] == [
        "wrong label: expected " + RIGHT.solution,
        "duplicate of line 1",
    ]


def test_a_row_of_no_category_stops_the_work(sifted):
    with pytest.raises(
        InputError, match=r"^raw.json, line 5: the problem is of no category: 今天天气很好; prepare"
    ):
        sifted([RIGHT, UNKNOWN])


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("train", "test"), [(300, 60), (400, 20), (100, 200), (30, 506), (480, 56)])
def test_held_out_problems_are_never_trained_on(small, recipe, train, test, seed):
    taught, held = parts(small, recipe(train_size=train, test_size=test, seed=seed))
    assert len(held) == len(set(texts(held))) == test
    assert len(set(texts(taught))) == len(taught) <= train
    assert not set(texts(taught)) & set(texts(held))


def test_every_category_is_held_out_in_proportion(sifted, small, little):
    kept, _, _ = sifted(small)
    held = split(kept, little)[1].test
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


def test_added_rows_displace_held_out_ones_only_by_lower_hashes(sifted, small, little):
    added = [
        Row(line, **row) for line, row in enumerate(synthesize(Synthesize(seed=2, scale=0.0005)), 10_000)
    ]
    before, after = (set(texts(parts(rows, little)[1])) for rows in (small, small + added))
    old = set(texts(small))
    for name, group in sifted(small)[0].items():
        ranked = sorted(texts(group), key=rank)
        stayed = [text for text in ranked if text in after]
        assert stayed == ranked[: len(stayed)], name
    assert len(before & after) >= 30
    assert after - old <= set(texts(added))


def test_the_share_of_each_category_is_the_floor_of_its_quota(sifted, small, little):
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
            " 536 different right rows of raw.json; rejected: 9 English, 263 duplicate, see data/rejected.jsonl",
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


def test_the_figures_add_up(sifted, small, little):
    kept, counts, rejected = sifted(small)
    train, chosen = split(kept, little)
    found, test = figures(counts, chosen), chosen.test
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
        outs = {name: folder / name for name in ("train", "test", "rejected", "metrics", "categories")}
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


def rounded_rows(count):
    """Right quotients whose published answers are rounded to three decimals."""
    random = Random(2)
    for line in range(1, count + 1):
        a, b = random.randint(100, 99999), 3 * random.randint(34, 3333)
        a += a % 3 == 0  # no quotient has an end
        text = f"{a / 100:.2f} / {b / 100:.2f}"
        yield Row(line, f"计算 {text} 等于多少？", f"{text} = {a / b:.3f}")


def test_rounded_labels_are_right_where_they_are_asked_for(sifted):
    rows = [*rounded_rows(40), Row(41, "计算 1.00 / 8.00 等于多少？", "1.00 / 8.00 = 0.124")]
    kept, counts, rejected = sifted(rows, labels="rounded")
    assert counts == {("rounded", "direct"): len(kept["direct"]), ("wrong", "direct"): 1}
    assert len(kept["direct"]) == 40 and [row["line"] for row in rejected] == [41]
    kept, counts, rejected = sifted(rows)
    assert not any(kept.values()) and counts["roundable", "direct"] == 40
    assert {row["reason"].partition(":")[0] for row in rejected} == {"rounded label", "wrong label"}


def test_audit_and_workings_tell_rounded_labels_from_wrong_ones():
    rows = [*rounded_rows(3), WRONG._replace(line=4)]
    found = summary(audit(rows))
    assert (found["wrong"], found["rounded"]) == (4, 3)
    assert show(rows[0], "exact", 4)["reason"].startswith("wrong label: expected ")
    assert show(rows[0], "exact", 4, "rounded")["solution"].startswith("计算过程：")
    assert show(rows[3], "exact", 4, "rounded")["reason"] == "wrong label: expected 最简化的形式为：3/4"


def test_the_figures_count_rounded_labels(sifted, recipe):
    for labels, rounded, wrong in (("rounded", 30, 0), ("exact", 0, 30)):
        rows = [*small_right(60), *(row._replace(line=row.line + 60) for row in rounded_rows(30))]
        kept, counts, _ = sifted(rows, labels=labels)
        found = figures(counts, split(kept, recipe(train_size=20, test_size=5, labels=labels))[1])
        assert (found["rounded"], found["wrong"], found["verified"]) == (rounded, wrong, 60)
        counted = found["by_category"]["direct"]
        assert (counted["verified"], counted["wrong"]) == (0, wrong)
        assert found["unique"] == found["verified"] + found["rounded"] + found["wrong"]


def small_right(count):
    """Right areas, no two of them variants of each other."""
    for n in range(1, count + 1):
        yield Row(n, f"一个长方形的长为 {n} 厘米，宽为 1 厘米，请计算其面积。", f"面积为 {n} 平方厘米")


def test_rows_of_no_category_are_named_together_or_left_out(sifted):
    rows = [RIGHT, *(Row(line, f"今天第 {line} 天", "是") for line in range(11, 18))]
    with pytest.raises(InputError) as caught:
        sifted(rows)
    assert str(caught.value) == (
        "raw.json, line 11: the problem is of no category: 今天第 11 天; line 12: 今天第 12 天; line 13: 今天第 13 天;"
        " line 14: 今天第 14 天; line 15: 今天第 15 天; 7 such rows in all; prepare.unknown: drop leaves such rows out"
    )
    kept, counts, rejected = sifted(rows, unknown="drop")
    assert kept["root"] == [RIGHT._replace(solution="")] and counts["unknown", ""] == 7
    assert [row["reason"] for row in rejected] == ["unknown: is of no category"] * 7


def test_variants_of_a_test_problem_are_not_trained_on(recipe):
    """Every product stands in the rows twice, its operands in either order; so each held-out one has a variant."""
    areas = [
        Row(n, f"一个长方形的长为 {a} 厘米，宽为 {b} 厘米，请计算其面积。", f"面积为 {a * b} 平方厘米")
        for n, (a, b) in enumerate(((a, b) for a in range(1, 13) for b in range(1, 13)), 1)
    ]
    kept, counts, _ = sift(audit(areas), "exact", lambda row: None)
    gone = []
    train, chosen = split(kept, recipe(train_size=100, test_size=20), gone.append)
    test = chosen.test
    held, taught = ({key(recognise(row.problem)) for row in part} for part in (test, train))
    assert not held & taught and len(train) == 100
    assert chosen.variants.total() == len(gone) > 10
    assert all(row["reason"].startswith("variant of the test problem in line ") for row in gone)
    assert not {row["problem"] for row in gone} & {row.problem for row in (*train, *test)}
    assert figures(counts, chosen)["variants"] == len(gone)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            [*rounded_rows(40), WRONG._replace(line=41), ENGLISH._replace(line=42)],
            "; rejected: 1 English, 1 wrong label, {} rounded label, see data/rejected.jsonl;"
            " prepare.labels: rounded takes the {} that are right at their own precision",
        ),
        ([RIGHT, UNKNOWN], "line 2: the problem is of no category: 今天天气很好"),
    ],
)
def test_a_stage_that_stops_leaves_its_evidence(stage, params, error_line, tmp_path, rows, says):
    raw = tmp_path / "raw.json"
    write_rows(raw, pairs(rows))
    outs = {name: tmp_path / "out" / name for name in ("train", "test", "rejected", "metrics", "categories")}
    for path in outs.values():
        path.parent.mkdir(exist_ok=True)
        path.write_text("old")
    flags = [text for name, path in outs.items() for text in (f"--{name}", path)]
    recipe = params(prepare={"train_size": 300, "test_size": 60})
    line = error_line(stage("prepare", "--raw", raw, "--params", recipe, *flags))
    rejected = [json.loads(text) for text in outs["rejected"].read_text(encoding="utf-8").splitlines()]
    rounded = sum(row["reason"].startswith("rounded label") for row in rejected)
    assert says.format(rounded, rounded) in line
    assert len(rejected) >= 1 and {path.name for path in tmp_path.joinpath("out").iterdir()} == set(outs)
    assert {path.read_text() for name, path in outs.items() if name != "rejected"} == {"old"}


def test_a_file_that_cannot_be_read_leaves_all_as_it_was(stage, params, error_line, tmp_path):
    raw = tmp_path / "raw.json"
    raw.write_text('{"problem": "What?", "solution": "x"}\nnonsense\n')
    outs = {name: tmp_path / name for name in ("train", "test", "rejected", "metrics", "categories")}
    outs["rejected"].write_text("old")
    flags = [text for name, path in outs.items() for text in (f"--{name}", path)]
    assert "line 2: not JSON" in error_line(stage("prepare", "--raw", raw, "--params", params(), *flags))
    assert outs["rejected"].read_text() == "old"


OUTS = ("train", "test", "rejected", "metrics", "categories")


def prepared(stage, folder, raw, recipe, processes, parts=5):
    """Run the stage with so many processes and parts; its outputs by name, and the run."""
    outs = {name: folder / f"{processes}-{parts}" / name for name in OUTS}
    flags = [text for name, path in outs.items() for text in (f"--{name}", path)]
    flags += ["--processes", processes, "--parts", parts]
    done = stage("prepare", "--raw", raw, "--params", recipe, *flags)
    return {name: path.read_bytes() for name, path in outs.items() if path.exists()}, done


NUMBERS = [(1, 1), (2, 5), (3, 37)]  # of processes and parts


def many(size):
    """Raw rows of all kinds, in several parts."""
    rows = [Row(0, **row) for row in synthesize(Synthesize(seed=1, scale=0.005))]
    bad = [WRONG, ENGLISH, UNKNOWN, *rounded_rows(20)]
    mixed = [*rows, *bad, *rows[:500]]
    Random(3).shuffle(mixed)
    return [row._replace(line=line) for line, row in enumerate(mixed[:size], 1)]


@pytest.mark.parametrize("labels", ["exact", "rounded"])
def test_the_outputs_are_the_same_for_any_number_of_processes_and_parts(stage, params, tmp_path, labels):
    raw = tmp_path / "raw.json"
    write_rows(raw, pairs(many(6000)))
    recipe = params(
        prepare={
            "train_size": 1000,
            "test_size": 100,
            "labels": labels,
            "unknown": "drop",
            "workings": "stepwise",
            "mix": "balanced",
            "leave_out": ["mass", "fraction", "direct:*"],
            "order": "easy_first",
            "replay": 0.2,
        }
    )
    runs = [prepared(stage, tmp_path, raw, recipe, *numbers) for numbers in NUMBERS]
    assert [done.returncode for _, done in runs] == [0, 0, 0], runs[0][1].stderr
    assert set(runs[0][0]) == set(OUTS)
    assert runs[0][0] == runs[1][0] == runs[2][0]


@pytest.mark.parametrize("line", [1, 1000, 1001, 2900, 4000])
def test_a_bad_row_is_the_same_error_for_any_number_of_processes(stage, params, error_line, tmp_path, line):
    raw = tmp_path / "raw.json"
    write_rows(raw, pairs(many(4000)))
    lines = raw.read_bytes().splitlines(keepends=True)
    lines[line - 1] = b'{"problem": "a", "problem": "b", "solution": ""}\n'
    raw.write_bytes(b"".join(lines))
    runs = [prepared(stage, tmp_path, raw, params(), *numbers) for numbers in NUMBERS]
    assert {error_line(done) for _, done in runs} == {
        f"{raw}, line {line}: key 'problem' stands twice in an object, at character 18: "
        '{"problem": "a", "problem": "b", "solution": ""}'
    }
    assert not any(outs for outs, _ in runs)


def test_rows_of_no_category_are_the_same_error_for_any_number_of_processes(
    stage, params, error_line, tmp_path
):
    raw = tmp_path / "raw.json"
    write_rows(raw, pairs(many(6000)))
    runs = [prepared(stage, tmp_path, raw, params(), *numbers) for numbers in NUMBERS]
    assert len({error_line(done) for _, done in runs}) == 1
    assert {tuple(outs) for outs, _ in runs} == {("rejected",)}
    assert len({outs["rejected"] for outs, _ in runs}) == 1


def test_a_recipe_is_a_parameter_key_by_key_and_who_works_it_out_is_none():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    recipe = {f"prepare.{key}" for key in Prepare.model_fields} - {"prepare.engine", "prepare.scheduler"}
    for name in ("configure", "prepare"):
        files = [one for one in stages[name]["params"] if isinstance(one, dict)]
        assert set(files[0]["params.yaml"]) == recipe


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_prepare_leaves_no_process(params, tmp_path, number):
    raw = tmp_path / "raw.json"
    os.mkfifo(raw)  # nobody writes: the stage waits for its first row
    outs = [text for name in OUTS for text in (f"--{name}", str(tmp_path / name))]
    command = [*program("prepare"), "--raw", str(raw), "--params", str(params()), *outs, "--processes", "3"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        begun = time.monotonic()
        while len(others := psutil.Process(process.pid).children()) < 2 and time.monotonic() < begun + 30:
            time.sleep(0.05)
        process.send_signal(number)
        process.communicate(timeout=30)
    assert len(others) == 2 and not psutil.wait_procs(others, timeout=5)[1]


@pytest.mark.parametrize("words", [("--parts", "-1"), ("--parts", "0"), ("--processes", "0")])
def test_fewer_than_one_part_or_process_is_refused(stage, words):
    paths = [
        word
        for name in ("raw", "train", "test", "rejected", "metrics", "categories")
        for word in (f"--{name}", name)
    ]
    done = stage("prepare", *paths, *words)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert (
        f"argument {words[0]} is {words[1]!r}, which is no whole number of at least 1; expected as in"
        in done.stderr
    )
