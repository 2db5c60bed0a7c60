"""Scores of one checkpoint: perfect and imperfect answers, counts, and what the file says."""

import json
from random import Random
from statistics import fmean

import pytest

from abacus.core.errors import InputError
from abacus.problems.categories import CATEGORIES
from abacus.problems.recipe import Recipe
from abacus.problems.workings import RECIPES, recognise, working
from abacus.scoring import questions
from abacus.scoring.checkpoint import first_line, judge
from abacus.scoring.metrics import by_category, percent

SUM = "计算 1 + 2 等于多少？"
ABOUT = {"step": 30, "trainable_parameters": 460_800, "base_parameters": 134_515_008}


def prediction(question, completion, **more):
    return {
        "question": question,
        "completion": completion,
        "ended": True,
        "reference_nll": 6.0,
        "reference_tokens": 4,
        **more,
    }


def reading(completion, *references):
    return prediction("Who?", completion, reference=references[0], references=list(references))


def perfect(recipe, decimals, count=5):
    random = Random(1)
    problems = [category.draw(random) for category in CATEGORIES for _ in range(count)]
    return [
        prediction(problem.category.text(problem), working(problem, recipe, decimals)) for problem in problems
    ]


REFERENCE = Recipe(workings="reference", decimals=4)
NAMES = [category.name for category in CATEGORIES]


def tolerant(*predictions):
    """Tolerant accuracy of answers to problems, in percent."""
    return fmean(percent(one.tolerant for one in judge(list(predictions), REFERENCE)))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("decimals", [0, 2, 4])
def test_perfect_completions_score_in_full_in_every_category(recipe, decimals):
    judged = judge(perfect(recipe, decimals), Recipe(workings=recipe, decimals=decimals))
    assert {one.graded for one in judged} == {(True, True, True, 1.0)}
    rows = by_category(judged, NAMES)
    assert [row["category"] for row in rows] == NAMES
    assert {(row["math_problems"], row["math_strict"], row["math_tolerant"]) for row in rows} == {
        (5, 100.0, 100.0)
    }


def test_the_question_is_not_searched_for_the_answer():
    problem = recognise("计算 5.00 + 0.00 等于多少？")
    assert tolerant(prediction(problem.category.text(problem), "")) == 0


def test_an_answer_that_was_cut_is_none():
    assert tolerant(prediction("解方程 9x + -45 = 0", "x = 5")) == 100
    assert tolerant(prediction("解方程 9x + -45 = 0", "x = 5", ended=False)) == 0


def test_a_math_question_of_no_category_is_an_error():
    with pytest.raises(InputError, match=r"^math.jsonl, line 1: the question is of no category: 你好$"):
        judge([prediction("你好", "1")], REFERENCE)


@pytest.mark.parametrize(
    ("completion", "line"),
    [("a\nb", "a"), ("\n\n a \nb", "a"), ("", ""), ("  ", ""), ("a\r\nb", "a"), ("a b", "a b")],
)
def test_only_the_first_line_is_read(completion, line):
    assert first_line(completion) == line


@pytest.fixture
def folder(tmp_path, write_lines):
    folder = tmp_path / "predictions"
    folder.mkdir()
    (folder / "about.json").write_text(json.dumps(ABOUT))
    write_lines(folder / "math.jsonl", *perfect("reference", 4))
    write_lines(folder / "squad.jsonl", reading("Denver", "Denver"))
    return folder


def test_the_command_writes_one_flat_file(stage, params, folder, tmp_path):
    recipe = params(prepare={"workings": "reference", "decimals": 4})
    out, categories = tmp_path / "metrics" / "1.json", tmp_path / "metrics" / "1.csv"
    each = tmp_path / "metrics" / "each.csv"
    words = ("--out", out, "--categories", categories, "--answers", each, "--params", recipe)
    done = stage("evaluate", "--predictions", folder, *words)
    assert (done.returncode, done.stderr) == (0, "")
    scores = json.loads(out.read_text())
    assert scores["step"] == ABOUT["step"]
    assert len(categories.read_text(encoding="utf-8").splitlines()) == 1 + len(NAMES)
    assert scores["math_strict"] == scores["squad_f1"] == scores["mindformers_em"] == 100.0
    assert scores.pop("reading_prompt") == "contest"
    assert all(isinstance(value, int | float) for value in scores.values())
    outcomes = questions.read(each)
    assert len(outcomes) == scores["math_problems"] + scores["squad_questions"]
    assert all(set(outcome.right.values()) == {True} for outcome in outcomes.values())
    assert {outcome.category for outcome in outcomes.values()} == {*NAMES, "reading"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("about.json", None, "no such file, expected what predict says of the answers"),
        ("about.json", "{", "Expecting property name"),
        ("about.json", json.dumps(ABOUT | {"step": "5"}), "step is '5' (text), expected a whole number"),
        (
            "math.jsonl",
            json.dumps(prediction("a", "b") | {"reference_nll": float("nan")}),
            "line 1: 'reference_nll' is NaN",
        ),
        (
            "math.jsonl",
            json.dumps(prediction("a", "b")).replace("6.0", "1e9999"),
            "'reference_nll' is Infinity, expected a f",
        ),
        (
            "math.jsonl",
            json.dumps(prediction("a", "b") | {"reference_tokens": 10**400}),
            "'reference_tokens' is 1000",
        ),
        ("math.jsonl", json.dumps(prediction("a", "b") | {"ended": 1}), "line 1: 'ended' is 1, as predict"),
        ("squad.jsonl", json.dumps(reading("a", "b") | {"references": 5}), "line 1: 'references' is 5"),
        (
            "math.jsonl",
            f"{json.dumps(prediction(SUM, '3'))}\n{json.dumps(prediction(SUM, '4'))}\n",
            f"line 2: asks what line 1 asks: {SUM}, expected it once",
        ),
        (
            "squad.jsonl",
            "".join(json.dumps(reading("a", "b") | {"id": "x"}) + "\n" for _ in range(2)),
            "line 2: asks what line 1 asks: x",
        ),
        ("about.json", '{"step": 5}', "about.json: trainable_parameters is missing"),
        ("math.jsonl", None, "no such file"),
        ("math.jsonl", "", "the file is empty, expected JSON Lines"),
        ("math.jsonl", '{"question": "', "line 1: not JSON (Unterminated string starting at character 14)"),
        ("math.jsonl", '{"question": "a"}', "line 1: key 'completion' is missing"),
        ("squad.jsonl", json.dumps(prediction("a", "b")), "line 1: key 'reference' is missing"),
        ("squad.jsonl", json.dumps(prediction("a", 5)), "line 1: 'completion' is 5"),
    ],
)
def test_a_half_written_prediction_is_named(
    stage, error_line, params, folder, tmp_path, name, content, message
):
    recipe, out = params(), tmp_path / "1.json"
    out.write_bytes(b"old")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content, encoding="utf-8")
    beside = ("--categories", tmp_path / "1.csv", "--answers", tmp_path / "each.csv")
    words = ("--out", out, *beside, "--params", recipe)
    line = error_line(stage("evaluate", "--predictions", folder, *words))
    assert line.startswith(str(folder / name)) and message in line
    assert out.read_bytes() == b"old"
