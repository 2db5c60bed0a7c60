"""The page: figures, tables and answers of a run in one file of HTML that asks no host for anything.

What a model answered is hostile input. It gets into the page as data alone: escaped by the template, or as JSON in which
nothing can end a script, and from there as text. The page's own policy lets nothing run but its two scripts, by their
hashes, and lets nothing be loaded. The same run gives the same bytes.
"""

import base64
import hashlib
import json
from functools import cache
from importlib import metadata
from typing import Any

from markupsafe import Markup

from abacus.report import caveats, counted
from abacus.report.answers import listed, metrics_of
from abacus.report.figures import drawn
from abacus.report.first import first_screen
from abacus.report.look import CONFIG, DARK, FONT, LIGHT
from abacus.report.run import Run
from abacus.report.tables import BY_NAME, against_base, against_run, parameters, plain

# What the page needs of Vega; nothing else of it is put in.
USED = "window.vegaEmbed = vegaEmbed;"
PACKAGES = (
    "mindspore",
    "mindformers",
    "mindpet",
    "numpy",
    "tokenizers",
    "safetensors",
    "scipy",
    "jieba",
    "dvc",
    "vl-convert-python",
)
SECTIONS = {
    "scores": "Scores",
    "math": "Math",
    "training": "Training",
    "data": "Data",
    "answers": "Answers",
    "recipe": "Recipe",
    "care": "What not to compare",
}
ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def render(run: Run, old: Run | None = None) -> str:
    """The page of a run, with an older run's figures beside its own if there is one."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # a tenth of the stage's start

    env = Environment(
        loader=PackageLoader("abacus.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined, keep_trailing_newline=True,
    )  # fmt: skip
    figures = drawn(run, old)
    scripts = [runtime(), env.get_template("script.js").render()]
    data = {
        "figures": {name: figure.spec for name, figure in figures.items()},
        "config": CONFIG,
        "answers": browsed(run, old),
    }
    return env.get_template("page.html").render(
        run=run, old=old, figures=figures, first=first_screen(run, old), tables=tables(run, old),
        always=caveats.ALWAYS, own=list(caveats.of_run(run)), light=LIGHT, dark=DARK, font=Markup(FONT),
        scripts=[Markup(script) for script in scripts], policy=" ".join(map(digest, scripts)), data=embedded(data),
        sections=SECTIONS, versions={name: installed(name) for name in PACKAGES},
    )  # fmt: skip


@cache
def runtime() -> str:
    """Vega, Vega-Lite and what embeds them, as one script; it takes seconds to put together."""
    from vl_convert import javascript_bundle

    return javascript_bundle(USED)


def digest(script: str) -> str:
    """A script as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def embedded(value: object) -> Markup:
    """JSON that can stand in an element of HTML, whatever texts it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(ESCAPES))


def installed(package: str) -> str:
    """A package's version."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def tables(run: Run, old: Run | None) -> dict[str, Any]:
    """The tables that stand without a figure; None, or no rows, where the run has nothing of it."""
    config = old.config if old else None
    return {
        "base": against_base(run),
        "old": against_run(run, old) if old else None,
        "records": counted.records(run, old) if run.records else None,
        "overlap": counted.overlap(run, old) if run.records else None,
        "params": parameters("params.yaml", run.params, old.params if old else None),
        "config": parameters("How it trained: MindFormers’ configuration", run.config, config)
        if run.config
        else None,
        "profile": parameters("Base model, prompt and decoding", run.profile, old.profile if old else None)
        if run.profile
        else None,
        "hashes": plain("SHA-256", ["file", "hash"], run.hashes.items()) if run.hashes else None,
        "between": caveats.between(run, old) if old else None,
    }


def browsed(run: Run, old: Run | None) -> dict[str, Any]:
    """What the browser of answers reads: checkpoints, questions, and the older run's best checkpoint beside them."""
    numbers = list(run.metrics)
    found: dict[str, Any] = {
        "checkpoints": numbers,
        "best": run.best.number,
        "metrics": {part: [BY_NAME[name].title for name in metrics_of(part)] for part in ("math", "reading")},
        "questions": list(listed(run.questions, run.outcomes, numbers)),
    }
    if old and old.questions:
        there = {
            one.key: answer
            for one, answer in zip(
                old.questions, listed(old.questions, old.outcomes, [old.best.number]), strict=True
            )
        }
        found["old"] = f"{old.name}, checkpoint {old.best.number}"
        for one, row in zip(run.questions, found["questions"], strict=True):
            row["o"] = there[one.key]["a"][0] if one.key in there else None
    return found
