"""Training rows that ask what the evaluation asks: counted, said, left out; and rows that are too long stop the run."""

import json
from random import Random

import pytest
import yaml

from abacus.data.conversation import Turn
from abacus.data.overlap import Asked, without
from abacus.data.squad import Question
from abacus.problems.alike import fold, keys
from abacus.problems.categories import CATEGORIES
from abacus.text.tokenizer import of_bytes, save

BOS, EOS, PAD = 256, 257, 258
TEST = [
    "计算 6.00 + 1.50 等于多少？",
    "一个长方形的长为 87 厘米，宽为 4 厘米，请计算其面积。",
    "计算 4.00 的平方根？",
]
EXACT, SWAPPED, SPELLED = (
    TEST[0],
    "一个长方形的长为 4 厘米，宽为 87 厘米，请计算其面积。",
    "计算 6 + 1.5 等于多少?",
)
OTHER = "计算 6.00 - 1.50 等于多少？"
PASSAGE = "An abacus is a tool for calculating with counters that are moved by hand."
QUESTION = Question("q", PASSAGE, "What does each column of an abacus stand for?", ("a place",))


def turns(*problems):
    return [Turn(str(n), problem, "答") for n, problem in enumerate(problems, 1)]


def test_rows_are_counted_by_kind_and_left_out():
    rows = turns(
        EXACT, OTHER, SWAPPED, SPELLED, f"Read this. {PASSAGE}\nWhat is it?", QUESTION.question, "What?"
    )
    kept, overlap = without(rows, Asked(TEST, [QUESTION]), drop=True)
    assert [turn.problem for turn in kept] == [OTHER, "What?"]
    assert overlap.figures() == {
        "overlap_exact": 1,
        "overlap_variant": 2,
        "overlap_reading": 2,
        "overlap_problems": 2,
        "overlap_left_out": 5,
    }
    assert str(overlap) == (
        "overlap: 5 of 7 rows ask what the evaluation asks (1 exact, 2 variant, 2 reading; 2 of its 3 problems),"
        " left out (inputs.overlap)"
    )


def test_rows_may_be_kept_and_are_counted_all_the_same():
    rows = turns(EXACT, OTHER)
    kept, overlap = without(rows, Asked(TEST), drop=False)
    assert kept == rows
    assert overlap.figures() == {
        "overlap_exact": 1,
        "overlap_variant": 0,
        "overlap_reading": 0,
        "overlap_problems": 1,
        "overlap_left_out": 0,
    }
    assert "trained on all the same" in str(overlap)


def test_none_is_said_too():
    kept, overlap = without(turns(OTHER), Asked(TEST, [QUESTION]), drop=True)
    assert len(kept) == 1 and str(overlap) == "overlap: none of 1 rows asks what the evaluation asks"


def test_a_passage_is_found_wherever_it_stands_and_a_part_of_it_is_not():
    asked = Asked([], [QUESTION])
    in_answer = Turn("1", "Copy.", f"Here: {PASSAGE.upper().replace(' ', '  ')}")
    assert asked.kind(in_answer)[0] == "reading"
    assert asked.kind(Turn("1", "Copy.", PASSAGE[:-20]))[0] is None
    assert Asked([], []).kind(in_answer)[0] is None


def test_a_passage_is_found_whatever_numbers_stand_around_it():
    """Texts that differ in their numbers alone are judged once, and each is then looked at for itself."""
    passages = ["Built in 1872, it has 2 piers, 30 lamps", "10 lamps stand on 2 piers since 1872 ..."]
    asked = Asked([], [Question("q", passages[0], passages[1], ("a",))])
    inner, random = [fold(text) for text in passages], Random(3)
    seen = set()
    for _ in range(3000):
        text = random.choice(passages)
        for _ in range(random.choice([0, 0, 0, 1, 2])):
            at = random.randrange(len(text))
            text = text[:at] + random.choice("0123456789 ,１x") + text[at + random.randint(0, 1) :]
        text = random.choice(["", "7", "a1 ", "12,"]) + text + random.choice(["", "8", " 9"])
        found = asked.kind(Turn("1", "Copy.", text))[0] == "reading"
        assert found == any(one in fold(f"Copy.\n{text}") for one in inner), text
        seen.add(found)
    assert seen == {True, False}


