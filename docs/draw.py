"""The pictures of docs/design.md, drawn from what is there: who uses which package, who reads whose output.

    python -m docs.draw

Writes docs/figures/house.svg from the imports below abacus/, and docs/figures/pipeline.svg from dvc.yaml.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import yaml

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs/figures"
Edge = tuple[str, str]

# Pixels: of a box, of a line that passes a layer, between two boxes, between two layers, around all.
WIDE, NARROW, HIGH, APART, BELOW, MARGIN = 112, 8, 34, 20, 40, 14
# A picture is a document of its own for a browser: it has no colours of the page.
STYLE = (
    "text{font:14px system-ui,sans-serif;text-anchor:middle;fill:#1f2430}"
    "rect{fill:#eef3fb;stroke:#4a6da7;rx:6}path{fill:none;stroke:#7f8aa0;stroke-width:1.4;marker-end:url(#to)}"
    "@media(prefers-color-scheme:dark){text{fill:#e6e9f0}rect{fill:#26334a;stroke:#86a7de}path{stroke:#8d97ac}}"
)
HEAD = (
    '<marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 8 4 0 8z" style="fill:#7f8aa0;stroke:none;marker-end:none"/></marker>'
)


class Place(NamedTuple):
    """The middle of a box's upper edge."""

    x: float
    y: float


def uses() -> Iterator[Edge]:
    """Package by package: which other package of abacus/ it imports. What all of them use, core, is left out."""
    for path in sorted((ROOT / "abacus").glob("*/**/*.py")):
        package = path.relative_to(ROOT / "abacus").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            other = re.match(r"abacus\.(\w+)", module or "")
            if other and other[1] not in (package, "core"):
                yield package, other[1]


def filled(text: str, params: dict[str, Any]) -> str:
    """A path of dvc.yaml with its parameters written out; a stage's own item, `${item}`, is N."""

    def value(match: re.Match[str]) -> str:
        found: Any = params
        for key in match[1].split("."):
            found = found.get(key, {}) if isinstance(found, dict) else {}
        return str(found) if found and not isinstance(found, dict | list) else "N"

    return re.sub(r"\$\{([\w.]+)\}", value, text)


