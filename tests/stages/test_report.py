"""The comparison of checkpoints: gate, best choice, the contest's figures, the table."""

import csv
import json

import pytest

from abacus.core.errors import InputError
from abacus.scoring import questions
from abacus.scoring.summary import choose, final_score, passes, read_metrics, summarise, write_table
from abacus.scoring.tables import aligned, categories, differences, printed, table
from tests.scores import checkpoint, nothing_else, write_answers

BASE = checkpoint(
    step=0,
    squad_f1=70.0,
    squad_em=55.0,
    mindformers_f1=59.87023775108988,
    mindformers_em=44.17029511369134,
    answer_nll=1.25,
    math_strict=10.0,
    math_tolerant=12.0,
    math_nll=2.5,
)
SIZES = {"trainable_parameters": 3_407_872, "base_parameters": 8_030_261_248}
LAST = BASE | {"mindformers_f1": 58.4921336310527, "mindformers_em": 43.29946782776972, "math_strict": 36.44}


def test_the_gate_is_the_published_one():
    summary = summarised({0: BASE, 1: LAST})
    digits = [f"{summary[key]:.16g}" for key in ("gate_f1", "gate_em")]
    assert digits == ["53.88321397598089", "39.75326560232221"]


@pytest.mark.parametrize(
    ("f1", "em", "passed"),
    [
        (58.4921336310527, 43.29946782776972, True),
        (53.8832139759809, 39.7532656023223, True),
        (53.8832139759808, 44.0, False),
        (59.0, 39.7532656023221, False),
    ],
)
def test_both_scores_must_pass(f1, em, passed):
    assert passes({"mindformers_f1": f1, "mindformers_em": em}, BASE) is passed


def test_the_reference_run_gets_its_final_score():
    assert final_score(3_407_872 / 8.03e9, 0.3644) == pytest.approx(0.554952682, abs=5e-10)
    assert final_score(3_407_872 / 8.03e9, 0.64) == pytest.approx(0.747873, abs=5e-7)
    summary = summarised({0: BASE, 5: LAST})
    assert summary["ratio_of_8_03e9"] == 0.00042439252801992525
    assert summary["ratio_of_base"] == 3_407_872 / 8_030_261_248
    assert summary["final_score_strict"] == pytest.approx(0.554952682, abs=5e-10)


def summarised(metrics, outcomes=None):
    return summarise(metrics, choose(metrics), SIZES, outcomes or {number: {} for number in metrics})


def best(*checkpoints):
    return summarised({0: BASE, **dict(enumerate(checkpoints, 1))})


def test_the_best_is_the_most_accurate_that_passes():
    low = {"mindformers_f1": 50.0}
    summary = best(LAST | {"math_strict": 30.0}, LAST, LAST | {"math_strict": 90.0} | low)
    assert (summary["best_checkpoint"], summary["gate_passed"], summary["math_strict"]) == (2, True, 36.44)


def test_if_none_passes_the_best_is_the_most_accurate():
    low = {"mindformers_em": 1.0}
    summary = best(LAST | low, LAST | {"math_strict": 90.0} | low)
    assert (summary["best_checkpoint"], summary["gate_passed"]) == (2, False)


@pytest.mark.parametrize(
    ("changes", "chosen"),
    [
        (({}, {}), 1),  # all equal: the earlier one
        (({}, {"math_tolerant": 50.0}), 2),
        (({}, {"math_nll": 2.4}), 2),
        (({"math_tolerant": 20.0}, {"math_nll": 1.0}), 1),
        (({"math_strict": 36.5}, {"math_tolerant": 99.0}), 1),
    ],
)
def test_ties_are_broken_by_the_finer_measure(changes, chosen):
    assert best(*(LAST | change for change in changes))["best_checkpoint"] == chosen


def test_the_base_is_never_the_best():
    assert best(LAST | {"math_strict": 0.0})["best_checkpoint"] == 1


def test_a_base_alone_is_no_comparison():
    with pytest.raises(InputError, match="no checkpoint but the base model's has been evaluated"):
        choose({0: BASE})


