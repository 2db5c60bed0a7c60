"""The figures: which there are, of what rows, and the table beside each of them that says the same."""

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

from abacus.problems.categories import CATEGORIES
from abacus.report import bars, charts, counted
from abacus.report.curves import ROWS, means, thinned
from abacus.report.run import Run
from abacus.report.tables import BY_NAME, NONE, Cell, Table, by_checkpoint, cell, share
from abacus.scoring.summary import GATE, GATED

THIS = "this run"
NEAR = ("math_form", "math_sign", "math_magnitude", "math_digits")
STRICT = "math_strict"


class Figure(NamedTuple):
    """A figure: its name, title, what a reader should see in it, its specification and its table."""

    name: str
    title: str
    said: str
    spec: charts.Spec
    table: Table


Sides = list[tuple[str, Run]]  # this run, and the older one if there is one


def sides(run: Run, old: Run | None) -> Sides:
    """The runs by their names in a legend."""
    return [(THIS, run)] + ([(old.name, old)] if old else [])


def steps(run: Run, old: Run | None) -> list[int]:
    """The steps behind the checkpoints; none if the older run has others."""
    found = [int(run.score(number, "step") or 0) for number in run.metrics]
    there = [int(old.score(number, "step") or 0) for number in old.metrics] if old else found
    return found if found == there else []


def points(both: Sides, names: tuple[str, ...]) -> charts.Rows:
    """A row a checkpoint, metric and run, with its bounds."""
    rows = []
    for label, run in both:
        for name in names:
            for number in run.metrics:
                value = run.score(number, name)
                if value is not None:
                    ends = [run.score(number, bound) for bound in BY_NAME[name].bounds] or [None, None]
                    row = {"checkpoint": number, "what": BY_NAME[name].title, "value": value}
                    rows.append(row | {"low": ends[0], "high": ends[1], "run": label})
    return rows


def lines(
    run: Run, old: Run | None, name: str, title: str, said: str, metrics: tuple[str, ...], unit: str
) -> Figure:
    """Metrics over checkpoints."""
    table = by_checkpoint(title, metrics, run, old)
    return Figure(
        name,
        title,
        said,
        charts.over_checkpoints(points(sides(run, old), metrics), unit, steps(run, old)),
        table,
    )


def accuracy(run: Run, old: Run | None) -> Figure:
    """Math, strict and tolerant."""
    best = run.best.number
    said = (
        f"Strict accuracy goes from {run.score(0, STRICT):.2f} % (base) to {run.score(best, STRICT):.2f} % at checkpoint"
        f" {best}, the best, and {run.score(run.last, STRICT):.2f} % at the last. Thin lines are 95 % intervals."
    )
    return lines(run, old, "accuracy", "Math accuracy", said, (STRICT, "math_tolerant"), "percent")


def gate(run: Run, old: Run | None) -> Figure:
    """MindFormers' F1 and EM with the lines that they must not fall below."""
    names = tuple(GATED.values())
    rows = [
        {
            "what": BY_NAME[name].title,
            "value": GATE * (run.score(0, name) or 0),
            "label": f"gate {title} {GATE * (run.score(0, name) or 0):.2f}",
        }
        for title, name in GATED.items()
    ]
    table = by_checkpoint("Reading against the gate", names, run, old, gate=True)
    passing = [row[0].text for row in table.rows if row[-1].text == "passed"]
    said = (
        f"Both must stay at 90 % of the base model’s ({rows[0]['label']}, {rows[1]['label']}). Passed by"
        f" checkpoint {', '.join(passing) or 'none'}."
    )
    spec = charts.over_checkpoints(points(sides(run, old), names), "percent", steps(run, old), rows)
    return Figure("gate", "Reading against the gate (MindFormers’ F1 and EM)", said, spec, table)


def squad(run: Run, old: Run | None) -> Figure:
    """The official reading scores."""
    said = "The same answers by SQuAD’s own definition; never compare one definition with the other."
    return lines(
        run, old, "squad", "Reading by SQuAD’s definition", said, ("squad_f1", "squad_em"), "percent"
    )


def nearness(run: Run, old: Run | None) -> Figure:
    """What is right of an answer that need not be right."""
    said = "What moves before exactness does: the form of the working, then sign, order of magnitude and leading digits."
    return lines(run, old, "nearness", "Math answers by what is right of them", said, NEAR, "percent")


def likelihood(run: Run, old: Run | None) -> Figure:
    """NLL of the references."""
    said = "How unlikely the model finds the reference working and the reference answer; lower is better."
    return lines(
        run,
        old,
        "nll",
        "Negative log-likelihood of the references",
        said,
        ("math_nll", "answer_nll"),
        "nats a token",
    )


