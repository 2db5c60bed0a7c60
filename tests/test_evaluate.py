"""Scores of one checkpoint: perfect and imperfect answers, counts, and what the file says."""

import json
from random import Random

import pytest

from stages.command import InputError
from stages.evaluate import Recipe, first_line, per_token, score_math, score_reading
from stages.problems.categories import CATEGORIES
from stages.problems.workings import RECIPES, recognise, working

ABOUT = {"step": 30, "trainable_parameters": 460_800, "base_parameters": 134_515_008}


def prediction(question, completion, **more):
    return {
        "question": question,
        "completion": completion,
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


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("decimals", [0, 2, 4])
def test_perfect_completions_score_in_full_in_every_category(recipe, decimals):
    scores = score_math(perfect(recipe, decimals), Recipe(recipe, decimals))
    accuracies = {key: value for key, value in scores.items() if "strict" in key or "tolerant" in key}
    assert len(accuracies) == 2 + 2 * len(CATEGORIES)
    assert set(accuracies.values()) == {100.0}
    assert scores["math_problems"] == 5 * len(CATEGORIES)
    assert scores["math_problems_fraction"] == 5


def test_scores_are_percentages_in_all_and_by_category():
    predictions = [
        prediction("解方程 9x + -45 = 0", "x = 5"),
        prediction("解方程 9x + -44 = 0", "x = 4.89"),
        prediction("解方程 9x + -43 = 0", ""),
        prediction("将分数 6/8 进行简化。", "3/4"),
    ]
    assert score_math(predictions, Recipe("reference", 4)) == {
        "math_strict": 50.0,
        "math_tolerant": 75.0,
        "math_nll": 1.5,
        "math_problems": 4,
        "math_strict_equation": pytest.approx(100 / 3),
        "math_tolerant_equation": pytest.approx(200 / 3),
        "math_problems_equation": 3,
        "math_strict_fraction": 100.0,
        "math_tolerant_fraction": 100.0,
        "math_problems_fraction": 1,
    }


def test_the_question_is_not_searched_for_the_answer():
    problem = recognise("计算 5.00 + 0.00 等于多少？")
    predictions = [prediction(problem.category.text(problem), "")]
    assert score_math(predictions, Recipe("reference", 4))["math_tolerant"] == 0


def test_a_math_question_of_no_category_is_an_error():
    with pytest.raises(InputError, match=r"^math.jsonl, line 1: the question is of no category: 你好$"):
        score_math([prediction("你好", "1")], Recipe("reference", 4))


def test_reading_is_scored_by_both_definitions():
    predictions = [
        reading("The Denver Broncos\nand more", "Denver Broncos", "Broncos"),
        reading("15 kilometres (9 miles)", "15 kilometres", "9 miles"),
        reading(" \n", "Denver"),
    ]
    scores = score_reading(predictions)
    assert scores["squad_em"] == pytest.approx(100 / 3)  # SQuAD drops the article
    assert scores["mindformers_em"] == 0.0
    assert scores["squad_f1"] == pytest.approx((100 + 200 / 3 + 0) / 3)  # 2 of 4 tokens, 2 of 2
    assert scores["mindformers_f1"] == pytest.approx((75.0 + 50.0 + 0) / 3)
    assert (scores["squad_questions"], scores["squad_empty"], scores["answer_nll"]) == (3, 1, 1.5)


@pytest.mark.parametrize(
    ("completion", "line"),
    [("a\nb", "a"), ("\n\n a \nb", "a"), ("", ""), ("  ", ""), ("a\r\nb", "a"), ("a b", "a b")],
)
def test_only_the_first_line_is_read(completion, line):
    assert first_line(completion) == line


def test_likelihood_is_a_mean_over_tokens_and_not_over_answers():
    rows = [{"reference_nll": 1.0, "reference_tokens": 1}, {"reference_nll": 2.0, "reference_tokens": 5}]
    assert per_token(rows) == 0.5


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
    out = tmp_path / "metrics" / "checkpoint-1.json"
    done = stage("evaluate", "--predictions", folder, "--out", out, "--params", recipe)
    assert (done.returncode, done.stderr) == (0, "")
    scores = json.loads(out.read_text())
    assert scores | ABOUT == scores
    assert scores["math_strict"] == scores["squad_f1"] == scores["mindformers_em"] == 100.0
    assert all(isinstance(value, int | float) for value in scores.values())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("about.json", None, "no such file, expected a JSON object with step, trainable_parameters"),
        ("about.json", "{", "Expecting property name"),
        ("about.json", json.dumps(ABOUT | {"step": "5"}), "expected a JSON object with step"),
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
        ("squad.jsonl", json.dumps(reading("a", "b") | {"references": 5}), "line 1: 'references' is 5"),
        ("about.json", '{"step": 5}', "expected a JSON object with step, trainable_parameters"),
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
    recipe, out = params(), tmp_path / "checkpoint-1.json"
    out.write_bytes(b"old")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content, encoding="utf-8")
    line = error_line(stage("evaluate", "--predictions", folder, "--out", out, "--params", recipe))
    assert line.startswith(str(folder / name)) and message in line
    assert out.read_bytes() == b"old"