def test_the_table_shows_every_checkpoint():
    rows = table({0: BASE, 1: LAST, 2: LAST | {"mindformers_f1": 0.0}})
    assert [row[0] for row in rows] == ["checkpoint", "0", "1", "2"]
    assert [row[-1] for row in rows] == ["gate", "base", "passed", "missed"]
    assert rows[1][1:-1] == [
        *("0", "10.00 [9.0, 11.0]", "12.00 [11.0, 13.0]", "59.87 [58.9, 60.9]", "44.17 [43.2, 45.2]"),
    ]


def test_the_best_and_the_last_are_compared_with_the_base(tmp_path):
    outcomes = questions.read_all(write_answers(tmp_path, (0, 2, 7, 8), 10), [0, 2, 7, 8])
    rows = differences(outcomes, 2)
    assert [row[:2] for row in rows[1:]] == [
        *(["2 (best)", title] for title in ("math strict", "math tolerant", "SQuAD EM", "MF EM")),
        *(["8 (last)", title] for title in ("math strict", "math tolerant", "SQuAD EM", "MF EM")),
    ]
    assert rows[1][2:] == ["10", "0.00", "20.00", "2", "0", "0.500", "not distinguishable"]
    assert rows[5][2:] == ["10", "0.00", "80.00", "8", "0", "0.008", "better"]
    assert rows[8][2:] == ["1", "100.00", "100.00", "0", "0", "1.000", "not distinguishable"]
    assert {row[0] for row in differences(outcomes, 8)[1:]} == {"8 (best, last)"}
    summary = summarised({0: BASE, 1: LAST, 2: BASE}, {0: outcomes[0], 1: outcomes[8], 2: outcomes[2]})
    assert summary["math_strict_p"] == summary["math_tolerant_p"] == pytest.approx(2 / 2**8)
    assert (summary["last_checkpoint"], summary["last_math_strict"]) == (2, 10.0)
    assert (summary["last_math_strict_low"], summary["last_math_strict_high"]) == (9.0, 11.0)
    assert summary["last_math_strict_p"] == 0.5
    assert all(isinstance(value, int | float) for value in summary.values())


def test_the_best_stands_beside_the_base_by_category(tmp_path):
    outcomes = questions.read_all(write_answers(tmp_path, (0, 4), 20), [0, 4])
    assert categories(outcomes[0], outcomes[4], 4) == [
        ["category", "problems", "base, math strict", "checkpoint 4"],
        ["root", "20", "0.00 [0.0, 16.1]", "20.00 [8.1, 41.6]"],
    ]


def test_a_table_is_aligned_markdown():
    assert aligned([["a", "long"], ["100", "2"]]) == "|   a | long |\n|----:|-----:|\n| 100 |    2 |"


def test_the_csv_holds_every_metric_and_a_blank_where_there_is_none(tmp_path):
    path = tmp_path / "checkpoints.csv"
    write_table(path, {0: BASE, 1: LAST | {"math_strict_mass": 50.0}})
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["checkpoint"] for row in rows] == ["0", "1"]
    assert [row["math_strict_mass"] for row in rows] == ["", "50.0"]
    assert float(rows[1]["mindformers_f1"]) == LAST["mindformers_f1"]


def answers(folder):
    """Predictions, as far as the report reads them."""
    for number in range(3):
        place = folder / "predictions" / str(number)
        place.mkdir(parents=True)
        (place / "about.json").write_text(json.dumps(SIZES | {"step": number}), encoding="utf-8")
    return folder / "predictions"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "metrics"
    folder.mkdir()
    for number in (0, 1, 2, 10):
        content = json.dumps(BASE if number == 0 else LAST | {"step": number})
        (folder / f"{number}.json").write_text(content)
    return folder


def test_checkpoints_are_read_in_the_order_of_their_numbers(folder):
    (folder / "x.json").write_text("no")
    (folder / "1.json").write_text("no")
    (folder / "prepare.json").write_text("no")
    assert list(read_metrics(folder, [0, 2, 10])) == [0, 2, 10]
    assert list(read_metrics(folder, [0, 2])) == [0, 2], "a file that was not asked for does not count"


