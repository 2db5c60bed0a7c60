"""The official SQuAD v1.1 metric for one answer, and the reader of the SQuAD v1.1 format.

This is the metric the rest of the world reports: a bag of tokens without articles and punctuation,
best of all references. The score of a set is the plain mean.

Source: the evaluation script v1.1 linked from https://rajpurkar.github.io/SQuAD-explorer/, and
Rajpurkar et al. 2016, https://arxiv.org/abs/1606.05250, section 6.1.
"""

import json
import re
import reprlib
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.command import InputError

PUNCTUATION = str.maketrans("", "", string.punctuation)
ARTICLE = re.compile(r"\b(?:a|an|the)\b")
EXPECTED = {dict: "an object", list: "a non-empty list", str: "a string"}


@dataclass(frozen=True)
class Question:
    """A question about `context`; the first of `answers` is the reference of `em_f1`."""

    id: str
    context: str
    question: str
    answers: tuple[str, ...]


def normalise(text: str) -> str:
    """`text` in lower case without ASCII punctuation and articles, its words one space apart."""
    bare = text.lower().translate(PUNCTUATION)
    return " ".join(ARTICLE.sub(" ", bare).split())


def exact_match(prediction: str, references: Sequence[str]) -> float:
    """100.0 if the prediction equals any of the references once normalised, else 0.0."""
    return max(100.0 * (normalise(prediction) == normalise(one)) for one in references)


def f1(prediction: str, references: Sequence[str]) -> float:
    """F1 in percent (0 to 100) of the words shared with the best matching reference."""
    return max(_f1(prediction, one) for one in references)


def _f1(prediction: str, reference: str) -> float:
    predicted, expected = normalise(prediction).split(), normalise(reference).split()
    shared = (Counter(predicted) & Counter(expected)).total()
    if shared == 0:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(expected)
    return 100.0 * (2 * precision * recall / (precision + recall))


def read_questions(path: Path) -> list[Question]:
    """The questions of a SQuAD v1.1 file; InputError names the file for all that `questions` refuses."""
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a SQuAD v1.1 file")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start + 1} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from None
    return questions(document, str(path))


def questions(document: dict[str, Any], source: str) -> list[Question]:
    """The first question of each paragraph of a SQuAD v1.1 document, with all its answers.

    A document that is not in the format raises InputError: `source`, the place in it, what was
    found there and what was expected. So does an id that two of the questions share.
    """
    found: dict[str, Question] = {}
    _typed(document, dict, f"{source}: document")
    for article, in_article in _objects(document, "data", f"{source}: "):
        for paragraph, in_paragraph in _objects(article, "paragraphs", in_article):
            one, where = _first_question(paragraph, in_paragraph)
            if one.id in found:
                raise InputError(f"{where}id: found {one.id!r} again, expected unique ids")
            found[one.id] = one
    return list(found.values())


def _first_question(paragraph: dict[str, Any], where: str) -> tuple[Question, str]:
    """The first question of a paragraph, and where it stands."""
    context = _member(paragraph, "context", str, where)
    first, in_first = next(_objects(paragraph, "qas", where))
    answers = _objects(first, "answers", in_first)
    question = Question(
        id=_member(first, "id", str, in_first),
        context=context,
        question=_member(first, "question", str, in_first),
        answers=tuple(_member(one, "text", str, place) for one, place in answers),
    )
    return question, in_first


def _objects(holder: dict[str, Any], key: str, where: str) -> Iterator[tuple[dict, str]]:
    """Each object of the list `holder[key]`, and the prefix that names its members."""
    for index, item in enumerate(_member(holder, key, list, where)):
        place = f"{where}{key}[{index}]"
        yield _typed(item, dict, place), f"{place}."


def _member(holder: dict[str, Any], key: str, kind: type, where: str) -> Any:
    if key not in holder:
        raise InputError(f"{where}{key}: missing, expected {EXPECTED[kind]}")
    return _typed(holder[key], kind, f"{where}{key}")


def _typed(value: Any, kind: type, place: str) -> Any:
    """`value` if it is of this kind and, should it be a list, not empty."""
    if not isinstance(value, kind) or value == []:
        raise InputError(f"{place}: found {reprlib.repr(value)}, expected {EXPECTED[kind]}")
    return value
