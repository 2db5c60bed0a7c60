"""The scores of what others have made: written as ours are, and printed beside ours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from abacus.core.documents import read_json, write_csv, write_json
from abacus.core.errors import InputError
from abacus.core.files import replacing
from abacus.others.asked import Given, Test, predictions
from abacus.problems.categories import CATEGORIES
from abacus.problems.recipe import Recipe
from abacus.scoring import questions, summary, tables
from abacus.scoring.checkpoint import judge, understand
from abacus.scoring.metrics import Answers, by_category, of_words, scores
from abacus.scoring.questions import Outcomes

FOLDER = Path("metrics/others")
UNKNOWN = "unknown"  # by which prompt others have asked
SOURCE = "source"


class Places(NamedTuple):
    """Where the scores of one of the others stand."""

    scores: Path
    categories: Path
    answers: Path


def places(name: str, folder: Path = FOLDER) -> Places:
    """The files of what is called `name`."""
    return Places(folder / f"{name}.json", folder / f"{name}-categories.csv", folder / f"{name}-answers.csv")


def check_free(to: Places, source: str, replace: bool) -> None:
    """Raise InputError where the scores of something else stand."""
    if to.scores.is_file() and not replace:
        said = read_json(to.scores, "the scores of another system").get(SOURCE)
        if said != source:
            raise InputError(to.scores, f"has the scores of {said}", "another NAME, or REPLACE=1")


def score(test: Test, given: Given, recipe: Recipe, partial: bool) -> tuple[Answers, dict[str, Any]]:
    """The answers judged, and their metrics with how many of the test's questions were answered."""
    math, reading = predictions(test, given, partial)
    answers = Answers(0, understand(reading), judge(math, recipe), UNKNOWN)
    return answers, scores(answers, of_words(answers)) | {
        "math_answered": len(given.math),
        "math_asked": len(test.math),
        "squad_answered": len(given.reading),
        "squad_asked": len(test.reading),
    }


def write(to: Places, answers: Answers, found: dict[str, Any]) -> None:
    """Write the scores, those by category and each question's outcome."""
    with replacing(to.scores) as out, replacing(to.categories) as kinds, replacing(to.answers) as each:
        write_json(out, found)
        if answers.math:
            write_csv(kinds, by_category(answers.math, [one.name for one in CATEGORIES]))
        else:
            kinds.touch()
        write_csv(each, questions.rows(answers), questions.COLUMNS)


class Ours(NamedTuple):
    """Our checkpoints that others are compared with: metrics and outcomes of the base model and of the best one."""

    metrics: dict[int, dict[str, Any]]
    outcomes: dict[int, Outcomes]


def read_ours(numbers: list[int], asked: Outcomes) -> Ours:
    """The base model and the best checkpoint; none where they are not there, or were asked other questions."""
    if not all((summary.FOLDER / f"{number}.json").is_file() for number in numbers):
        return Ours({}, {})
    metrics = summary.read_metrics(summary.FOLDER, numbers)
    outcomes = questions.read_all(questions.FOLDER, numbers)
    if not asked.keys() <= outcomes[0].keys():
        return Ours({}, {})
    kept = (0, summary.choose(metrics).number)
    return Ours({n: metrics[n] for n in kept}, {n: outcomes[n] for n in kept})


def printed(name: str, found: Mapping[str, Any], theirs: Outcomes, ours: Ours) -> str:
    """The tables of one of the others, beside ours."""
    both: dict[int | str, Mapping[str, Any]] = {**ours.metrics, name: found}
    pairs = {f"{name} against {n}": (outcomes, theirs) for n, outcomes in ours.outcomes.items()}
    parts = {
        "Percent, with 95 % intervals:": tables.table(both),
        "What moves sooner:": tables.finer(both),
        "Against ours, on the same questions (McNemar's exact test):": questions.comparison(pairs),
        "By category:": tables.categories(ours.outcomes.get(0, {}), theirs, name),
    }
    return "\n".join(f"{title}\n\n{tables.aligned(rows)}\n" for title, rows in parts.items() if len(rows) > 1)


def answered(given: Given, test: Test, partial: bool) -> list[str]:
    """How many of the test's questions were answered, and what becomes of the others; a line each."""
    parts = {
        "problems": (len(given.math), len(test.math)),
        "reading questions": (len(given.reading), len(test.reading)),
    }
    how = "are left out (PARTIAL=1)" if partial else "count as wrong; PARTIAL=1 leaves them out"
    lines = []
    for what, (some, every) in parts.items():
        rest = f"the other {every - some} {how}" if some else "they are not scored"
        lines.append(f"{some} of {every} {what} answered" + (f"; {rest}" if some < every else ""))
    if given.left_out:
        lines.append(f"{given.left_out} answers to questions that the limits of params.yaml leave out")
    return lines
