"""Every question with what each checkpoint answered, for the page's browser of answers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from abacus.scoring.checkpoint import MATH, READING, keys, read_predictions
from abacus.scoring.questions import EXACT, Outcomes
from abacus.scoring.questions import READING as ASKED_TO_READ
from abacus.scoring.summary import GATED

PARTS = {"math": ("math.jsonl", MATH, "question"), ASKED_TO_READ: ("squad.jsonl", READING, "id")}
ENDED = 4  # beside the bits 1 and 2 of the part's two exact metrics
COUNTS = ("math_strict", *GATED.values())  # of the two, the one that a run is judged by


class Question(NamedTuple):
    """A question, its references, its length in tokens with the reference, and the completions by checkpoint."""

    key: str
    part: str
    text: str
    references: list[str]
    tokens: int
    said: dict[int, tuple[str, bool]]  # completion, and whether the model ended it itself


def read_questions(folder: Path, numbers: list[int]) -> list[Question]:
    """Read what stage predict has left of these checkpoints, problems first; nothing where no file is."""
    found: dict[tuple[str, str], Question] = {}
    for part, (name, wanted, once) in PARTS.items():
        for number in numbers:
            path = folder / str(number) / name
            rows = read_predictions(path, wanted, once) if path.is_file() else []
            for key, row in zip(keys(rows), rows, strict=True):
                one = found.setdefault((part, key), _question(part, key, row))
                one.said[number] = row["completion"], row["ended"]
    return list(found.values())


def _question(part: str, key: str, row: Mapping[str, Any]) -> Question:
    tokens = row.get("prompt_tokens", 0) + row["reference_tokens"]
    return Question(key, part, row["question"], row.get("references", [row.get("reference", "")]), tokens, {})


def metrics_of(part: str) -> list[str]:
    """The metrics by which an answer of a part is right or wrong: first the one that counts."""
    return sorted((name for name, of in EXACT.items() if of == part), key=lambda name: name not in COUNTS)


def bits(outcomes: Mapping[int, Outcomes], number: int, question: Question, ended: bool) -> int:
    """What is right of an answer: 1 and 2 for its part's metrics, 4 if it was not cut."""
    outcome = outcomes.get(number, {}).get(question.key)
    right = outcome.right if outcome else {}
    return sum(1 << place for place, name in enumerate(metrics_of(question.part)) if right.get(name)) + (
        ENDED if ended else 0
    )


def listed(
    questions: list[Question], outcomes: Mapping[int, Outcomes], numbers: list[int]
) -> Iterator[dict[str, Any]]:
    """What the browser of answers reads of each question; null for a checkpoint that was not asked."""
    for one in questions:
        category = next((o[one.key].category for o in outcomes.values() if one.key in o), one.part)
        answers = [
            [one.said[n][0], bits(outcomes, n, one, one.said[n][1])] if n in one.said else None
            for n in numbers
        ]
        yield {"p": one.part, "c": category, "q": one.text, "r": one.references, "a": answers}
