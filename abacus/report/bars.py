"""Figures of what was counted: rows before and after, what went and what stayed, lengths."""

from abacus.report.charts import SHORT, WIDE, Rows, Spec, distinct, hint, legend
from abacus.report.look import colour


def before_and_after(rows: Rows) -> Spec:
    """A dumbbell a category, from before to after, on a scale that shows 8 beside 300 000."""
    kinds, names = distinct(rows, "category"), distinct(rows, "what")
    scale = {"type": "symlog", "constant": 5}
    ticks = {"values": [0, 10, 100, 1000, 10_000, 100_000], "labelExpr": SHORT}
    y = {"field": "category", "type": "nominal", "sort": kinds, "title": None, "axis": {"labelLimit": 150}}
    x = {"type": "quantitative", "scale": scale, "title": "rows, logarithmic"}
    return WIDE | {
        "height": 24 * len(kinds),
        "data": {"values": rows},
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "rule", "color": colour("line"), "strokeWidth": 3},
                "encoding": {
                    "x": x | {"aggregate": "min", "field": "value"},
                    "x2": {"aggregate": "max", "field": "value"},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                "encoding": {
                    "x": x | {"field": "value", "axis": ticks},
                    "color": legend(names, 1),
                }
                | hint(rows),
            },
        ],
    }


def funnel(rows: Rows) -> Spec:
    """What goes and what stays, step by step: rows of reason, start, end, count, what (stays or goes), run."""
    runs = distinct(rows, "run")
    shade = {
        "field": "what",
        "type": "nominal",
        "scale": {"domain": ["stays", "goes"], "range": [colour("blue"), colour("orange")]},
    }
    y = {"field": "reason", "type": "nominal", "sort": distinct(rows, "reason"), "title": None}
    x = {
        "field": "start",
        "type": "quantitative",
        "title": "rows",
        "axis": {"labelExpr": SHORT, "tickCount": 5},
    }
    two: Spec = {}
    if len(runs) > 1:
        old = {"condition": {"test": f"datum.run === {runs[0]!r}", "value": 1}, "value": 0.45}
        two = {"yOffset": {"field": "run", "sort": runs}, "opacity": old}
    number: Spec = {"text": {"field": "count", "type": "quantitative", "format": ","}}
    number["color"] = {
        "condition": {"test": "datum.side === 'in'", "value": colour("paper")},
        "value": colour("ink"),
    }
    beside: Spec = {"type": "text", "align": {"expr": "datum.side === 'right' ? 'left' : 'right'"}}
    beside |= {"dx": {"expr": "datum.side === 'right' ? 6 : -6"}}
    return WIDE | {
        "height": (24 if len(runs) == 1 else 34) * len(distinct(rows, "reason")),
        "data": {"values": rows},
        "encoding": {"y": y | {"axis": {"labelLimit": 190, "grid": False}}} | two,
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadius": 2},
                "encoding": {"x": x, "x2": {"field": "end"}, "color": shade} | hint(rows),
            },
            {"mark": beside, "encoding": {"x": x | {"field": "label"}} | number},
        ],
    }


def lengths(rows: Rows, marks: Rows) -> Spec:
    """A histogram of tokens: rows of start, end, count, what; `marks` are lines of value and label."""
    x = {"field": "start", "type": "quantitative", "title": "tokens"}
    bar = {"type": "bar", "opacity": 0.8, "binSpacing": 1}
    rule = {"mark": {"type": "rule", "strokeDash": [2, 3]}, "encoding": {"x": x | {"field": "value"}}}
    text = {"type": "text", "align": "left", "baseline": "top", "dx": 4}
    label = {"text": {"field": "label"}, "y": {"field": "place", "type": "quantitative", "scale": None}}
    layers = [
        {
            "data": {"values": rows},
            "mark": bar,
            "encoding": {
                "x": x | {"bin": {"binned": True}},
                "x2": {"field": "end"},
                "y": {"field": "count", "type": "quantitative", "title": "questions", "stack": None},
                "color": legend(distinct(rows, "what")),
            }
            | hint(rows),
        },
        *(
            {"data": {"values": marks}} | one
            for one in (rule, {"mark": text, "encoding": {"x": x | {"field": "value"}} | label})
        ),
    ]
    return WIDE | {"height": 220, "layer": layers}
