"""Kinds of figures as Vega-Lite specifications, plain dicts of their rows."""

from collections.abc import Sequence
from typing import Any

from abacus.report.look import SERIES, colour

Rows = list[dict[str, Any]]
Spec = dict[str, Any]
WIDE = {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
SHORT = "datum.value >= 1000 ? datum.value / 1000 + 'k' : datum.value"  # a number of rows on an axis
HEIGHT = 260  # pixels


def distinct(rows: Rows, field: str) -> list[str]:
    """The values of a field, in order."""
    return list(dict.fromkeys(row[field] for row in rows))


def legend(names: Sequence[str], columns: int | None = None) -> Spec:
    """A colour a name, in order; the legend breaks into columns on a narrow screen."""
    shades = [colour(SERIES[n % len(SERIES)]) for n in range(len(names))]
    return {
        "field": "what",
        "type": "nominal",
        "scale": {"domain": list(names), "range": shades},
        "legend": {"columns": {"expr": f"width < 420 ? {columns or 2} : {max(len(names), 1)}"}},
    }


def _runs(rows: Rows) -> Spec:
    """Two runs are told apart by the dash of their lines; of one there is no legend."""
    runs = distinct(rows, "run")
    if len(runs) < 2:
        return {}
    dashes = {"domain": runs, "range": [[1, 0], [5, 4]]}
    return {"strokeDash": {"field": "run", "type": "nominal", "scale": dashes}}


def _shape(rows: Rows) -> Spec:
    """And by the shape of their points."""
    if len(distinct(rows, "run")) < 2:
        return {}
    shapes = {"domain": distinct(rows, "run"), "range": ["circle", "diamond"]}
    return {"shape": {"field": "run", "type": "nominal", "scale": shapes}}


def over_checkpoints(rows: Rows, unit: str, steps: Sequence[int], gates: Rows | None = None) -> Spec:
    """Lines over checkpoints with intervals: rows of checkpoint, what, value, low, high, run; `gates` of what, value.

    `steps` are said below the checkpoints, if there are any.
    """
    names = distinct(rows, "what")
    few = "datum.value == 0 ? 'base' : '' + datum.value"
    if steps:
        both = f"datum.value == 0 ? ['base', 'step 0'] : ['' + datum.value, 'step ' + {list(steps)}[datum.value]]"
        few = f"width < 420 ? ({few}) : ({both})"
    bounded = [row for row in rows if row.get("low") is not None]
    # Intervals stand side by side; what has none stands where its checkpoint does.
    spread = (
        {"xOffset": {"field": "line", "type": "nominal", "scale": {"paddingOuter": 1.2}}} if bounded else {}
    )
    rows = [row | {"line": f"{row['run']}, {row['what']}"} for row in rows]
    x = {
        "field": "checkpoint",
        "type": "ordinal",
        "axis": {"labelAngle": 0, "labelExpr": few, "title": "checkpoint", "grid": False},
    }
    y = {"field": "value", "type": "quantitative", "title": unit}
    layers: list[Spec] = []
    if gates:
        layers += _gates(gates)
    if bounded:
        bounded = [row for row in rows if row.get("low") is not None]
        mark = {"type": "rule", "strokeWidth": 1.5, "opacity": 0.55}
        ends = {"y": {"field": "low", "type": "quantitative", "title": unit}, "y2": {"field": "high"}}
        layers.append({"data": {"values": bounded}, "mark": mark, "encoding": {"x": x} | spread | ends})
    encoding = {"x": x} | spread | {"y": y}
    layers += [
        {
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": encoding | _runs(rows) | {"detail": {"field": "line"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60, "strokeWidth": 2, "opacity": 1},
            "encoding": encoding | _shape(rows) | hint(rows),
        },
    ]
    layers += _labelled(gates) if gates else []
    top = {"data": {"values": rows}, "encoding": {"color": legend(names)}, "layer": layers}
    return WIDE | {"height": HEIGHT} | top


def hint(rows: Rows) -> Spec:
    """What is shown beside the pointer."""
    shown = [key for key in rows[0] if key not in ("line", "low", "high")] if rows else []
    return {"tooltip": [{"field": key, **({"format": ".4~g"} if key == "value" else {})} for key in shown]}


def _gates(gates: Rows) -> list[Spec]:
    """A dashed line a gate."""
    mark = {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 2}
    return [
        {
            "data": {"values": gates},
            "mark": mark,
            "encoding": {"y": {"field": "value", "type": "quantitative"}},
        }
    ]


def _labelled(gates: Rows) -> list[Spec]:
    """The gates' figures below the lines' right ends, on a halo that keeps them apart from what they cross."""
    text = {"type": "text", "align": "right", "baseline": "top", "dy": 4, "x": {"expr": "width - 2"}}
    encoding = {
        "y": {"field": "value", "type": "quantitative"},
        "text": {"field": "label", "type": "nominal"},
    }
    halo = text | {"stroke": colour("paper"), "strokeWidth": 4, "strokeJoin": "round"}
    halo_only = encoding | {"color": {"value": colour("paper")}}
    return [
        {"data": {"values": gates}, "mark": halo, "encoding": halo_only},
        {"data": {"values": gates}, "mark": text, "encoding": encoding},
    ]


# The base model is grey, whatever stands beside it.
BESIDE_BASE = ("grey", "blue", "orange", "green")


def by_category(rows: Rows, shades: Sequence[str] = BESIDE_BASE) -> Spec:
    """Points with intervals by category: rows of category, what, value, low, high; a shade a `what`."""
    names, kinds = distinct(rows, "what"), distinct(rows, "category")
    tint = {
        "field": "what",
        "type": "nominal",
        "scale": {"domain": names, "range": [colour(name) for name in shades[: len(names)]]},
        "legend": {"columns": len(names)},
    }
    y = {"field": "category", "type": "nominal", "sort": kinds, "title": None}
    place = {
        "y": y | {"axis": {"labelLimit": 150, "grid": False}},
        "yOffset": {"field": "what", "sort": names},
    }
    value = {"field": "value", "type": "quantitative", "title": "percent, with 95 % interval"}
    low = value | {"field": "low"}
    return WIDE | {
        "height": 14 * len(names) * len(kinds) + 6 * len(kinds),
        "data": {"values": rows},
        "encoding": place | {"color": tint},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.5},
                "encoding": {"x": low, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
                "encoding": {"x": value} | hint(rows),
            },
        ],
    }


