"""The figures as pictures for documents: SVG and PNG, each of them by itself, in light colours."""

from pathlib import Path

from abacus.core.files import replacing
from abacus.report.figures import Figure
from abacus.report.look import CONFIG, LIGHT, colour, inked

WIDTH = 640  # pixels
FONT = "'Liberation Sans', Arial, Helvetica, sans-serif"  # which vl-convert brings along
SCALE = 1.5  # of a PNG's pixels


def draw(figures: dict[str, Figure], folder: Path) -> list[Path]:
    """Write NAME.svg and NAME.png of every figure into a folder; return what was written."""
    from vl_convert import vegalite_to_png, vegalite_to_svg

    written = []
    config = inked(CONFIG) | {"background": LIGHT["paper"], "padding": 12, "font": FONT}
    for name, figure in figures.items():
        title = {
            "text": figure.title,
            "anchor": "start",
            "color": colour("ink"),
            "fontSize": 15,
            "offset": 12,
        }
        spec = inked(
            figure.spec | {"width": WIDTH, "title": title, "description": f"{figure.title}. {figure.said}"}
        )
        for ending, content in (
            ("svg", (vegalite_to_svg(spec, config=config) + "\n").encode()),
            ("png", vegalite_to_png(spec, config=config, scale=SCALE)),
        ):
            path = folder / f"{name}.{ending}"
            with replacing(path) as part:
                part.write_bytes(content)
            written.append(path)
    return written
