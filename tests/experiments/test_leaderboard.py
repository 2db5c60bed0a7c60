"""What is said of results made by hand: means, intervals, comparisons, the order, the forms."""

import xml.etree.ElementTree as ET

import pytest

from abacus.experiments import leaderboard, pooled
from abacus.experiments.drawing import picture
from abacus.experiments.grid import Grid, Planned
from abacus.experiments.leaderboard import board, rows, tables
from abacus.experiments.results import Found, Result, sources
from abacus.report.pictures import svg
from abacus.scoring.intervals import wilson
from abacus.scoring.metrics import METRICS
from abacus.scoring.questions import Outcome

GRID = Grid(
    question="which?",
    profile="tiny",
    baseline="a",
    checkpoints=1,
    steps=9,
    seeds=[1, 2],
    runs={"a": {}, "b": {}},
)


def outcomes(right: str) -> dict[str, Outcome]:
    """Answers to problems: 1 for right; the first half is of one category."""
    half = len(right) // 2
    names = ["direct"] * half + ["mean"] * (len(right) - half)
    found = {
        f"q{n}": Outcome(names[n], dict.fromkeys(("math_strict", "math_tolerant"), c == "1"))
        for n, c in enumerate(right)
    }
    return found | {"r": Outcome("reading", {"squad_em": False})}


def found(
    run: str,
    seed: int,
    right: str,
    f1: float = 20.0,
    other: bool = False,
    decimals: int = 4,
    workings: str = "exact",
) -> Found:
    metrics = {metric.name: 10.0 for metric in METRICS}
    result = Result(
        run=run, seed=seed, key="k", sources={}, data={},
        budget={"steps_per_checkpoint": 9, "steps": 9, "trained_tokens": 90 + seed, "learned_tokens": 50},
        base=metrics | {"mindformers_f1": 20.0}, last=metrics | {"mindformers_f1": f1},
        summary={"ratio_of_8_03e9": 0.001},
    )  # fmt: skip
    params = {"prepare": {"decimals": decimals, "workings": workings}}
    return Found(Planned(run, seed, params, {}, "k"), result, outcomes(right), other, [])


MANY = "1" * 30 + "0" * 10
RESULTS = {
    "a-1": found("a", 1, "0" * 39 + "1"),
    "a-2": found("a", 2, "0" * 38 + "10", f1=17.0),
    "b-1": found("b", 1, MANY),
    "b-2": found("b", 2, "0" + MANY[1:]),
    "b-3": found("b", 3, MANY, other=True),
}


def test_rows():
    best, base = rows(GRID, board(GRID, RESULTS))
    assert (best["recipe"], best["seeds"], base["recipe"]) == (
        "b",
        "1 2",
        "a",
    )  # what was another run is left out
    assert best["math_strict"] == pytest.approx(100 * 59 / 80) and base["math_strict"] == pytest.approx(2.5)
    assert best["math_strict_low"] < best["math_strict"] < best["math_strict_high"]
    assert best["strict_direct"] == pytest.approx(100 * 39 / 40) and best["strict_mean"] == pytest.approx(50)
    assert best["strict_root"] is None
    assert (best["gate_passed"], base["gate_passed"]) == (2, 1)  # 17 is less than 90 % of 20
    assert base["trained_tokens"] == 92 and base["mindformers_f1"] == 18.5
    assert best["final_score_strict"] == pytest.approx(0.999 * 0.3 + 0.7 * 59 / 80)
    assert best["verdict"] == "better" and base["verdict"] is None
    assert best["difference"] == pytest.approx(100 * (59 - 2) / 80)


def test_tables():
    shown = tables(GRID, rows(GRID, board(GRID, RESULTS)))
    accuracy, against, _, categories = shown.values()
    assert accuracy[1][:5] == ["b", "1 2", "9", "92", "50"] and accuracy[1][7] == "2 of 2"
    assert [row[0] for row in against] == ["recipe", "b"] and against[1][3:5] == ["59", "2"]
    assert categories == [["recipe", "direct", "mean"], ["b", "97.5", "50.0"], ["a", "0.0", "5.0"]]


