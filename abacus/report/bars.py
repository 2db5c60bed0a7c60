"""Figures of what was counted: rows before and after, what went and what stayed, lengths."""

from abacus.report.charts import SHORT, WIDE, Rows, Spec, distinct, hint, legend
from abacus.report.look import colour

POINTS = (
    {"shape": "circle", "size": 70},
    {"shape": "diamond", "size": 240, "opacity": 0.5},
)  # this run, the older


def before_and_after(rows: Rows) -> Spec:
    """A dumbbell a category, from before to after, on a scale that shows 8 beside 300 000.

    Rows of category, what, value, run; an older run is a larger diamond behind.
    """
    runs = distinct(rows, "run")
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
            *(
                {
                    "transform": [{"filter": f"datum.run === {run!r}"}],
                    "mark": {"type": "point", "filled": True, "opacity": 1} | look,
                    "encoding": {"x": x | {"field": "value", "axis": ticks}, "color": legend(names, 1)}
                    | hint(rows),
                }
                for run, look in reversed(list(zip(runs, POINTS, strict=False)))
            ),
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
    this = f"datum.run === {runs[0]!r}"
    two: Spec = {"yOffset": {"field": "run", "sort": runs}} if len(runs) > 1 else {}
    faint = {"opacity": {"condition": {"test": this, "value": 1}, "value": 0.45}}
    number: Spec = {"text": {"field": "count", "type": "quantitative", "format": ","}}
    number["color"] = {
        "condition": {"test": f"datum.side === 'in' && {this}", "value": colour("paper")},
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
                "encoding": {"x": x, "x2": {"field": "end"}, "color": shade} | faint | hint(rows),
            },
            {"mark": beside, "encoding": {"x": x | {"field": "label"}} | number},
        ],
    }


def lengths(rows: Rows, marks: Rows) -> Spec:
    """A histogram of tokens: rows of start, end, count, what, run; `marks` are lines of value and label.

    The bars of an older run are outlines.
    """
    this = f"datum.run === {distinct(rows, 'run')[0]!r}"
    filled = {"fillOpacity": {"condition": {"test": this, "value": 0.8}, "value": 0}}
    filled |= {"strokeOpacity": {"condition": {"test": this, "value": 0}, "value": 1}}
    x = {"field": "start", "type": "quantitative", "title": "tokens"}
    bar = {"type": "bar", "binSpacing": 1, "strokeWidth": 2}
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
                "stroke": legend(distinct(rows, "what")),
            }
            | filled
            | hint(rows),
        },
        *(
            {"data": {"values": marks}} | one
            for one in (rule, {"mark": text, "encoding": {"x": x | {"field": "value"}} | label})
        ),
    ]
    return WIDE | {"height": 220, "layer": layers}
