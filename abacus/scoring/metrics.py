"""What is measured of a checkpoint: one row a metric. Evaluation, table, plots and README follow from it.

A metric of one's own is a module that computes it and a row here.
"""

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any, Literal, NamedTuple

from abacus.core.errors import InputError
from abacus.scoring import mindformers_f1, squad_f1
from abacus.scoring.graded import Graded
from abacus.scoring.intervals import of_mean


class Reading(NamedTuple):
    """An answer to a reading question: what is scored of it, the first and all references, their likelihood."""

    question: str  # its key
    line: str
    reference: str
    references: Sequence[str]
    reference_nll: float  # nats, of all tokens of the first reference
    reference_tokens: int


class Judged(NamedTuple):
    """An answer to a problem: the problem's category, whether it is right or what of it, the working's likelihood."""

    question: str  # its key
    category: str
    strict: bool
    tolerant: bool
    graded: Graded
    reference_nll: float  # nats, of all tokens of the recipe's working
    reference_tokens: int


class Answers(NamedTuple):
    """What one checkpoint has answered."""

    step: int
    reading: list[Reading]
    math: list[Judged]
    prompt: str = "contest"  # of the reading questions


class Metric(NamedTuple):
    """A metric: its key in the files, what it is, how it is shown, and how it is computed.

    `title` is that of its column in the table; one without has none. `better` is which way is better, if any.
    `score` gives a number, or each answer's score from 0 to 100: then the metric is their mean, and has an interval.
    """

    name: str
    title: str
    unit: Literal["%", "nats", ""]
    digits: int
    better: Literal["higher", "lower", ""]
    definition: str
    score: Callable[[Answers], float | list[float]]

    @property
    def bounds(self) -> tuple[str, ...]:
        """The keys of its interval's bounds; none of what is no share."""
        return (f"{self.name}_low", f"{self.name}_high") if self.unit == "%" else ()

    def shown(self, value: float) -> str:
        """A value as the table has it."""
        return f"{value:.{self.digits}f}"


def percent(values: Iterable[float]) -> list[float]:
    """Truth values or shares from 0 to 1, in percent."""
    return [100.0 * value for value in values]


def _strict(answers: Sequence[Judged]) -> list[float]:
    return percent(one.strict for one in answers)


def _tolerant(answers: Sequence[Judged]) -> list[float]:
    return percent(one.tolerant for one in answers)


def per_token(answers: Sequence[Reading] | Sequence[Judged]) -> float:
    """The mean negative log-likelihood a reference token, in nats."""
    tokens = sum(answer.reference_tokens for answer in answers)
    if tokens <= 0:
        raise InputError("", f"the references of {len(answers)} predictions have {tokens} tokens in all")
    return sum(answer.reference_nll for answer in answers) / tokens