@pytest.fixture
def prepared(tmp_path, stage, params, write_lines):
    """Run the stage on conversations: it returns what it did, its metrics, if any, and the MindRecord."""
    base, profile = tmp_path / "base", tmp_path / "profile"
    base.mkdir()
    profile.mkdir()
    save(of_bytes(BOS, EOS, PAD), {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}, base)
    prompt = {"seq_length": 256, "template": "bare", "bos": True}
    (profile / "prompt.yaml").write_text(yaml.safe_dump(prompt))
    test = write_lines(tmp_path / "test.jsonl", *({"problem": text} for text in TEST))

    def run(rows, **inputs):
        talk = tmp_path / "talk.json"
        pairs = [
            [{"from": "human", "value": row.problem}, {"from": "gpt", "value": row.solution}] for row in rows
        ]
        talk.write_text(
            json.dumps([{"id": str(n), "conversations": pair} for n, pair in enumerate(pairs, 1)]),
            encoding="utf-8",
        )
        out, metrics = tmp_path / "out" / "train.mindrecord", tmp_path / "out" / "mindrecord.json"
        done = stage(
            "mindrecord", "--profile", profile, "--base", base, "--conversations", talk, "--test", test,
            "--squad", "data/reading/reading-v1.1.json", "--out", out, "--metrics", metrics,
            "--params", params(inputs=inputs),
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done, json.loads(metrics.read_text()) if metrics.is_file() else None, out

    return run


@pytest.mark.parametrize(("overlap", "written"), [("drop", 1), ("keep", 4)])
def test_the_stage_says_counts_and_leaves_out(prepared, overlap, written):
    done, figures, _ = prepared(turns(EXACT, SWAPPED, SPELLED, OTHER), overlap=overlap)
    assert done.returncode == 0, done.stderr
    assert (
        "overlap: 3 of 4 rows ask what the evaluation asks (1 exact, 2 variant, 0 reading; 2 of"
        in done.stderr
    )
    assert (figures["rows"], figures["written"], figures["overlap_left_out"]) == (4, written, 4 - written)
    assert figures["overlap_exact"] == 1 and figures["overlap_variant"] == 2


def test_nothing_is_known_of_a_mindrecord_of_ones_own(prepared):
    done, figures, _ = prepared(turns(EXACT, OTHER), mindrecord="data/mine.mindrecord")
    assert done.returncode == 0, done.stderr
    assert (
        "overlap: not known, inputs.mindrecord is data/mine.mindrecord, whose rows are tokens" in done.stderr
    )
    assert not [key for key in figures if key.startswith("overlap")]


def test_nothing_left_to_train_on_is_an_error(prepared):
    done, figures, out = prepared(turns(EXACT, SWAPPED))
    assert done.returncode == 1 and figures is None and not out.exists()
    assert (
        "talk.json: all 2 rows ask what the evaluation asks, expected other rows"
        in done.stderr.splitlines()[-1]
    )


def long_rows(count, long):
    return [
        Turn(str(n), f"计算 {n}.00 的平方根？", "答" * (100 if n <= long else 1))
        for n in range(10, count + 10)
    ]


@pytest.mark.parametrize(
    ("rows", "long", "stops"), [(200, 180, True), (20, 4, True), (20, 3, False), (500, 5, False)]
)
def test_a_run_that_would_lose_more_than_a_few_rows_stops(prepared, rows, long, stops):
    done, figures, out = prepared(long_rows(rows, long + 9))
    assert done.returncode == stops, done.stderr
    if not stops:
        assert (figures["written"], figures["too_long"]) == (rows - long, long) and out.is_file()
        return
    longest = len("计算 100.00 的平方根？\n".encode()) + 300 + 2 - (long < 90)
    line = done.stderr.splitlines()[-1]
    assert f"talk.json: {long} of {rows} rows are longer than 257 tokens, row " in line
    assert (
        f"the longest with {longest}, expected at most 1% of them; raise abacus.prompt.seq_length in the profile to {longest - 1}"
        in line
    )
    assert figures is None and not out.exists()


def test_the_short_way_finds_what_the_keys_do():
    """Problems of every kind with few different operands, so that many ask the same in another order or spelling."""
    random = Random(4)
    drawn = [category.text(category.draw(random)) for category in CATEGORIES for _ in range(60)]
    small = [f"计算 {a}.00 {op} {b}.50 等于多少？" for a in range(3) for op in "+-*/" for b in range(3)]
    every = [*drawn, *small, *(text.replace("？", "?") for text in small), f"{small[0]}{small[5]}"]
    asked = Asked([*drawn[::3], *small[::3]])
    found = [asked.kind(Turn("1", text, "答"))[1] for text in every]
    assert found == [keys(text) & asked.keys for text in every]
    assert 0 < sum(map(bool, found)) < len(found)
