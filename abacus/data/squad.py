"""The reader of the SQuAD v1.1 format: the first question of each paragraph, with all its answers."""

import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abacus.core.documents import read_json
from abacus.core.errors import InputError

PLACE = Path("data/squad/dev-v1.1.json")  # of the real file, see `make squad`
EXPECTED: dict[type, str] = {dict: "an object", list: "a non-empty list", str: "a string"}


@dataclass(frozen=True)
class Question:
    """A question about `context`; the first of `answers` is the reference of `em_f1`."""

    id: str
    context: str
    question: str
    answers: tuple[str, ...]


def read_questions(path: Path) -> list[Question]:
    """The questions of a SQuAD v1.1 file; InputError names the file for all that `questions` refuses."""
    return questions(read_json(path, "a SQuAD v1.1 file"), str(path))


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
                raise InputError(f"{where}id", f"found {one.id!r} again", "unique ids")
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


def _objects(holder: dict[str, Any], key: str, where: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Each object of the list `holder[key]`, and the prefix that names its members."""
    for index, item in enumerate(_member(holder, key, list, where)):
        place = f"{where}{key}[{index}]"
        yield _typed(item, dict, place), f"{place}."


def _member(holder: dict[str, Any], key: str, kind: type, where: str) -> Any:
    if key not in holder:
        raise InputError(f"{where}{key}", "missing", EXPECTED[kind])
    return _typed(holder[key], kind, f"{where}{key}")


def _typed(value: Any, kind: type, place: str) -> Any:
    """`value` if it is of this kind and, should it be a list, not empty."""
    if not isinstance(value, kind) or value == []:
        raise InputError(place, f"found {reprlib.repr(value)}", EXPECTED[kind])
    return value