def test_every_interval_and_comparison_is_made_once(monkeypatch):
    made = []
    for name in ("share", "compare"):
        does = getattr(leaderboard, name)
        monkeypatch.setattr(
            leaderboard, name, lambda *given, n=name, does=does: made.append(n) or does(*given)
        )
    tables(GRID, rows(GRID, board(GRID, RESULTS)))
    assert sorted(made) == ["compare"] + 4 * ["share"]  # two recipes, two accuracies


@pytest.mark.parametrize(
    ("its", "said"),
    [
        ({"decimals": 1}, "better at its own precision: decimals 1 against 4"),
        ({"workings": "published"}, "better at its own precision: decimals as published against 4"),
        ({"workings": "stepwise"}, "better"),
    ],
)
def test_a_verdict_on_recipes_of_unlike_decimals_says_so(its, said):
    results = RESULTS | {f"b-{seed}": found("b", seed, MANY, **its) for seed in (1, 2)}
    table = rows(GRID, board(GRID, results))
    assert table[0]["verdict"] == said
    assert list(tables(GRID, table).values())[1][1][-1] == said
    labels = list(dict.fromkeys(one["category"] for one in picture("?", table)["data"]["values"]))
    decimals = said.rpartition("decimals ")[2].split(" against ")
    unlike = [f"b, decimals {decimals[0]}", "a, decimals 4"]
    assert labels == (["b", "a"] if said == "better" else unlike)


def test_one_seed_has_wilsons_interval_and_more_seeds_that_differ_are_wider():
    half = {f"q{n}": float(n % 2) for n in range(200)}
    one = pooled.share([half])
    assert one == (50, wilson(100, 200))
    assert pooled.share([half, {}]) == one  # a seed that was asked nothing is none
    same = pooled.share([half, half, half])
    assert abs(same.interval.low - one.interval.low) < 1  # the same answers thrice say no more than once
    unlike = pooled.share([half, dict.fromkeys(half, 0.0), dict.fromkeys(half, 1.0)])
    assert unlike.mean == 50 and unlike.interval.low < 10 and unlike.interval.high > 90


def test_where_all_are_wrong_the_interval_is_wilsons():
    assert pooled.share([{"a": 0.0, "b": 0.0}] * 3).interval == wilson(0, 2)
    assert pooled.share([{}]) is None


def test_compared_on_seeds_and_questions_that_both_have():
    old = {1: outcomes("0000"), 2: outcomes("0011")}
    new = {2: outcomes("011100"), 3: outcomes("1111")}
    one = pooled.compare(old, new, "math_strict")
    assert one[:1] + one[2:] == (1, 1, 0) and one.p == 1
    assert one.difference.mean == 25
    assert one.verdict == "not distinguishable"
    assert pooled.compare(old, {3: new[3]}, "math_strict") is None


def test_the_picture_has_a_dot_a_recipe_and_metric():
    table = rows(GRID, board(GRID, RESULTS))
    root = ET.fromstring(svg(picture("a < b?", table)))
    assert len(root.findall(".//{*}path[@aria-roledescription='point']")) == 4
    assert "a < b?" in {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}


def test_sources_are_the_code_that_stages_run():
    names = set(sources())
    assert {"abacus/training", "abacus/scoring", "stages/finetune.py"} <= names
    assert "abacus" not in names and not {
        name for name in names if "commands" in name or "experiments" in name
    }


def test_grids_that_are_not_there_and_unknown_runs(stage, error_line):
    assert "grid 'x' does not exist" in error_line(stage("make leaderboard", "GRID=x"))
    said = error_line(stage("make experiments", "GRID=tiny", "ONLY=referense"))
    assert said == "ONLY: tiny has no run 'referense'; did you mean 'reference'?"