PROMPT = "reading_prompt"
METRICS = (
    Metric(
        "step", "step", "", 0, "",
        "optimiser steps behind the checkpoint; 0 is the base model",
        lambda answers: answers.step,
    ),
    Metric(
        "squad_f1", "SQuAD F1", "%", 2, "higher",
        "the official SQuAD v1.1 F1: words shared with the best of all references, articles and punctuation dropped",
        lambda answers: [squad_f1.f1(one.line, one.references) for one in answers.reading],
    ),
    Metric(
        "squad_em", "SQuAD EM", "%", 2, "higher",
        "the official SQuAD v1.1 exact match with any reference, articles and punctuation dropped",
        lambda answers: [squad_f1.exact_match(one.line, one.references) for one in answers.reading],
    ),
    Metric(
        "mindformers_f1", "MF F1", "%", 2, "higher",
        "F1 of MindFormers' `EmF1Metric`: longest common run of tokens, one reference; the contest's gate uses it",
        lambda answers: [mindformers_f1.f1(one.line, one.reference) for one in answers.reading],
    ),
    Metric(
        "mindformers_em", "MF EM", "%", 2, "higher",
        "exact match of MindFormers' `EmF1Metric`; never compare one definition with the other",
        lambda answers: [mindformers_f1.exact_match(one.line, one.reference) for one in answers.reading],
    ),
    Metric(
        "answer_nll", "answer NLL", "nats", 3, "lower",
        "negative log-likelihood of the reference answer given the reading prompt, a token:"
        " it moves where F1 of a small model does not",
        lambda answers: per_token(answers.reading),
    ),
    Metric(
        "squad_questions", "", "", 0, "",
        "reading questions that were asked",
        lambda answers: len(answers.reading),
    ),
    Metric(
        "squad_empty", "", "", 0, "lower",
        "reading questions that were answered by nothing",
        lambda answers: sum(not one.line for one in answers.reading),
    ),
    Metric(
        "math_strict", "math strict", "%", 2, "higher",
        "the number that the answer ends with equals what the recipe teaches, at the recipe's precision; unrounded answers exactly",
        lambda answers: _strict(answers.math),
    ),
    Metric(
        "math_tolerant", "math tolerant", "%", 2, "higher",
        "strict, or equal to the published answer at two decimals (six significant digits from a million on)",
        lambda answers: _tolerant(answers.math),
    ),
    Metric(
        "math_form", "math form", "%", 2, "higher",
        "answers laid out as the recipe's working is, whatever numbers stand in it, that come to an end and to a number",
        lambda answers: percent(one.graded.form for one in answers.math),
    ),
    Metric(
        "math_sign", "math sign", "%", 2, "higher",
        "final answers that are positive, negative or zero as the taught one is",
        lambda answers: percent(one.graded.sign for one in answers.math),
    ),
    Metric(
        "math_magnitude", "math magnitude", "%", 2, "higher",
        "final answers whose first digit stands for the same power of ten as the taught one's",
        lambda answers: percent(one.graded.magnitude for one in answers.math),
    ),
    Metric(
        "math_digits", "math digits", "%", 2, "higher",
        "share of the final answer's digits that are right before the first wrong one, where sign and magnitude are right",
        lambda answers: percent(one.graded.digits for one in answers.math),
    ),
    Metric(
        "math_nll", "math NLL", "nats", 3, "lower",
        "negative log-likelihood of the recipe's working given the problem, a token",
        lambda answers: per_token(answers.math),
    ),
    Metric(
        "math_problems", "", "", 0, "",
        "held-out problems that were asked",
        lambda answers: len(answers.math),
    ),
)  # fmt: skip


def of_words(answers: Answers) -> list[Metric]:
    """The metrics that follow from what was said alone: no likelihood and no step, and none of a part that is empty."""
    parts = {"math": answers.math, "": answers.reading}
    return [
        metric
        for metric in METRICS
        if metric.unit != "nats"
        and metric.name != "step"
        and parts["math" if metric.name.startswith("math_") else ""]
    ]


def scores(answers: Answers, metrics: Iterable[Metric] = METRICS) -> dict[str, Any]:
    """Metrics of a checkpoint by their names, the bounds of those that have an interval, and the reading prompt."""
    found: dict[str, Any] = {}
    bounds: dict[str, float] = {}
    for metric in metrics:
        score = metric.score(answers)
        if isinstance(score, list):
            found[metric.name] = fmean(score)
            bounds |= zip(metric.bounds, of_mean(score), strict=True)
        else:
            found[metric.name] = score
    return found | bounds | {PROMPT: answers.prompt}


# The columns of the accuracies by category.
ACCURACIES = {"math_strict": _strict, "math_tolerant": _tolerant}
BY_CATEGORY = (
    "category",
    "math_problems",
    *(f"{name}{end}" for name in ACCURACIES for end in ("", "_low", "_high")),
)


def by_category(math: Sequence[Judged], names: Iterable[str]) -> list[dict[str, str | int | float]]:
    """The accuracies, and their intervals, of each of the categories `names` that was asked for: a row each."""
    rows: list[dict[str, str | int | float]] = []
    for name in names:
        group = [one for one in math if one.category == name]
        if group:
            each = [score(group) for score in ACCURACIES.values()]
            values = [value for score in each for value in (fmean(score), *of_mean(score))]
            rows.append(dict(zip(BY_CATEGORY, (name, len(group), *values), strict=True)))
    return rows
