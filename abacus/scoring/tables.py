"""What is printed of the checkpoints: their accuracies with intervals, finer measures, differences, categories."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abacus.problems.categories import CATEGORIES
from abacus.scoring import questions
from abacus.scoring.intervals import wilson
from abacus.scoring.metrics import METRICS, PROMPT, Metric
from abacus.scoring.questions import Outcomes
from abacus.scoring.summary import COLUMNS, FOLDER, GATE, GATED, Choice, choose, passes, read_metrics

# What is looked at first, each with its interval; the other columns are a table of their own.
FIRST = ("step", "math_strict", "math_tolerant", *GATED.values())
STRICT = "math_strict"


Named = Mapping[int | str, Mapping[str, Any]] | Mapping[int, Mapping[str, Any]]  # metrics, by number or name


def table(metrics: Named) -> list[list[str]]:
    """Return the rows of accuracies with their intervals and of the gate, titles first; `-` where one is not known."""
    columns = [next(metric for metric in METRICS if metric.name == name) for name in FIRST]
    rows = [["checkpoint", *(metric.title for metric in columns), "gate"]]
    for number, m in metrics.items():
        rows.append(
            [str(number), *(bounded(metric, m) for metric in columns), gate(number, m, metrics.get(0))]
        )
    return rows


def gate(number: int | str, found: Mapping[str, Any], base: Mapping[str, Any] | None) -> str:
    """What the gate says of a checkpoint; `-` where either side was not asked all of it."""
    if number == 0:
        return "base"
    if base is None or any(key not in found for key in GATED.values()):
        return "-"
    return "passed" if passes(found, base) else "missed"


def finer(metrics: Named) -> list[list[str]]:
    """Return the rows of all other measures that have a title, titles first."""
    columns = [metric for metric in COLUMNS if metric.name not in FIRST]
    rows = [["checkpoint", *(metric.title for metric in columns)]]
    return rows + [[str(n), *(value(metric, m) for metric in columns)] for n, m in metrics.items()]


def bounded(metric: Metric, found: Mapping[str, Any]) -> str:
    """A value, and its interval if it has one."""
    return interval(value(metric, found), *(found[name] for name in metric.bounds if name in found))


def value(metric: Metric, found: Mapping[str, Any]) -> str:
    """A value as the table has it, `-` if there is none."""
    return metric.shown(found[metric.name]) if found.get(metric.name) is not None else "-"


def interval(shown: str, *bounds: float) -> str:
    """A value as it is shown, with these bounds behind it."""
    return f"{shown} [{', '.join(f'{bound:.1f}' for bound in bounds)}]" if bounds else shown


def differences(outcomes: Mapping[int, Outcomes], best: int) -> list[list[str]]:
    """Return the rows that compare the best checkpoint and the last one with the base model, titles first."""
    last = max(outcomes)
    names = {best: f"{best} (best)", last: f"{last} (last)"}
    if best == last:
        names = {last: f"{last} (best, last)"}
    return questions.comparison({name: (outcomes[0], outcomes[n]) for n, name in names.items()})


def categories(base: Outcomes, best: Outcomes, number: int | str) -> list[list[str]]:
    """Return the strict accuracies by category, of the base model and of the best checkpoint, titles first."""
    name_of = f"checkpoint {number}" if isinstance(number, int) else number
    rows = [["category", "problems", "base, math strict", name_of]]
    for name in (category.name for category in CATEGORIES):
        sides = [
            [one.right[STRICT] for one in side.values() if one.category == name] for side in (base, best)
        ]
        cells = [
            interval(f"{100 * sum(s) / len(s):.2f}", *wilson(sum(s), len(s))) if s else "-" for s in sides
        ]
        if sides[1]:
            rows.append([name, str(len(sides[1])), *cells])
    return rows


def aligned(rows: list[list[str]]) -> str:
    """Lay rows out in columns, as Markdown."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    return "\n".join(lines)


def printed(numbers: list[int], folder: Path = FOLDER, answers: Path = questions.FOLDER) -> str:
    """Return what is said of the metrics in a folder and of the answers in another: four tables, and the best one."""
    metrics = read_metrics(folder, numbers)
    outcomes = questions.read_all(answers, numbers)
    best = choose(metrics)
    parts = {
        f"Percent, with 95 % intervals (reading prompt: {metrics[0].get(PROMPT, 'contest')}):": table(
            metrics
        ),
        "What moves sooner:": finer(metrics),
        "Against the base model, on the same questions (McNemar's exact test):": differences(
            outcomes, best.number
        ),
        "By category:": categories(outcomes[0], outcomes[best.number], best.number),
    }
    tables = [f"{title}\n\n{aligned(rows)}\n" for title, rows in parts.items() if len(rows) > 1]
    return "\n".join([*tables, verdict(best, metrics)])


def verdict(best: Choice, metrics: Mapping[int, dict[str, Any]]) -> str:
    """The line on the best checkpoint."""
    how = "passes" if best.passes else "does not pass"
    halves = ", ".join(half(title, metrics[0][key]) for title, key in GATED.items())
    return f"best: checkpoint {best.number}, which {how} the gate ({halves})"


def half(title: str, base: float) -> str:
    """What the gate asks of a score, of which the base model has `base` percent."""
    empty = f" is empty: the base model's {title} is 0" if base == 0 else ""
    return f"{title} >= {GATE * base:.2f}{empty}"
