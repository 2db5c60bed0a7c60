"""The page's tables: cells of text, each with what an older run had in its place."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from abacus.report.run import Run
from abacus.scoring import questions
from abacus.scoring.intervals import wilson
from abacus.scoring.metrics import METRICS, Metric
from abacus.scoring.questions import Outcomes
from abacus.scoring.summary import passes
from abacus.scoring.tables import differences, interval

NONE = "–"
BY_NAME = {metric.name: metric for metric in METRICS}
GATE = {True: "passed", False: "missed"}


class Cell(NamedTuple):
    """A text, and what the older run says there; '' if there is none, or if it is the same."""

    text: str
    was: str = ""


class Table(NamedTuple):
    """A caption, the titles of the columns, and rows; a row's first cell names it."""

    caption: str
    titles: list[str]
    rows: list[list[Cell]]

    @property
    def words(self) -> list[bool]:
        """Of each column whether it holds words, which are read from the left, and not numbers."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.titles)
        return [
            not any(one.text[:1].isdigit() or one.text[:1] == NONE for one in column) for column in columns
        ]


def cell(text: str, was: str | None) -> Cell:
    """A cell; an older run's text stands in it where it is another."""
    return Cell(text, "" if was is None or was == text else was)


def plain(caption: str, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of texts alone."""
    return Table(caption, list(titles), [[Cell(text) for text in row] for row in rows])


def bounded(metric: Metric, found: Mapping[str, Any]) -> str:
    """A value as it is shown, with its interval where the run has one."""
    value = found.get(metric.name)
    if not isinstance(value, int | float):
        return NONE
    ends = [found[name] for name in metric.bounds if isinstance(found.get(name), int | float)]
    return interval(metric.shown(value), *ends) if len(ends) == len(metric.bounds) else metric.shown(value)


def by_checkpoint(caption: str, names: Sequence[str], run: Run, old: Run | None, gate: bool = False) -> Table:
    """These metrics of every checkpoint, of either run."""
    titles = [BY_NAME[name].title or name for name in ("step", *names)]
    rows = []
    for number in sorted(run.metrics.keys() | (old.metrics if old else {}).keys()):
        here, there = (side.metrics.get(number, {}) if side else {} for side in (run, old))
        was = [bounded(BY_NAME[name], there) if there else None for name in ("step", *names)]
        row = [Cell(f"{number} (base)" if number == 0 else str(number))]
        row += [cell(bounded(BY_NAME[name], here), w) for name, w in zip(("step", *names), was, strict=True)]
        if gate:
            verdicts = [_gate(side, number) if side else None for side in (run, old)]
            row.append(cell(verdicts[0] or NONE, verdicts[1]))
        rows.append(row)
    return Table(caption, ["checkpoint", *titles, *(["gate"] if gate else [])], rows)


def _gate(run: Run, number: int) -> str:
    if number not in run.metrics:
        return NONE
    return "base" if number == 0 else GATE[passes(run.metrics[number], run.metrics[0])]


class Share(NamedTuple):
    """How many of a category's questions were right, in percent with Wilson's interval."""

    asked: int
    value: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """As a table has it."""
        return interval(f"{self.value:.2f}", self.low, self.high)


def share(outcomes: Outcomes, category: str, metric: str) -> Share | None:
    """The share of a category that is right; None if none was asked."""
    right = [
        one.right[metric] for one in outcomes.values() if one.category == category and metric in one.right
    ]
    return (
        Share(len(right), 100 * sum(right) / len(right), *wilson(sum(right), len(right))) if right else None
    )


def against_base(run: Run) -> Table | None:
    """The best and the last checkpoint against the base model, question by question; None without answers."""
    if not {0, run.best.number, run.last} <= run.outcomes.keys():
        return None
    kept = {number: run.outcomes[number] for number in sorted({0, run.best.number, run.last})}
    titles, *rows = differences(kept, run.best.number)
    return plain("Against the base model, on the same questions (McNemar’s exact test)", titles, rows)


def against_run(run: Run, old: Run) -> Table | None:
    """Both runs' best checkpoints on the questions that both were asked; None without answers in either."""
    pair = old.outcomes.get(old.best.number), run.outcomes.get(run.best.number)
    if not pair[0] or not pair[1]:
        return None
    name = f"{old.best.number} of {old.name} → {run.best.number}"
    titles, *rows = questions.comparison({name: (pair[0], pair[1])})
    caption = f"The best checkpoint against that of {old.name}, on the questions that both were asked"
    return plain(caption, titles, rows) if rows else None


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A document's leaves by dotted key, as texts."""
    found: dict[str, str] = {}
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{name}.")
        else:
            found[name] = ", ".join(map(str, value)) if isinstance(value, list) and value else str(value)
    return found


def parameters(caption: str, document: Mapping[str, Any], old: Mapping[str, Any] | None) -> Table:
    """Every parameter, and what it was."""
    here, there = flat(document), flat(old) if old is not None else None
    rows = []
    for key in dict.fromkeys([*here, *(there or {})]):
        was = None if there is None else there.get(key, NONE)
        rows.append([Cell(key), cell(here.get(key, NONE), was)])
    return Table(caption, ["parameter", "value"], rows)


def figures(
    caption: str, names: Mapping[str, str], here: Mapping[str, Any], old: Mapping[str, Any] | None
) -> Table:
    """Numbers of a metrics file under their titles, those that either run has."""
    rows = []
    for key, title in names.items():
        if key in here or (old and key in old):
            rows.append([Cell(title), cell(number(here.get(key)), number(old.get(key)) if old else None)])
    return Table(caption, ["what", "number"], rows)


def number(value: Any) -> str:
    """A number with its thousands apart, or a dash."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NONE if value is None else str(value)
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else f"{value:.4g}"
