"""The table of metrics: what follows from it (files, columns, plots, their page) has every row of it."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
import yaml

from abacus.core.errors import InputError
from abacus.problems.categories import CATEGORIES
from abacus.problems.recipe import Recipe
from abacus.problems.workings import recognise, working
from abacus.scoring import questions
from abacus.scoring.checkpoint import judge, understand
from abacus.scoring.metrics import BY_CATEGORY, METRICS, PROMPT, Answers, by_category, scores
from abacus.scoring.summary import COLUMNS, FOLDER, choose, summarise
from abacus.scoring.tables import aligned, finer, half, printed, table
from tests.scores import checkpoint, write_answers

ROOT = Path(__file__).parents[2]
RECIPE = Recipe(workings="reference", decimals=4)
NAMES = [category.name for category in CATEGORIES]


def problem(question: str, completion: str) -> dict:
    return {
        "question": question,
        "completion": completion,
        "ended": True,
        "reference_nll": 6.0,
        "reference_tokens": 4,
    }


def reading(completion: str, *references: str) -> dict:
    return problem("Who?", completion) | {"reference": references[0], "references": list(references)}


MATH = [
    problem("解方程 9x + -45 = 0", "计算过程：9x = 45, x = 45 / 9, x = 5"),
    problem("解方程 9x + -44 = 0", "x = 4.89"),
    problem("解方程 9x + -43 = 0", ""),
    problem("将分数 6/8 进行简化。", "3/4"),
]
READING = [
    reading("The Denver Broncos\nand more", "Denver Broncos", "Broncos"),
    reading("15 kilometres (9 miles)", "15 kilometres", "9 miles"),
    reading(" \n", "Denver"),
]
# By hand: 2 of 4 equations strictly right, one more within two decimals, of whose digits 2 of 5 are right (48900 where
# 48889 is taught); SQuAD drops the article, MindFormers does not.
EXPECTED = {
    "step": 20,
    "squad_f1": pytest.approx((100 + 200 / 3 + 0) / 3),
    "squad_em": pytest.approx(100 / 3),
    "mindformers_f1": pytest.approx((75 + 50 + 0) / 3),
    "mindformers_em": 0.0,
    "answer_nll": 1.5,
    "squad_questions": 3,
    "squad_empty": 1,
    "math_strict": 50.0,
    "math_tolerant": 75.0,
    "math_form": 25.0,
    "math_sign": 75.0,
    "math_magnitude": 75.0,
    "math_digits": pytest.approx(60.0),
    "math_nll": 1.5,
    "math_problems": 4,
}
# Wilson's, by its formula; F1 and the share of digits have a bootstrap's, which are tested in test_intervals.py.
SHARES = {
    "squad_em": (6.1492, 79.234),
    "mindformers_em": (0.0, 56.1497),
    "math_strict": (15.0039, 84.9961),
    "math_tolerant": (30.0642, 95.4413),
    "math_form": (4.5587, 69.9358),
    "math_sign": (30.0642, 95.4413),
    "math_magnitude": (30.0642, 95.4413),
}


def answers(math: list[dict] = MATH, read: list[dict] = READING) -> Answers:
    return Answers(20, understand(read), judge(math, RECIPE))


def test_every_metric_is_its_definition():
    found = scores(answers())
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    assert list(EXPECTED) == [metric.name for metric in METRICS] == list(found)[: len(EXPECTED)]
    assert len(EXPECTED) <= 16


def test_every_percentage_has_an_interval():
    found = scores(answers())
    bounds = {metric.name: tuple(found.pop(name) for name in metric.bounds) for metric in METRICS}
    assert found.pop(PROMPT) == "contest"
    assert list(found) == list(EXPECTED)
    assert {name: ends for name, ends in bounds.items() if name in SHARES} == SHARES
    for metric in METRICS:
        assert (metric.unit == "%") == (len(bounds[metric.name]) == 2)
        if metric.unit == "%":
            low, high = bounds[metric.name]
            assert 0 <= low <= found[metric.name] <= high <= 100 and low < high


def test_rows_are_complete():
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.definition
        assert metric.title or metric.unit == "", "what is no count has a column"
        assert metric.better or metric.unit == ""


def test_accuracies_by_category():
    rows = by_category(answers().math, NAMES)
    assert [tuple(row) for row in rows] == [BY_CATEGORY] * 2
    assert [tuple(row.values()) for row in rows] == [
        ("equation", 3, pytest.approx(100 / 3), 6.1492, 79.234, pytest.approx(200 / 3), 20.766, 93.8508),
        ("fraction", 1, 100.0, 20.6549, 100.0, 100.0, 20.6549, 100.0),
    ]


def test_a_perfect_answer_scores_in_full_in_its_category():
    question = "计算 5 + 7 等于多少？"
    found = answers([problem(question, working(recognise(question), "reference", 4))])
    (row,) = by_category(found.math, NAMES)
    assert [row[key] for key in ("category", "math_problems", "math_strict", "math_tolerant")] == [
        *("direct", 1, 100.0, 100.0),
    ]


def test_likelihood_is_a_mean_over_tokens_and_not_over_answers():
    uneven = [
        MATH[0] | {"reference_nll": 1.0, "reference_tokens": 1},
        MATH[1] | {"reference_nll": 2.0, "reference_tokens": 5},
    ]
    assert scores(answers(uneven))["math_nll"] == 0.5
    with pytest.raises(InputError, match="the references of 1 predictions have 0 tokens in all"):
        scores(answers([MATH[0] | {"reference_tokens": 0}]))


def test_the_tables_have_a_column_a_score():
    found = scores(answers())
    rows, others = table({0: found, 1: found}), finer({0: found, 1: found})
    titles = [*rows[0][1:-1], *others[0][1:]]
    assert sorted(titles) == sorted(metric.title for metric in COLUMNS)
    assert rows[0] == ["checkpoint", "step", "math strict", "math tolerant", "MF F1", "MF EM", "gate"]
    f1 = f"41.67 [{found['mindformers_f1_low']:.1f}, {found['mindformers_f1_high']:.1f}]"
    assert rows[2] == [
        "1",
        "20",
        "50.00 [15.0, 85.0]",
        "75.00 [30.1, 95.4]",
        f1,
        "0.00 [0.0, 56.1]",
        "passed",
    ]
    assert others[2] == ["1", "55.56", "33.33", "1.500", "25.00", "75.00", "75.00", "60.00", "1.500"]


def test_the_tables_fit_a_terminal():
    wide = checkpoint() | dict.fromkeys(scores(answers()), 12.34) | {"step": 7810, "answer_nll": 12.345}
    for rows in (table({0: wide, 5: wide}), finer({0: wide, 5: wide})):
        assert max(map(len, aligned(rows).splitlines())) <= 120


def test_every_score_is_plotted():
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    drawn = [
        name
        for plot in plots
        for one in plot.values()
        for name in one.get("y", {}).get("metrics/checkpoints.csv", [])
    ]
    assert sorted(drawn) == sorted(metric.name for metric in METRICS if metric.unit)


def test_the_page_of_metrics_defines_every_one():
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page.split("\n## ")[1], re.MULTILINE))
    assert {metric.name: said.get(metric.name) for metric in METRICS} == {
        metric.name: f"{metric.unit or 'number'} | {metric.definition}" for metric in METRICS
    }


# What a file of metrics holds: the metrics, and after them the bounds of those that have an interval.
NAMED = [*(metric.name for metric in METRICS), *(bound for metric in METRICS for bound in metric.bounds)]


def test_committed_tables_have_the_committed_metrics():
    for path in sorted((ROOT / FOLDER).glob("*.json")):
        rows = list(
            csv.DictReader(io.StringIO((ROOT / "metrics/categories" / f"{path.stem}.csv").read_text()))
        )
        found = json.loads(path.read_text(encoding="utf-8"))
        assert list(found) == [*NAMED, PROMPT]
        assert len(questions.read(ROOT / questions.FOLDER / f"{path.stem}.csv")) == (
            found["math_problems"] + found["squad_questions"]
        )
        assert sum(int(row["math_problems"]) for row in rows) == found["math_problems"]


BASE = scores(answers()) | {"mindformers_f1": 40.0}


def test_a_gate_of_nothing_is_said_to_be_empty(tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.json").write_text(json.dumps(BASE), encoding="utf-8")
    last = printed([0, 1], tmp_path, write_answers(tmp_path, range(2))).splitlines()[-1]
    assert last == (
        "best: checkpoint 1, which passes the gate"
        " (F1 >= 36.00, EM >= 0.00 is empty: the base model's EM is 0)"
    )
    assert half("EM", 40.0) == "EM >= 36.00"


def test_the_summary_takes_the_sizes_of_the_best_checkpoint():
    metrics = {0: BASE, 1: BASE | {"math_strict": 10.0}, 2: BASE | {"math_strict": 60.0}}
    best = choose(metrics)
    assert best == (2, True)
    found = summarise(metrics, best, {"trainable_parameters": 803, "base_parameters": 1606}, {0: {}, 2: {}})
    assert (found["ratio_of_8_03e9"], found["ratio_of_base"]) == (1e-7, 0.5)
    assert found["final_score_strict"] == pytest.approx((1 - 1e-7) * 0.3 + 0.6 * 0.7)
