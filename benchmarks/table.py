"""The tables of docs/performance.md and both README, made of metrics/bench.json and of nothing else."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from abacus.core.errors import InputError
from abacus.core.files import replacing
from benchmarks.alternate import OURS, Spread, spread, times

MARKS = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- bench: end -->)", re.DOTALL)
DOCS = ("docs/performance.md", "README.md", "README.zh-CN.md")
F32, BF16, MAP, HF = "peft, float32", "peft, bfloat16", "datasets.map", "transformers"


class Target(NamedTuple):
    """What a figure should be: so many `times` as good as the peer's, at `most` this, or at most so much `more` than it."""

    kind: Literal["times", "most", "more"]
    bound: float


class Row(NamedTuple):
    """A row of the table: a figure of a comparison, beside a peer's or alone. In the README if `short`."""

    comparison: str
    figure: str
    what: str
    unit: str
    beside: str = ""
    target: Target | None = None
    better: Literal["more", "less"] = "less"
    short: bool = False
    share: Literal["", "products", "memory"] = ""  # of which of the machine's limits


def _times(bound: float) -> Target:
    return Target("times", bound)


def _most(bound: float) -> Target:
    return Target("most", bound)


BEFORE = "before"  # stands for the commit that was named
ROWS = (
    Row(
        "prepare",
        "seconds",
        "prepare, 809 993 rows, each audited",
        "s",
        "plain script",
        _times(2),
        short=True,
    ),
    Row("prepare", "memory", "its memory", "GB", "plain script", _times(2)),
    *(
        row
        for name, rows in (("10k", "10 000"), ("100k", "100 000"), ("810k", "810 000"), ("10m", "10 000 000"))
        for row in (
            Row("growth", f"seconds_{name}", f"prepare, {rows} rows", "s", "dask"),
            Row("growth", f"memory_{name}", "its memory", "GB", "dask"),
        )
    ),
    Row("synthesize", "seconds", "synthesize", "s", target=_most(8)),
    Row("converse", "seconds", "converse", "s", target=_most(1)),
    Row("mindrecord", "seconds", "mindrecord, 100 000 rows", "s", MAP, _times(2), short=True),
    Row("mindrecord", "memory", "its memory", "GB", MAP),
    Row("mindrecord", "growth", "its memory over that of 50 000 rows", "times", MAP, _most(1.1)),
    Row("finetune", "rows_s", "fine-tuning", "rows/s", F32, _times(1.3), "more", True, "products"),
    Row("finetune", "rows_s", "fine-tuning", "rows/s", BF16, _times(1), "more", True, "products"),
    Row("finetune", "rows_s", "fine-tuning", "rows/s", BEFORE, _times(2.2), "more", False, "products"),
    Row("finetune", "memory", "its memory", "GB", F32, _most(4), short=True),
    Row("finetune", "memory", "its memory", "GB", BF16),
    Row("finetune", "memory", "its memory", "GB", BEFORE),
    Row(
        "finetune",
        "until_first",
        "start to the end of its first step, compiling included",
        "s",
        F32,
        _most(30),
    ),
    Row("finetune", "until_first", "start to the end of its first step, compiling included", "s", BEFORE),
    Row("finetune", "step", "a step of it", "s", BEFORE),
    *(
        Row("parts", figure, what, "s", BEFORE)
        for figure, what in (
            ("products", "of a step: products with the weights"),
            ("attention", "of a step: products of attention"),
            ("others", "of a step: all other operators"),
        )
    ),
    Row("ranks", "rows_s", "fine-tuning by one process", "rows/s", "two ranks", better="more"),
    Row("ranks", "memory", "its memory", "GB", "two ranks"),
    Row("dropout", "seconds", "dropout of a step", "s", "MindSpore"),
    Row("predict", "answers_s", "predict, a whole checkpoint", "answers/s", HF, _times(2), "more", True),
    Row("predict", "answers_s", "predict, a whole checkpoint", "answers/s", BEFORE, _times(2.5), "more"),
    Row("predict", "compiling", "compiling its graphs, once a run", "s"),
    Row("predict", "memory", "its memory", "GB", HF),
    Row("decoding", "tokens_s_1", "decoding, one text", "tokens/s", HF, _times(1.3), "more", True, "memory"),
    Row(
        "decoding", "tokens_s_32", "decoding, 32 texts", "tokens/s", HF, _times(1.3), "more", True, "products"
    ),
    Row("decoding", "memory", "its memory", "GB", HF),
    Row("em_f1", "seconds", "`em_f1` of 2 067 pairs", "s", "MindFormers", _times(20), short=True),
    Row(
        "repro", "seconds", "`dvc repro` with nothing to do", "s", "no stages", Target("more", 1), short=True
    ),
    Row("start", "help", "start of `python -m abacus --help`", "s", target=_most(0.3)),
    Row("start", "data", "start of the slowest data stage", "s", target=_most(0.3)),
    Row("start", "scoring", "start of the slowest scoring stage", "s", target=_most(0.3)),
    Row("resume", "extra", "going on after a kill, beside the steps lost", "s", target=_most(10)),
)
HEADER = ("what", "Abacus", "beside it", "its figure", "times as good (pairs)", "target", "of the machine")
SHORT = ("what", "Abacus", "beside it", "its figure", "times as good (pairs)", "target")


