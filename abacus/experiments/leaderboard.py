"""A grid's results side by side: tables, and rows for CSV and JSON."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from abacus.experiments.grid import Grid
from abacus.experiments.pooled import compare, mean, right, share
from abacus.experiments.results import Found
from abacus.problems.categories import CATEGORIES
from abacus.scoring.metrics import METRICS
from abacus.scoring.questions import LEAST
from abacus.scoring.summary import GATED, final_score, passes
from abacus.scoring.tables import interval

ACCURACIES = ("math_strict", "math_tolerant")
# Means over the seeds, of the last checkpoint.
MEANS = tuple(metric for metric in METRICS if metric.title and metric.name not in ("step", *ACCURACIES))
SCORES = tuple(metric for metric in MEANS if metric.name.startswith(("squad", "mindformers")))
Board = dict[str, list[Found]]  # a recipe's results, a seed each
Row = dict[str, Any]  # a recipe's figures
AGAINST = (
    "seeds_compared", "difference", "difference_low", "difference_high", "gained", "lost", "p", "verdict",
)  # fmt: skip


def board(grid: Grid, found: dict[str, Found]) -> Board:
    """The results by run, in the grid's order; runs that have none are left out, and so is what was another run."""
    runs = {
        run: [one for one in found.values() if one.plan.run == run and not one.other] for run in grid.runs
    }
    return {run: results for run, results in runs.items() if results}


def rows(grid: Grid, runs: Board) -> list[Row]:
    """A row a recipe, with every figure as a number; the best strict accuracy first."""
    found = [_row(run, results) | _against(grid, runs, run) for run, results in runs.items()]
    return sorted(found, key=lambda row: -row["math_strict"])


def _row(run: str, results: Sequence[Found]) -> Row:
    """One recipe's figures; the score is the contest's formula at the mean accuracy, its gate that of each seed."""
    row: Row = {"recipe": run, "seeds": " ".join(str(one.plan.seed) for one in results)}
    row["decimals"] = precision(results)
    for key in ("steps", "trained_tokens", "learned_tokens"):
        row[key] = round(fmean(one.result.budget[key] for one in results))
    for name in ACCURACIES:
        pooled = share([right(one.outcomes, name) for one in results])
        if pooled:
            row |= {
                name: pooled.mean,
                f"{name}_low": pooled.interval.low,
                f"{name}_high": pooled.interval.high,
            }
    for metric in MEANS:
        row[metric.name] = fmean(float(one.result.last[metric.name]) for one in results)
    for metric in SCORES:
        row[f"base_{metric.name}"] = fmean(float(one.result.base[metric.name]) for one in results)
    row["gate_passed"] = sum(passes(one.result.last, one.result.base) for one in results)
    ratio = fmean(one.result.summary["ratio_of_8_03e9"] for one in results)
    for name in ACCURACIES:
        row[f"final_score_{name.removeprefix('math_')}"] = final_score(ratio, row[name] / 100)
    for name in (category.name for category in CATEGORIES):
        row[f"strict_{name}"] = mean([right(one.outcomes, "math_strict", name) for one in results])
    return row


def precision(results: Sequence[Found]) -> str:
    """The decimals at which a recipe's answers are scored: its own, or none of its own where it teaches what is published."""
    recipe = results[0].plan.params["prepare"]
    return "as published" if recipe["workings"] == "published" else str(recipe["decimals"])


def _against(grid: Grid, runs: Board, run: str) -> Row:
    """How a recipe differs from the baseline in strict accuracy, on the seeds that both have; nothing for the baseline."""
    one = None
    if run != grid.baseline and grid.baseline in runs:
        old, new = ({one.plan.seed: one.outcomes for one in runs[name]} for name in (grid.baseline, run))
        one = compare(old, new, "math_strict")
    if one is None:
        return dict.fromkeys(AGAINST)
    bounds, verdict = one.difference.interval, one.verdict
    its, base = precision(runs[run]), precision(runs[grid.baseline])
    if its != base:  # a question of one decimal is easier than the same of four
        verdict += f" at its own precision: decimals {its} against {base}"
    figures = (one.seeds, one.difference.mean, bounds.low, bounds.high, one.gained, one.lost, one.p, verdict)
    return dict(zip(AGAINST, figures, strict=True))


def tables(grid: Grid, found: list[Row]) -> dict[str, list[list[str]]]:
    """Every table of these rows by its title, titles of columns first."""
    return {
        "Accuracy, percent, with 95 % intervals over seeds and questions (of one seed over questions alone)": _accuracies(
            found
        ),
        f"Against {grid.baseline}, strict, on the same seeds and questions": _differences(found),
        "Reading against the gate (of each seed's base model), finer measures": _finer(found),
        "Strict accuracy by category, percent": _categories(found),
    }


def _accuracies(found: list[Row]) -> list[list[str]]:
    table = [
        [
            "recipe",
            "seeds",
            "steps",
            "trained tokens",
            "learned",
            "math strict",
            "math tolerant",
            "gate",
            "score",
        ]
    ]
    for row in found:
        shown = [interval(f"{row[name]:.2f}", row[f"{name}_low"], row[f"{name}_high"]) for name in ACCURACIES]
        gate = f"{row['gate_passed']} of {len(row['seeds'].split())}"
        tokens = [f"{row[key]:,}" for key in ("steps", "trained_tokens", "learned_tokens")]
        table.append([row["recipe"], row["seeds"], *tokens, *shown, gate, f"{row['final_score_strict']:.4f}"])
    return table


def _differences(found: list[Row]) -> list[list[str]]:
    table = [["recipe", "seeds", "points", "gained", "lost", "p", "so it is"]]
    for row in found:
        if row["verdict"] is None:
            continue
        # Where no answer has changed nothing can be drawn but that, which says little.
        bounds = (row["difference_low"], row["difference_high"]) if row["gained"] or row["lost"] else ()
        points = interval(f"{row['difference']:+.2f}", *bounds)
        p = f"{row['p']:.3f}" if row["p"] >= LEAST else f"< {LEAST}"
        counts = [str(row[key]) for key in ("gained", "lost")]
        table.append([row["recipe"], str(row["seeds_compared"]), points, *counts, p, row["verdict"]])
    return table


def _finer(found: list[Row]) -> list[list[str]]:
    table = [["recipe", *(metric.title for metric in MEANS)]]
    gated = set(GATED.values())
    for row in found:
        cells = [
            metric.shown(row[metric.name])
            + (f" (base {metric.shown(row[f'base_{metric.name}'])})" if metric.name in gated else "")
            for metric in MEANS
        ]
        table.append([row["recipe"], *cells])
    return table


def _categories(found: list[Row]) -> list[list[str]]:
    asked = [c.name for c in CATEGORIES if any(row[f"strict_{c.name}"] is not None for row in found)]
    table = [["recipe", *asked]]
    for row in found:
        values = [row[f"strict_{name}"] for name in asked]
        table.append([row["recipe"], *("-" if value is None else f"{value:.1f}" for value in values)])
    return table
