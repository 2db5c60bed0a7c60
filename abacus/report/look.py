"""How the page and its figures look: colours by name, in light and dark, and what Vega is told of axes and letters.

A figure names its colours as the page's style sheet does, `var(--blue)`, so that a switch to dark, or to paper, redraws
nothing. `inked` writes them out for a picture that stands alone.
"""

from typing import Any

FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'PingFang SC', 'Hiragino Sans GB', 'Microsoft YaHei',"
    " 'Noto Sans CJK SC', 'Source Han Sans SC', 'WenQuanYi Micro Hei', sans-serif"
)
LIGHT = {
    "paper": "#ffffff",
    "card": "#f6f7f9",
    "ink": "#1b1f24",
    "soft": "#59636e",
    "line": "#d5dae0",
    "grid": "#e8ebef",
    "blue": "#1f5fbf",
    "orange": "#b4520a",
    "green": "#1a7440",
    "purple": "#7a3fb0",
    "grey": "#6b7480",
    "red": "#b3261e",
    "tint": "#e8f0fc",
}
DARK = {
    "paper": "#14171b",
    "card": "#1d2127",
    "ink": "#e9edf1",
    "soft": "#a8b1bb",
    "line": "#39414a",
    "grid": "#2a3038",
    "blue": "#82b1ff",
    "orange": "#ffab66",
    "green": "#63d391",
    "purple": "#cda4ff",
    "grey": "#98a2ad",
    "red": "#ff9088",
    "tint": "#1d2c44",
}
SERIES = ("blue", "orange", "green", "purple")


def colour(name: str) -> str:
    """A colour as the page's style sheet has it."""
    return f"var(--{name})"


TEXT = {"labelColor": colour("soft"), "titleColor": colour("soft"), "labelFontSize": 12, "titleFontSize": 12}
CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": TEXT
    | {
        "titleFontWeight": "normal",
        "gridColor": colour("grid"),
        "domainColor": colour("line"),
        "tickColor": colour("line"),
        "titlePadding": 8,
    },
    "legend": TEXT
    | {
        "title": None,
        "orient": "top",
        "direction": "horizontal",
        "labelLimit": 260,
        "symbolStrokeWidth": 2,
        "symbolOpacity": 1,
        "symbolBaseFillColor": colour("soft"),
        "symbolBaseStrokeColor": colour("soft"),
        "layout": {"top": {"direction": "vertical", "anchor": "start"}},
    },
    "text": {"color": colour("ink"), "fontSize": 12},
    "rule": {"color": colour("grey")},
}


def inked(value: Any, palette: dict[str, str] = LIGHT) -> Any:
    """A figure with its colours written out."""
    if isinstance(value, dict):
        return {key: inked(part, palette) for key, part in value.items()}
    if isinstance(value, list):
        return [inked(part, palette) for part in value]
    if isinstance(value, str) and value.startswith("var(--"):
        return palette[value.removeprefix("var(--").removesuffix(")")]
    return value
