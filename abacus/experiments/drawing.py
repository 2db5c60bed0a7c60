"""The leaderboard as a picture: a point and its interval a recipe."""

from collections.abc import Sequence
from typing import Any

from abacus.report.charts import Spec, by_category
from abacus.report.pictures import alone

METRICS = ("math_strict", "math_tolerant")


def picture(title: str, rows: Sequence[dict[str, Any]]) -> Spec:
    """The rows' accuracies in percent with their 95 % intervals, the first row on top.

    Where recipes are scored at unlike decimals each label says its own.
    """
    unlike = len({row["decimals"] for row in rows}) > 1
    points = [
        {
            "category": row["recipe"] + (f", decimals {row['decimals']}" if unlike else ""),
            "what": name.replace("_", " "),
            "value": row[name],
            "low": row[f"{name}_low"],
            "high": row[f"{name}_high"],
        }
        for row in rows
        for name in METRICS
    ]
    said = "; ".join(f"{one['category']}: {one['what']} {one['value']:.2f} %" for one in points)
    return alone(title, said, by_category(points, ("blue", "orange")))
