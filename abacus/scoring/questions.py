"""Each question and whether it was answered exactly, a row each: what two checkpoints, or two versions, are compared by.

`metrics/answers/N.csv` is small and git keeps it, so a version whose predictions are in no cache can be compared too.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from abacus.core.documents import parse_csv, read_text
from abacus.core.errors import InputError
from abacus.scoring.metrics import METRICS, Answers

FOLDER = Path("metrics/answers")
# The metrics by which an answer is right or wrong, and the part of the evaluation that they are of.
READING = "reading"  # it also stands for the category of a reading question
EXACT = {"math_strict": "math", "math_tolerant": "math", "squad_em": READING, "mindformers_em": READING}
COLUMNS = ("question", "category", *EXACT)
EXPECTED = "each question's answer (run `make eval`)"
LIMIT = 0.05  # of p: from there on nothing is said to differ
LEAST = 0.001  # p that is printed
TITLES = {metric.name: metric.title for metric in METRICS}


class Outcome(NamedTuple):
    """The category of a question, and whether its answer is right, by metric."""

    category: str
    right: dict[str, bool]


Outcomes = dict[str, Outcome]  # by the question's key


def rows(answers: Answers) -> list[dict[str, Any]]:
    """The rows of the file: 1 for right, 0 for wrong, blank for a metric of the other part."""
    keys = {
        "math": [one.question for one in answers.math],
        READING: [one.question for one in answers.reading],
    }
    found: dict[str, dict[str, Any]] = {one.question: {"category": one.category} for one in answers.math}
    found |= {key: {"category": READING} for key in keys[READING]}
    for metric in METRICS:
        if part := EXACT.get(metric.name):
            scored = metric.score(answers)
            assert isinstance(scored, list)
            for key, score in zip(keys[part], scored, strict=True):
                found[key][metric.name] = int(score == 100)
    return [{"question": key, **row} for key, row in found.items()]


def read(path: Path) -> Outcomes:
    """Read a checkpoint's file; InputError names it, and the line, if it is not as stage evaluate writes it."""
    return parse(read_text(path, EXPECTED), path)


def read_all(folder: Path, numbers: list[int]) -> dict[int, Outcomes]:
    """Read the files of these checkpoints, by number."""
    return {number: read(folder / f"{number}.csv") for number in numbers}


def parse(text: str, place: object) -> Outcomes:
    """Read the text of such a file, which is called `place`."""
    found: Outcomes = {}
    for line, row in enumerate(parse_csv(text, place, COLUMNS, EXPECTED), 2):
        right = {name: row[name] == "1" for name in EXACT if row[name]}
        if row["question"] in found or not right or any(row[name] not in ("", "0", "1") for name in EXACT):
            raise InputError(f"{place}, line {line}", "a question twice, or no 0 and no 1", EXPECTED)
        found[row["question"]] = Outcome(row["category"], right)
    return found


class Paired(NamedTuple):
    """Two answers to each of the same questions: how many, how many right before and now, gained, lost."""

    questions: int
    before: int
    now: int
    gained: int
    lost: int

    @property
    def p(self) -> float:
        """How likely a difference as large as this is if gain and loss are equally likely."""
        return mcnemar(self.gained, self.lost)

    @property
    def verdict(self) -> str:
        """What may be said of it."""
        if self.p >= LIMIT:
            return "not distinguishable"
        return "better" if self.gained > self.lost else "worse"


def mcnemar(gained: int, lost: int) -> float:
    """The two-sided p of McNemar's exact test: of the questions whose answer changed, half would have been gained.

    Source: Q. McNemar 1947, https://doi.org/10.1007/BF02295996; exact as a binomial test. 1 where nothing has changed.
    """
    if not gained + lost:
        return 1.0
    from scipy.stats import binomtest  # a second to import: only where it is needed

    return float(binomtest(gained, gained + lost).pvalue)


def pair(old: Outcomes, new: Outcomes) -> Iterator[tuple[str, Paired]]:
    """Yield each exact metric with its comparison on the questions that both were asked; none that has none."""
    for metric in EXACT:
        both = [
            (old[key].right[metric], outcome.right[metric])
            for key, outcome in new.items()
            if metric in outcome.right and key in old and metric in old[key].right
        ]
        if both:
            before, now = (sum(values) for values in zip(*both, strict=True))
            gained, lost = both.count((False, True)), both.count((True, False))
            yield metric, Paired(len(both), before, now, gained, lost)


def asked(outcomes: Outcomes, metric: str) -> int:
    """How many questions of a metric's part there are."""
    return sum(metric in outcome.right for outcome in outcomes.values())


def comparison(pairs: Mapping[str, tuple[Outcomes, Outcomes]]) -> list[list[str]]:
    """Return a table's rows, titles first: each metric of two checkpoints or versions, by the pair's name.

    Shares are of the questions that both were asked; where these are not all, the row says of how many.
    """
    table = [["checkpoint", "accuracy", "questions", "before", "now", "gained", "lost", "p", "so it is"]]
    for name, (old, new) in pairs.items():
        for metric, one in pair(old, new):
            most = max(asked(old, metric), asked(new, metric))
            count = str(one.questions) if one.questions == most else f"{one.questions} of {most}"
            shares = (f"{100 * right / one.questions:.2f}" for right in (one.before, one.now))
            p = f"{one.p:.3f}" if one.p >= LEAST else f"< {LEAST}"
            changed = str(one.gained), str(one.lost), p, one.verdict
            table.append([name, TITLES[metric], count, *shares, *changed])
    return table
