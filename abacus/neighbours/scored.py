"""An answer that lm-evaluation-harness got, scored as stage evaluate scores ours; shares from 0 to 1, as the harness has them.

The harness does not say whether a model ended its answer or was cut: an answer counts as ended here.
"""

from collections.abc import Sequence
from typing import Any

from abacus.problems.workings import recognise
from abacus.scoring import arithmetic, mindformers_f1, squad_f1
from abacus.scoring.checkpoint import first_line

MATH_METRICS = ("math_strict", "math_tolerant")
READING_METRICS = ("squad_f1", "squad_em", "mindformers_f1", "mindformers_em")


def math(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """The scores of an answer to a problem; `doc` is its row."""
    case = recognise(doc["problem"]), results[0], doc["workings"], doc["decimals"]
    return dict(
        zip(MATH_METRICS, (float(arithmetic.strict(*case)), float(arithmetic.tolerant(*case))), strict=True)
    )


def reading(doc: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """The scores of an answer to a reading question; `doc` is its row."""
    line, references, first = first_line(results[0]), doc["references"], doc["gold"]
    found = (
        squad_f1.f1(line, references),
        squad_f1.exact_match(line, references),
        mindformers_f1.f1(line, first),
        mindformers_f1.exact_match(line, first),
    )
    return {name: score / 100 for name, score in zip(READING_METRICS, found, strict=True)}
