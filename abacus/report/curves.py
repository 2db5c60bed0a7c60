"""A training's curve, of any length, as a few hundred points or a table of a screen's length."""

from statistics import fmean

from abacus.report.run import Run
from abacus.report.tables import NONE, Cell, Table, cell

Curve = list[dict[str, float]]
ROWS = 30  # of the table


def thinned(curve: Curve, most: int) -> Curve:
    """At most so many rows, each the means of as many neighbours; the step is the last of them."""
    size = -(-len(curve) // most) or 1
    groups = [curve[start : start + size] for start in range(0, len(curve), size)]
    return [
        {"step": group[-1]["step"]}
        | {key: fmean(row[key] for row in group) for key in group[0] if key != "step"}
        for group in groups
    ]


def means(run: Run, old: Run | None) -> Table:
    """Mean loss and rate of neighbouring steps."""
    was = {row["step"]: row for row in thinned(old.curve, ROWS)} if old else {}
    rows, first = [], 1
    for row in thinned(run.curve, ROWS):
        there = was.get(row["step"])
        step = int(row["step"])
        pair = [f"{row['loss']:.4f}", f"{row['learning_rate']:.3g}"]
        past = (
            [f"{there['loss']:.4f}", f"{there['learning_rate']:.3g}"]
            if there
            else [NONE if old else None] * 2
        )
        name = f"{first} to {step}" if first < step else f"{step}"
        rows.append([Cell(name), *(cell(now, then) for now, then in zip(pair, past, strict=True))])
        first = step + 1
    return Table(
        "Loss and learning rate, means of neighbouring steps", ["steps", "loss", "learning rate"], rows
    )