def reads() -> Iterator[Edge]:
    """Stage by stage: whose output it reads, as maker and reader."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

    def paths(stage: str, *kinds: str) -> list[Path]:
        entries = (entry for kind in kinds for entry in stages[stage].get(kind, []))
        return [Path(filled(one if isinstance(one, str) else next(iter(one)), params)) for one in entries]

    outs = {out: stage for stage in stages for out in paths(stage, "outs", "metrics", "plots")}
    for stage in stages:
        for dep in paths(stage, "deps"):
            for out, maker in outs.items():
                if maker != stage and (dep.is_relative_to(out) or out.is_relative_to(dep)):
                    yield maker, stage


def after(edges: set[Edge]) -> dict[str, set[str]]:
    """By node: all that can be reached from it."""
    found = {node: {b for a, b in edges if a == node} for edge in edges for node in edge}
    for _ in found:
        for reached in found.values():
            reached |= {far for near in reached for far in found[near]}
    return found


def short(edges: set[Edge]) -> set[Edge]:
    """The edges that no longer way stands for; two that use each other keep both."""
    reach = after(edges)
    nexts = {node: {b for a, b in edges if a == node} for node in reach}
    return {
        (a, b)
        for a, b in edges
        if not any(b in reach[c] and a not in reach[c] and c not in reach[b] for c in nexts[a] - {b})
    }


def depths(edges: set[Edge]) -> dict[str, int]:
    """The layer of every node, below all that lead to it; a circle is one layer."""
    reach = after(edges)
    depth = dict.fromkeys(sorted(reach), 0)
    for _ in depth:
        for a, b in sorted(edges):
            depth[b] = max(depth[b], depth[a] + (a not in reach[b]))
    return depth


def chained(edges: set[Edge], depth: dict[str, int]) -> dict[Edge, list[str]]:
    """Every edge as the nodes that it passes: in each layer between its ends it has a place of its own, added to `depth`."""
    found = {}
    for a, b in sorted(edges):
        between = {f"{a}>{b}>{number}": number for number in range(depth[a] + 1, depth[b])}
        depth |= between
        found[a, b] = [a, *between, b]
    return found


def layers(depth: dict[str, int], chains: Iterable[list[str]]) -> list[list[str]]:
    """The nodes from top to bottom, each near to those that it is joined to."""
    rows = [[node for node in depth if depth[node] == number] for number in range(max(depth.values()) + 1)]
    joined: dict[str, list[str]] = {node: [] for node in depth}
    for chain in chains:
        for a, b in pairwise(chain):
            joined[a].append(b)
            joined[b].append(a)
    for _ in range(8):
        for row in [*rows, *reversed(rows)]:
            spot = {node: place.x for node, place in placed(rows).items()}
            row.sort(key=lambda node: (fmean(spot[other] for other in joined[node]), node))
    return rows


def placed(rows: list[list[str]]) -> dict[str, Place]:
    """Where each node is; a row stands in the middle, and what is only passed is narrow."""
    found = {}
    for number, row in enumerate(rows):
        wide = [WIDE if ">" not in node else NARROW for node in row]
        x = -(sum(wide) + APART * (len(row) - 1)) / 2
        for node, width in zip(row, wide, strict=True):
            found[node] = Place(x + width / 2, number * (HIGH + BELOW))
            x += width + APART
    return found


def drawn(title: str, edges: set[Edge]) -> str:
    """An SVG of boxes and arrows."""
    depth = depths(edges)
    chains = chained(edges, depth)
    at = placed(layers(depth, chains.values()))
    half = max(abs(place.x) for place in at.values()) + WIDE / 2 + MARGIN
    bottom = max(place.y for place in at.values()) + HIGH + BELOW * 0.5 + MARGIN
    boxes = [
        f'<rect x="{x - WIDE / 2:.0f}" y="{y:.0f}" width="{WIDE}" height="{HIGH}"/>'
        f'<text x="{x:.0f}" y="{y + HIGH / 2 + 5:.0f}">{escape(node)}</text>'
        for node, (x, y) in at.items()
        if ">" not in node
    ]
    arrows = [f'<path d="{line([at[node] for node in chain])}"/>' for chain in chains.values()]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-half:.0f} {-MARGIN} {2 * half:.0f} {bottom:.0f}"'
            f' width="{2 * half:.0f}" height="{bottom:.0f}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style><defs>{HEAD}</defs>",
            *arrows,
            *boxes,
            "</svg>\n",
        ]
    )


def line(places: list[Place]) -> str:
    """The line through places: down, or within a layer in a bow below it."""
    a, b = places[0], places[-1]
    if a.y == b.y:
        lean, low = (b.x - a.x) * 0.1, a.y + HIGH
        deep = low + BELOW * 0.7
        return f"M{a.x + lean:.0f} {low}C{a.x + lean:.0f} {deep:.0f} {b.x - lean:.0f} {deep:.0f} {b.x - lean:.0f} {low}"
    lean = max(-WIDE / 3, min(WIDE / 3, (places[1].x - a.x) * 0.2))
    parts = [f"M{a.x + lean:.0f} {a.y + HIGH}"]
    x, y = a.x + lean, a.y + HIGH
    for place in places[1:]:
        end = place.x - max(-WIDE / 3, min(WIDE / 3, (place.x - x) * 0.2)) * (place is b)
        middle = (y + place.y) / 2
        parts.append(f"C{x:.0f} {middle:.0f} {end:.0f} {middle:.0f} {end:.0f} {place.y}")
        if place is not b:
            parts.append(f"V{place.y + HIGH}")
        x, y = end, place.y + HIGH
    return "".join(parts)


def pictures() -> dict[str, str]:
    """Every picture by its file's name."""
    return {
        "house.svg": drawn("Which package of abacus uses which", short(set(uses()))),
        "pipeline.svg": drawn("Which stage reads whose output", short(set(reads()))),
    }


if __name__ == "__main__":
    FIGURES.mkdir(exist_ok=True)
    for name, text in pictures().items():
        (FIGURES / name).write_text(text, encoding="utf-8")