def test_checkpoints_that_were_asked_otherwise_are_refused(folder):
    for number, count in ((1, 4), (2, 5)):
        (folder / f"{number}.json").write_text(json.dumps(LAST | {"math_problems": count}), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"2\.json: math_problems is 5, expected 4 as in the others; `make eval`"
    ):
        read_metrics(folder, [0, 1, 2])


def test_checkpoints_that_were_asked_by_another_prompt_are_refused(folder):
    for number, prompt in ((1, "contest"), (2, "one_shot")):
        (folder / f"{number}.json").write_text(
            json.dumps(LAST | {"reading_prompt": prompt}), encoding="utf-8"
        )
    with pytest.raises(InputError, match=r"2\.json: reading_prompt is one_shot, expected contest as in the"):
        read_metrics(folder, [1, 2])


def test_the_stage_writes_what_is_printed(stage, params, folder, tmp_path):
    summary, out = tmp_path / "summary.json", tmp_path / "checkpoints.csv"
    three = params(checkpoints=[0, 1, 2])
    each = write_answers(tmp_path / "each", range(3))
    places = ("--metrics", folder, "--answers", each, "--predictions", answers(tmp_path))
    page = tmp_path / "page.html"
    to = ("--summary", summary, "--table", out, "--page", page, *nothing_else(tmp_path))
    done = stage("report", *places, *to, "--params", three)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    outcomes = questions.read_all(each, [0, 1, 2])
    assert json.loads(summary.read_text()) == summarised(read_metrics(folder, [0, 1, 2]), outcomes)
    assert out.read_text().startswith("checkpoint,step,")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    said = printed([0, 1, 2], folder, each)
    assert said.endswith("best: checkpoint 1, which passes the gate (F1 >= 53.88, EM >= 39.75)")
    assert said.count("\n\n|") == 4


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("0.json", None, "0.json: no such file, expected a checkpoint's metrics"),
        ("2.json", b'{"step": 5', "2.json, line 1: not JSON (Expecting"),
        ("2.json", b"", "2.json, line 1: not JSON (Expecting"),
        ("2.json", b"\xff", "2.json, line 1: byte 1 is not UTF-8"),
        ("2.json", b"[]", "2.json: found a JSON array"),
        (
            "2.json",
            json.dumps(LAST | {"math_nll": float("nan")}).encode(),
            "2.json: math_nll is nan, expected a number from -1000000000000000 to 1",
        ),
        (
            "2.json",
            json.dumps(LAST | {"step": 10**400}).encode(),
            "2.json: step is 1000",
        ),
        ("2.json", b'{"step": 5}', "no number for answer_nll, math_digits, math_digits_high, "),
    ],
)
def test_half_written_metrics_are_named(stage, error_line, params, folder, tmp_path, name, content, message):
    summary = tmp_path / "summary.json"
    summary.write_bytes(b"old")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    words = (
        "--summary",
        summary,
        "--table",
        tmp_path / "table.csv",
        "--params",
        params(checkpoints=[0, 1, 2]),
        "--page",
        tmp_path / "page.html",
        *nothing_else(tmp_path),
    )
    each = write_answers(tmp_path / "each", range(3))
    places = ("--metrics", folder, "--answers", each, "--predictions", answers(tmp_path))
    done = stage("report", *places, *words)
    line = error_line(done)
    assert line.startswith(str(folder)) and message in line
    assert summary.read_bytes() == b"old"


def test_all_outputs_are_new_or_all_are_old(stage, error_line, params, tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.json").write_text(json.dumps(BASE), encoding="utf-8")
    (tmp_path / "summary.json").write_bytes(b"old")
    (tmp_path / "table.csv").mkdir()
    words = ("--summary", tmp_path / "summary.json", "--table", tmp_path / "table.csv")
    words += ("--page", tmp_path / "page.html", *nothing_else(tmp_path))
    two = params(checkpoints=[0, 1])
    places = ("--metrics", tmp_path, "--answers", write_answers(tmp_path / "each", range(2)))
    line = error_line(stage("report", *places, "--predictions", answers(tmp_path), *words, "--params", two))
    assert line == f"{tmp_path / 'table.csv'}: is a folder, expected a file to write"
    assert (tmp_path / "summary.json").read_bytes() == b"old"
