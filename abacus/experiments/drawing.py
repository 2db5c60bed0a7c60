"""The leaderboard as a picture: a dot and its interval a recipe, in SVG."""

from collections.abc import Sequence
from html import escape
from typing import Any

LEFT, WIDTH, ROW, TOP = 190, 420, 26, 44  # pixels
MARKS = (
    ("math_strict", "#1f77b4", -4),
    ("math_tolerant", "#ff7f0e", 4),
)  # metric, colour, pixels below the line


def svg(title: str, rows: Sequence[dict[str, Any]]) -> str:
    """An SVG of the rows' accuracies in percent with their 95 % intervals, the first row on top.

    Where recipes are scored at unlike decimals each label says its own.
    """
    unlike = len({row["decimals"] for row in rows}) > 1
    most = max(5.0, *(row[f"{name}_high"] for row in rows for name, _, _ in MARKS))
    height = TOP + ROW * len(rows) + 40

    def x(value: float) -> str:
        return f"{LEFT + WIDTH * value / most:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="100%" height="100%" fill="white"/><text x="10" y="20">{escape(title)}</text>',
    ]
    foot = TOP + ROW * len(rows)
    for tick in range(5):
        value = most * tick / 4
        parts.append(f'<line x1="{x(value)}" x2="{x(value)}" y1="{TOP}" y2="{foot}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(value)}" y="{foot + 15}" text-anchor="middle">{value:.1f}</text>')
    for number, row in enumerate(rows):
        middle = TOP + ROW * number + ROW // 2
        label = row["recipe"] + (f", decimals {row['decimals']}" if unlike else "")
        parts.append(f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>')
        for name, colour, below in MARKS:
            y, low, high = middle + below, x(row[f"{name}_low"]), x(row[f"{name}_high"])
            parts.append(f'<line x1="{low}" x2="{high}" y1="{y}" y2="{y}" stroke="{colour}"/>')
            parts.append(f'<circle cx="{x(row[name])}" cy="{y}" r="3.5" fill="{colour}"/>')
    for (name, colour, _), at in zip(MARKS, (LEFT, LEFT + 110), strict=True):
        parts.append(f'<text x="{at}" y="{foot + 32}" fill="{colour}">{name.replace("_", " ")}, %</text>')
    return "\n".join([*parts, "</svg>\n"])