def over_steps(rows: Rows, smooth: Rows, unit: str, digits: str) -> Spec:
    """A faint line of all steps and a strong one of means: rows of step, value, run."""
    names = distinct(smooth or rows, "run")
    tint = {
        "field": "run",
        "type": "nominal",
        "scale": {"domain": names, "range": [colour("blue"), colour("orange")][: len(names)]},
        "legend": {} if len(names) > 1 else None,
    }
    x = {"field": "step", "type": "quantitative", "title": "step", "axis": {"grid": False, "tickCount": 6}}
    y = {"field": "value", "type": "quantitative", "title": unit, "scale": {"zero": False}}
    y["axis"] = {"labelExpr": f"datum.value == 0 ? '0' : format(datum.value, {digits!r})"}
    line = {"type": "line", "strokeWidth": 1 if smooth else 2, "opacity": 0.35 if smooth else 1}
    layers: list[Spec] = [{"data": {"values": rows}, "mark": line}]
    if smooth:
        strong = {"type": "line", "strokeWidth": 2.5, "point": {"filled": True, "size": 24}}
        layers.append({"data": {"values": smooth}, "mark": strong, "encoding": hint(smooth)})
    return WIDE | {"height": 220, "encoding": {"x": x, "y": y, "color": tint}, "layer": layers}
