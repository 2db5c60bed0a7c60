"""Others' answers: matched to the test's questions, scored as ours are, and what is wrong with a file in one line."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from abacus.core.errors import InputError
from abacus.data.rows import Row
from abacus.others import scored
from abacus.others.asked import Test as Questions
from abacus.others.asked import read_given, read_test
from abacus.problems.categories import CATEGORIES
from abacus.problems.recipe import Recipe
from abacus.problems.workings import recognise, working
from abacus.scoring import questions
from abacus.scoring.metrics import METRICS
from tests.stages.test_evaluate import perfect
from tests.workspace import ROOT

RECIPE = Recipe(workings="reference", decimals=4)
READ = [
    ("a", "Where?", ["here", "just here"]),
    ("b", "Who?", ["Ada"]),
    ("c", "Who?", ["Bo"]),
    ("d", "When?", ["now"]),
]


@pytest.fixture(scope="module")
def test_set(tmp_path_factory) -> Questions:
    """22 held-out problems of which 20 are asked, and four reading questions of which all are."""
    folder = tmp_path_factory.mktemp("asked")
    rows = [
        {"problem": one["question"], "solution": recognise(one["question"]).published}
        for one in perfect("reference", 4, count=2)
    ]
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "test.jsonl").write_text("".join(lines), encoding="utf-8")
    paragraphs = [
        {"context": "c", "qas": [{"id": key, "question": q, "answers": [{"text": t} for t in texts]}]}
        for key, q, texts in READ
    ]
    (folder / "read.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["predict"] |= {"squad": str(folder / "read.json"), "math_limit": 20}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return read_test(folder / "params.yaml", folder / "test.jsonl")


def right(test: Questions) -> list[dict]:
    """The right answer to every question, as somebody may write them: text or id, a key more, one cut."""
    rows = [
        {"question": row.problem, "completion": working(recognise(row.problem), "reference", 4), "model": "x"}
        for row in test.math
    ]
    return rows + [{"id": one.id, "completion": f" {one.answers[0]}\nmore"} for one in test.reading]


def written(path: Path, rows: list) -> Path:
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def scores(path: Path, test: Questions, partial: bool = False) -> dict:
    return scored.score(test, read_given(path, test), RECIPE, partial)[1]


def test_the_test_is_what_stage_predict_asks(test_set):
    assert (len(test_set.math), len(test_set.reading), len(test_set.left_out)) == (20, 4, 2)
    asked = list(test_set.questions())
    assert asked[0] == {"question": test_set.math[0].problem}
    assert asked[20] == {"id": "a", "context": "c", "question": "Where?"}


def test_right_answers_in_any_order_score_in_full(test_set, tmp_path):
    found = scores(written(tmp_path / "x.jsonl", right(test_set)[::-1]), test_set)
    whole = {metric.name for metric in METRICS if metric.unit == "%"}
    assert {name: found[name] for name in whole} == dict.fromkeys(whole, 100.0)
    assert (found["math_answered"], found["math_asked"]) == (20, 20)
    assert (found["squad_answered"], found["squad_asked"]) == (4, 4)
    assert not {"math_nll", "answer_nll", "step"} & found.keys(), "nobody has said them"
    for metric in METRICS:
        assert all(end in found for end in metric.bounds)


def test_what_has_no_answer_is_wrong_or_left_out_and_said(test_set, tmp_path):
    path = written(tmp_path / "x.jsonl", right(test_set)[:5])
    found, part = scores(path, test_set), scores(path, test_set, partial=True)
    assert (found["math_strict"], found["math_problems"], found["math_answered"]) == (25.0, 20, 5)
    assert (part["math_strict"], part["math_problems"], part["math_answered"]) == (100.0, 5, 5)
    assert part["math_strict_low"] < found["math_strict_low"] + 100
    assert "squad_f1" not in found, "no reading question was answered"
    given = read_given(path, test_set)
    assert scored.answered(given, test_set, False) == [
        "5 of 20 problems answered; the other 15 count as wrong; PARTIAL=1 leaves them out",
        "0 of 4 reading questions answered; they are not scored",
    ]
    assert "the other 15 are left out (PARTIAL=1)" in scored.answered(given, test_set, True)[0]


def test_what_was_cut_is_no_answer(test_set, tmp_path):
    rows = [row | {"ended": False} for row in right(test_set)]
    found = scores(written(tmp_path / "x.jsonl", rows), test_set)
    assert (found["math_strict"], found["squad_em"]) == (0.0, 100.0)


def test_answers_to_what_the_limits_leave_out_are_counted(test_set, tmp_path):
    rows = [{"question": text, "completion": "1"} for text in test_set.left_out]
    given = read_given(written(tmp_path / "x.jsonl", [*right(test_set), *rows]), test_set)
    assert given.left_out == 2 and len(given.math) == 20
    assert "2 answers to questions that the limits of params.yaml leave out" in scored.answered(
        given, test_set, False
    )


def test_a_file_of_nothing_but_what_the_limits_leave_out_is_one_line(test_set, tmp_path):
    rows = [{"question": text, "completion": "1"} for text in test_set.left_out]
    said = (
        r"all 2 answers are to questions that the limits of params.yaml leave out, expected some to the 20 pr"
    )
    with pytest.raises(InputError, match=said):
        read_given(written(tmp_path / "x.jsonl", rows), test_set)


def test_a_text_is_another_passage_s_too_where_the_limits_leave_that_out(test_set, tmp_path):
    """`Who?` is asked of b, and would be of c."""
    asked = test_set._replace(reading=[one for one in test_set.reading if one.id != "c"])
    asked = asked._replace(left_out=test_set.left_out | {"c"})
    path = written(tmp_path / "x.jsonl", [{"question": "Who?", "completion": "Bo"}])
    with pytest.raises(InputError, match=r"line 1: 2 passages are asked 'Who\?', expected its id"):
        read_given(path, asked)
    path = written(tmp_path / "y.jsonl", [{"id": one, "question": "Who?", "completion": "x"} for one in "bc"])
    assert (list(read_given(path, asked).reading), read_given(path, asked).left_out) == (["b"], 1)
    neither = asked._replace(reading=asked.reading[:1], left_out=asked.left_out | {"b", "Who?"})
    rows = [{"question": "Who?", "completion": "Bo"}, {"id": "a", "completion": "here"}]
    assert read_given(written(tmp_path / "z.jsonl", rows), neither).left_out == 1


def test_a_reading_question_may_be_named_by_its_text_and_a_problem_as_predict_names_it(test_set, tmp_path):
    rows = [
        {"question": "When?", "completion": "now"},
        {"problem": test_set.math[3].problem, "completion": "1"},
    ]
    given = read_given(written(tmp_path / "x.jsonl", rows), test_set)
    assert given.reading == {"d": {"completion": "now", "ended": True}}
    assert list(given.math) == [test_set.math[3].problem]
    own = [
        {**rows[1], "id": "17"},
        {**rows[0], "id": "18"},
        {"id": "b", "question": "Who?", "completion": "x"},
    ]
    found = read_given(written(tmp_path / "y.jsonl", own), test_set)
    assert (found.math, list(found.reading)) == (given.math, ["d", "b"]), "an id of their own does no harm"


A = {"id": "a", "completion": "here"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([A, A], "line 2: answers what line 1 answers: 'a', expected one answer each"),
        ([A, {"question": "Where?", "completion": "x"}], "line 2: answers what line 1 answers: 'Where?'"),
        ([A, {"id": "z", "completion": "x"}], "line 2: id 'z' is none of the test's, expected one of 20 problems and 4"),
        ([{"question": "1 + 1", "completion": "2"}], "line 1: question '1 + 1' is none of the test's, expected"),
        ([A, {"question": "Who?", "completion": "x"}], "line 2: 2 passages are asked 'Who?', expected its id"),
        ([A, "{"], "line 2: not JSON (Expecting property name"),
        ([A, "[1]"], "line 2: not a JSON object: [1]"),
        ([A, ""], "line 2: the line is blank, expected a JSON object"),
        ([{"completion": "x"}], 'line 1: key \'question\' is missing: {"completion": "x"}, expected JSON Lines of'),
        ([{"id": "a", "compltion": "x"}], "line 1: key 'completion' is missing: {"),
        ([A | {"completion": None}], "line 1: 'completion' is None, expected text"),
        ([A | {"ended": 1}], "line 1: 'ended' is 1, expected true or false"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_named_with_its_line(test_set, tmp_path, rows, said):
    with pytest.raises(InputError) as error:
        read_given(written(tmp_path / "x.jsonl", rows), test_set)
    text = str(error.value)
    assert text.startswith(f"{tmp_path / 'x.jsonl'}, line ") and said in text and "\n" not in text


def test_it_is_written_and_printed_beside_ours(test_set, tmp_path):
    given = read_given(written(tmp_path / "x.jsonl", right(test_set)), test_set)
    answers, found = scored.score(test_set, given, RECIPE, False)
    to = scored.places("x", tmp_path / "others")
    scored.write(to, answers, found | {scored.SOURCE: "x.jsonl"})
    assert json.loads(to.scores.read_text())["math_strict"] == 100
    theirs = questions.read(to.answers)
    assert len(theirs) == 24 and all(all(one.right.values()) for one in theirs.values())
    wrong = {key: one._replace(right=dict.fromkeys(one.right, False)) for key, one in theirs.items()}
    base = {name: 0.0 if isinstance(value, float) else value for name, value in found.items()}
    ours = scored.Ours({0: base | {"step": 0, "math_nll": 1.5, "answer_nll": 2.5}}, {0: wrong})
    text = scored.printed("x", found, theirs, ours)
    rows = [line.split("|") for line in text.splitlines() if line.startswith("|")]
    assert ["x", "-", "100.00 [83.9, 100.0]"] in [[cell.strip() for cell in row[1:4]] for row in rows]
    assert "x against 0" in text and "better" in text
    heads = [[cell.strip() for cell in row] for row in rows if row[1].strip() == "category"]
    assert [head[2:5] for head in heads] == [["problems", "base, math strict", "x"]], "it is no checkpoint"
    assert all(category.name in text for category in CATEGORIES)
    alone = scored.printed("x", found, theirs, scored.Ours({}, {}))
    assert "against" not in alone and "100.00 [83.9, 100.0]" in alone
    scored.check_free(to, "x.jsonl", replace=False)
    scored.check_free(to, "y.jsonl", replace=True)
    with pytest.raises(
        InputError, match=r"x.json: has the scores of x.jsonl, expected another NAME, or REPLACE=1"
    ):
        scored.check_free(to, "y.jsonl", replace=False)


@pytest.mark.parametrize(
    ("key", "said"), [("endd", "line 1: 'endd' is not a known key, expected 'ended'"), ("note", "")]
)
def test_a_key_near_one_that_is_read_is_refused_and_any_other_is_not(tmp_path, key, said):
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps({"question": "q", "completion": "a", key: False}), encoding="utf-8")
    test = Questions([Row(1, "q", "")], [], frozenset(), Counter())
    if said:
        with pytest.raises(InputError, match=said):
            read_given(path, test)
    else:
        assert read_given(path, test).math["q"]["ended"]