def long(found: dict[str, Any]) -> str:
    """The table of everything, and on what machine it was measured."""
    return "\n".join([about(found), "", *lines(HEADER, cells(found, ROWS))])


def short(found: dict[str, Any]) -> str:
    """The README's table."""
    return "\n".join(lines(SHORT, (row[: len(SHORT)] for row in cells(found, [r for r in ROWS if r.short]))))


def cells(found: dict[str, Any], rows: Iterable[Row]) -> Iterable[tuple[str, ...]]:
    """The rows of what was measured, or has failed, as texts."""
    for row in rows:
        made = found["comparisons"].get(row.comparison)
        if made is None or not series(made, OURS, row.figure):
            continue
        earlier = made.get("before")
        beside = f"commit {earlier}" if row.beside == BEFORE else row.beside
        if row.beside == BEFORE and not earlier:
            continue
        yield texts(row, made, beside)


def texts(row: Row, made: dict[str, Any], beside: str) -> tuple[str, ...]:
    """One row."""
    ours, theirs = series(made, OURS, row.figure), series(made, beside, row.figure)
    what = f"{row.what}, {row.unit}"
    if isinstance(ours, str):
        return (what, ours, beside, "", "", aim(row.target), "")
    factor = times(ours, theirs, row.better == "more") if beside and not isinstance(theirs, str) else None
    return (
        what,
        number(spread(ours).median),
        beside,
        theirs if isinstance(theirs, str) else number(spread(theirs).median),
        ends(factor) if factor else "",
        aim(row.target)
        + verdict(row.target, spread(ours), None if isinstance(theirs, str) else theirs, factor),
        of_machine(row, spread(ours).median, made),
    )


def series(made: dict[str, Any], name: str, figure: str) -> list[float] | str:
    """A competitor's values; what to show if there are none."""
    if name in made.get("failed", {}):
        return "failed"
    return made["values"].get(name, {}).get(figure) or ""


def aim(target: Target | None) -> str:
    """A target as text."""
    if target is None:
        return ""
    return {"times": "{} times", "most": "at most {}", "more": "at most {} more"}[target.kind].format(
        f"{target.bound:g}"
    )


def verdict(target: Target | None, ours: Spread, theirs: list[float] | None, factor: Spread | None) -> str:
    """Whether a target is met by the medians."""
    if target is None:
        return ""
    if target.kind == "times":
        met = factor and factor.median >= target.bound
    else:
        over = spread(theirs).median if target.kind == "more" and theirs else 0.0
        met = ours.median - over <= target.bound
    return ": met" if met else ": short"


def of_machine(row: Row, value: float, made: dict[str, Any]) -> str:
    """What share a rate is of the fastest that the machine's own limits allow."""
    bound = made.get("limits", {}).get(row.share)
    return f"{100 * value / bound:.0f} %" if bound else ""


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def ends(factor: Spread) -> str:
    """A factor's median and its ends."""
    return f"**{factor.median:.2f}** ({factor.least:.2f} to {factor.most:.2f})"


def lines(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A table in Markdown."""
    return [
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *(("| " + " | ".join(row) + " |").replace("|  |", "| |").replace("|  |", "| |") for row in rows),
    ]


def about(found: dict[str, Any]) -> str:
    """The machine and the versions."""
    machine, versions = found["machine"], found["versions"]
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB. Matrix products at the model's "
        f"shapes: {machine['mindspore_float32_gflops']:.0f} GFLOP/s by MindSpore, {machine['torch_float32_gflops']:.0f} by "
        f"torch, {machine['torch_bfloat16_gflops']:.0f} by torch in bfloat16; memory is read at "
        f"{machine['memory_gb_s']:.0f} GB/s. "
        + ", ".join(f"{name} {at}" for name, at in versions.items())
        + "."
    )


def render(found: dict[str, Any], root: Path) -> None:
    """Put the tables between their marks in the documents."""
    for name in DOCS:
        path = root / name
        text = path.read_text(encoding="utf-8")
        new = rendered(text, found)
        if not MARKS.search(text):
            raise InputError(name, "has no marks", "<!-- bench: long --> or short, and <!-- bench: end -->")
        with replacing(path) as part:
            part.write_text(new, encoding="utf-8")


def rendered(text: str, found: dict[str, Any]) -> str:
    """A document with the tables between its marks."""
    tables = {"long": long, "short": short}
    return MARKS.sub(lambda match: f"{match[1]}{tables[match[2]](found)}\n{match[3]}", text)
