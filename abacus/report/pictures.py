"""The figures as pictures for documents: SVG and PNG, each of them by itself, in light colours."""

import textwrap
from pathlib import Path

from abacus.core.files import replacing
from abacus.report.charts import Spec
from abacus.report.figures import Figure
from abacus.report.look import CONFIG, LIGHT, colour, inked

WIDTH = 640  # pixels
TITLE = 72  # characters of a line
FONT = "'Liberation Sans', Arial, Helvetica, sans-serif"  # which vl-convert brings along
SCALE = 1.5  # of a PNG's pixels
STYLE = inked(CONFIG) | {"background": LIGHT["paper"], "padding": 12, "font": FONT}


def draw(figures: dict[str, Figure], folder: Path) -> list[Path]:
    """Write NAME.svg and NAME.png of every figure into a folder; return what was written."""
    from vl_convert import vegalite_to_png

    written = []
    for name, figure in figures.items():
        spec = alone(figure.title, figure.said, figure.spec)
        png = vegalite_to_png(spec, config=STYLE, scale=SCALE)
        for ending, content in (("svg", svg(spec).encode()), ("png", png)):
            path = folder / f"{name}.{ending}"
            with replacing(path) as part:
                part.write_bytes(content)
            written.append(path)
    return written


def alone(title: str, said: str, spec: Spec) -> Spec:
    """A specification with its title, broken where it is long, and what a reader should see in it."""
    lines = textwrap.wrap(title, TITLE)
    text = {"text": lines, "anchor": "start", "color": colour("ink"), "fontSize": 15, "offset": 12}
    return inked(spec | {"width": WIDTH, "title": text, "description": f"{title}. {said}"})


def svg(spec: Spec) -> str:
    """A specification as SVG."""
    from vl_convert import vegalite_to_svg

    return vegalite_to_svg(spec, config=STYLE) + "\n"
