"""What the data's metrics say, made ready to be drawn: what went and what stayed, lengths, overlap."""

from statistics import fmean, quantiles
from typing import Any

from abacus.report.run import Run
from abacus.report.tables import NONE, Cell, Table, cell, figures, number

# Columns of metrics/prepare.csv, and their titles.
COLUMNS = {
    "unique": "unique",
    "verified": "verified",
    "wrong": "wrong",
    "train": "training",
    "test": "held out",
}
# What takes rows away, in the pipeline's order, and how it is said.
GOES = {
    "duplicate": "duplicate",
    "english": "English",
    "wrong": "wrong label",
    "unknown": "of no category",
    "variants": "variant of a test problem",
    "test": "held out for the test",
}
RECORDED = {
    "too_long": "longer than a sequence",
    "overlap_left_out": "asked at the end, too",
}
OVERLAP = {
    "overlap_exact": "training rows that ask a test problem to the letter",
    "overlap_variant": "training rows that ask a variant of one",
    "overlap_reading": "training rows about a passage that is asked about",
    "overlap_problems": "test problems that are met in training",
    "overlap_left_out": "training rows left out for it",
}
LENGTHS = {
    "written": "training rows",
    "sequences": "sequences they are packed into",
    "mean_tokens": "tokens of a row, mean",
    "mean_learned": "of them learned, mean",
    "longest": "tokens of the longest row",
    "padding": "share of padding",
}
PARTS = {"math": "problems", "reading": "reading questions"}
BINS = 30


def waterfall(run: Run) -> list[dict[str, Any]]:
    """A bar a step from the raw rows to what was trained on: reason, start, end, count, and whether it goes or stays."""
    counts = run.prepared
    if not counts:
        return []
    total = counts.get("rows", 0)
    steps = [(GOES[key], counts.get(key, 0)) for key in GOES]
    left = total - sum(count for _, count in steps)
    drawn = counts.get("train", 0) - counts.get("replay", 0)
    steps.append(("not drawn by the mix", left - drawn))
    rows = [_bar("raw rows", 0, total, total, "stays")]
    at = total
    for reason, count in steps:
        rows.append(_bar(reason, at - count, at, count, "goes"))
        at -= count
    if counts.get("replay"):
        rows.append(_bar("reading rows added", at, at + counts["replay"], counts["replay"], "stays"))
        at += counts["replay"]
    if run.records and not run.foreign:
        for key, reason in RECORDED.items():
            count = run.records.get(key) or 0
            rows.append(_bar(reason, at - count, at, count, "goes"))
            at -= count
    rows.append(_bar("trained on", 0, at, at, "stays"))
    return [row | _labelled(row, total) for row in rows]


def _labelled(row: dict[str, Any], total: int) -> dict[str, Any]:
    """Where a bar's count stands: in it if there is room, else on the side that has some."""
    if row["count"] > 0.5 * total:
        return {"side": "in", "label": row["end"]}
    return (
        {"side": "left", "label": row["start"]}
        if row["end"] > 0.5 * total
        else {"side": "right", "label": row["end"]}
    )


def _bar(reason: str, start: int, end: int, count: int, what: str) -> dict[str, Any]:
    return {"reason": reason, "start": start, "end": end, "count": count, "what": what}


def reasons(run: Run, old: Run | None) -> Table:
    """The same as a table."""
    was = {row["reason"]: row["count"] for row in waterfall(old)} if old else None
    rows = [
        [
            Cell(row["reason"]),
            Cell(row["what"]),
            cell(number(row["count"]), None if was is None else number(was.get(row["reason"]))),
        ]
        for row in waterfall(run)
    ]
    return Table("Rows that went and that stayed", ["rows", "they", "number"], rows)


def _tokens(run: Run) -> dict[str, list[int]]:
    found = {
        title: [one.tokens for one in run.questions if one.part == part] for part, title in PARTS.items()
    }
    return {title: sizes for title, sizes in found.items() if sizes}


def histogram(sides: list[tuple[str, Run]]) -> list[dict[str, Any]]:
    """Questions by length, of each run under its name: from, to below, how many."""
    found = [(label, title, sizes) for label, run in sides for title, sizes in _tokens(run).items()]
    most = max(max(sizes) for _, _, sizes in found)
    width = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, most) if most / size <= BINS)
    return [
        {"start": start, "end": start + width, "count": count, "what": title, "run": label}
        for label, title, sizes in found
        for start in range(0, most + 1, width)
        if (count := sum(start <= size < start + width for size in sizes))
    ]


def marks(run: Run) -> list[dict[str, Any]]:
    """Lines at the training rows' mean and longest."""
    titles = {"mean_tokens": "mean", "longest": "longest"}
    there = [(key, run.records[key]) for key in titles if key in run.records]
    return [
        {"value": value, "label": f"{titles[key]} {value:.0f}", "place": 4 + 16 * n}
        for n, (key, value) in enumerate(there)
    ]


def spread(run: Run, old: Run | None) -> Table:
    """Shortest, median, mean, 95th percentile and longest, of each part of the questions."""
    was = _tokens(old) if old else {}
    rows = []
    for title, sizes in _tokens(run).items():
        past = _five(was[title]) if title in was else [NONE if old else None] * 5
        rows.append([Cell(title), *(cell(now, then) for now, then in zip(_five(sizes), past, strict=True))])
    return Table(
        "Tokens of question and reference",
        ["what is asked", "shortest", "median", "mean", "95 %", "longest"],
        rows,
    )


def _five(sizes: list[int]) -> list[str]:
    cuts = quantiles(sizes, n=20, method="inclusive") if len(sizes) > 1 else [float(sizes[0])] * 19
    values = (min(sizes), cuts[9], fmean(sizes), cuts[18], max(sizes))
    return [f"{value:.4g}" for value in values]


def overlap(run: Run, old: Run | None) -> Table:
    """What training rows share with what is asked at the end."""
    return figures(
        "What training rows and the evaluation share", OVERLAP, run.records, old.records if old else None
    )


def records(run: Run, old: Run | None) -> Table:
    """The training rows as tokens."""
    return figures("The training rows as tokens", LENGTHS, run.records, old.records if old else None)