def categories(run: Run, old: Run | None) -> Figure | None:
    """Strict accuracy by category, base against best."""
    columns = {
        "base": run.outcomes.get(0),
        f"checkpoint {run.best.number}": run.outcomes.get(run.best.number),
    }
    if old:
        columns[f"{old.name}, {old.best.number}"] = old.outcomes.get(old.best.number)
    there = {title: outcomes for title, outcomes in columns.items() if outcomes}
    rows, cells = [], []
    for name in (category.name for category in CATEGORIES):
        found = {title: share(outcomes, name, STRICT) for title, outcomes in there.items()}
        asked = max((one.asked for one in found.values() if one), default=0)
        if asked:
            cells.append(
                [Cell(name), Cell(str(asked)), *(Cell(one.text if one else NONE) for one in found.values())]
            )
        for title, one in found.items():
            if one:
                each = {"value": one.value, "low": one.low, "high": one.high}
                rows.append({"category": f"{name} ({asked})", "what": title} | each)
    if not rows:
        return None
    said = "With 95 % intervals; problems asked in brackets: of few questions an interval is wide."
    table = Table("Math by category", ["category", "problems", *there], cells)
    return Figure("categories", "Strict accuracy by category", said, charts.by_category(rows), table)


def _curve(run: Run, old: Run | None, key: str, most: int) -> charts.Rows:
    return [
        {"step": row["step"], "value": row[key], "run": label}
        for label, side in sides(run, old)
        for row in thinned(side.curve, most)
        if isfinite(row[key])
    ]


def loss(run: Run, old: Run | None) -> Figure | None:
    """Loss by step, and its mean over a few steps."""
    if not run.curve:
        return None
    rows, smooth = (_curve(run, old, "loss", most) for most in (600, ROWS))
    said = f"{len(run.curve)} steps: each in the faint line, means of neighbouring steps in the strong one."
    return Figure(
        "loss", "Training loss", said, charts.over_steps(rows, smooth, "loss", ".2f"), means(run, old)
    )


def rate(run: Run, old: Run | None) -> Figure | None:
    """The learning rate by step."""
    if not run.curve:
        return None
    peak = max(row["learning_rate"] for row in run.curve)
    last = run.curve[-1]["learning_rate"]
    said = f"The rate has its peak at {peak:.3g} and ends at {last:.2g}." if peak else "The rate is 0."
    spec = charts.over_steps(_curve(run, old, "learning_rate", 600), [], "learning rate", ".1e")
    return Figure("rate", "Learning rate", said, spec, means(run, old))


def kinds(run: Run, old: Run | None) -> Figure | None:
    """Rows by category, before and after prepare."""
    if not run.kinds:
        return None
    there = {row["category"]: row for row in old.kinds} if old else {}
    rows = [
        {"category": row["category"], "what": what, "value": int(row[key]), "run": label}
        for label, side in sides(run, old)
        for row in side.kinds
        for key, what in (("unique", "unique rows"), ("train", "training rows"))
    ]
    cells = [
        [
            Cell(row["category"]),
            *(cell(row[key], there.get(row["category"], {}).get(key)) for key in counted.COLUMNS),
        ]
        for row in run.kinds
    ]
    said = "Rows of each category before sampling and after it, on a logarithmic scale."
    said += f" The large diamonds are those of {old.name}." if old else ""
    table = Table("Rows by category", ["category", *counted.COLUMNS.values()], cells)
    return Figure("kinds", "Rows by category, before and after", said, bars.before_and_after(rows), table)


def drops(run: Run, old: Run | None) -> Figure | None:
    """What went and what stayed, with reasons."""
    if not run.prepared:
        return None
    rows = [row | {"run": label} for label, side in sides(run, old) for row in counted.waterfall(side)]
    said = f"From {run.prepared.get('rows', 0):,} raw rows to {run.prepared.get('train', 0):,} training rows."
    said += f" The fainter bars are those of {old.name}." if old else ""
    return Figure("drops", "What was left out, and why", said, bars.funnel(rows), counted.reasons(run, old))


def tokens(run: Run, old: Run | None) -> Figure | None:
    """How long what is asked is."""
    if not run.questions:
        return None
    rows, marks = counted.histogram(sides(run, old)), counted.marks(run)
    said = "Question and reference together; a problem is as long as a training row. Dashed: the training rows’ mean and longest."
    said += f" Outlined: {old.name}." if old else ""
    return Figure("lengths", "Lengths in tokens", said, bars.lengths(rows, marks), counted.spread(run, old))


ALL: tuple[Callable[[Run, Run | None], Figure | None], ...] = (
    accuracy, gate, squad, nearness, likelihood, categories, loss, rate, kinds, drops, tokens,
)  # fmt: skip


def drawn(run: Run, old: Run | None = None) -> dict[str, Figure]:
    """Every figure that the run has, by name."""
    found = (make(run, old) for make in ALL)
    return {figure.name: figure for figure in found if figure}
