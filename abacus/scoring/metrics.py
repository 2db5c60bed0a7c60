"""What is measured of a checkpoint: one row a metric. Evaluation, table, plots and README follow from it.

A metric of one's own is a module that computes it and a row here.
"""

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Literal, NamedTuple

from abacus.core.errors import InputError
from abacus.scoring import mindformers_f1, squad_f1


class Reading(NamedTuple):
    """An answer to a reading question: what is scored of it, the first and all references, their likelihood."""

    line: str
    reference: str
    references: Sequence[str]
    reference_nll: float  # nats, of all tokens of the first reference
    reference_tokens: int


class Judged(NamedTuple):
    """An answer to a problem: the problem's category, whether it is right, the likelihood of the working."""

    category: str
    strict: bool
    tolerant: bool
    reference_nll: float  # nats, of all tokens of the recipe's working
    reference_tokens: int


class Answers(NamedTuple):
    """What one checkpoint has answered."""

    step: int
    reading: list[Reading]
    math: list[Judged]


class Metric(NamedTuple):
    """A metric: its key in the files, what it is, how it is shown, and how it is computed.

    `title` is that of its column in the table; one without has none. `better` is which way is better, if any.
    """

    name: str
    title: str
    unit: Literal["%", "nats", ""]
    digits: int
    better: Literal["higher", "lower", ""]
    definition: str
    score: Callable[[Answers], float]

    def shown(self, value: float) -> str:
        """A value as the table has it."""
        return f"{value:.{self.digits}f}"


def percent(values: Iterable[bool]) -> float:
    """The share of true values, in percent."""
    return 100.0 * fmean(values)


def _strict(answers: Sequence[Judged]) -> float:
    return percent(one.strict for one in answers)


def _tolerant(answers: Sequence[Judged]) -> float:
    return percent(one.tolerant for one in answers)


def per_token(answers: Sequence[Reading] | Sequence[Judged]) -> float:
    """The mean negative log-likelihood a reference token, in nats."""
    tokens = sum(answer.reference_tokens for answer in answers)
    if tokens <= 0:
        raise InputError("", f"the references of {len(answers)} predictions have {tokens} tokens in all")
    return sum(answer.reference_nll for answer in answers) / tokens


METRICS = (
    Metric(
        "step", "step", "", 0, "",
        "optimiser steps behind the checkpoint; 0 is the base model",
        lambda answers: answers.step,
    ),
    Metric(
        "squad_f1", "SQuAD F1", "%", 2, "higher",
        "the official SQuAD v1.1 F1: words shared with the best of all references, articles and punctuation dropped",
        lambda answers: fmean(squad_f1.f1(one.line, one.references) for one in answers.reading),
    ),
    Metric(
        "squad_em", "SQuAD EM", "%", 2, "higher",
        "the official SQuAD v1.1 exact match with any reference, articles and punctuation dropped",
        lambda answers: fmean(squad_f1.exact_match(one.line, one.references) for one in answers.reading),
    ),
    Metric(
        "mindformers_f1", "MF F1", "%", 2, "higher",
        "F1 of MindFormers' `EmF1Metric`: longest common run of tokens, one reference; the contest's gate uses it",
        lambda answers: fmean(mindformers_f1.f1(one.line, one.reference) for one in answers.reading),
    ),
    Metric(
        "mindformers_em", "MF EM", "%", 2, "higher",
        "exact match of MindFormers' `EmF1Metric`; never compare one definition with the other",
        lambda answers: fmean(mindformers_f1.exact_match(one.line, one.reference) for one in answers.reading),
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


def scores(answers: Answers) -> dict[str, float]:
    """Every metric of a checkpoint by its name."""
    return {metric.name: metric.score(answers) for metric in METRICS}


# The columns of the accuracies by category.
BY_CATEGORY = ("category", "math_problems", "math_strict", "math_tolerant")


def by_category(math: Sequence[Judged], names: Iterable[str]) -> list[dict[str, str | int | float]]:
    """The accuracies of each of the categories `names` that was asked for: a row each."""
    groups = {name: [one for one in math if one.category == name] for name in names}
    return [
        dict(zip(BY_CATEGORY, (name, len(group), _strict(group), _tolerant(group)), strict=True))
        for name, group in groups.items()
        if group
    ]
