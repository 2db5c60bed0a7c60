"""`abacus/scoring/squad_f1.py`, and the reading set that the repository brings along."""

import copy
import json
from pathlib import Path

import pytest

from abacus.data import squad as reading
from abacus.scoring import squad_f1 as squad

READING = Path(__file__).parents[2] / "data" / "reading" / "reading-v1.1.json"


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("The  Bay of\tFundy.", "bay of fundy"),
        ("an A4 sheet", "a4 sheet"),  # an article is a whole word
        ("Bell-Rock's", "bellrocks"),  # punctuation goes without leaving a space
        ("theatre", "theatre"),
        ("a.", ""),
        ("1,435 mm", "1435 mm"),
        ("“ash”", "“ash”"),  # only ASCII punctuation
    ],
)
def test_normalise(text, normalised):
    assert squad.normalise(text) == normalised


@pytest.mark.parametrize(
    ("prediction", "references", "exact_match", "f1"),
    [
        ("the Moon", ("Moon",), 100.0, 100.0),
        ("Osaka and Tokyo", ("Tokyo and Osaka",), 0.0, 100.0),  # a bag has no order
        ("sixteen metres", ("sixteen",), 0.0, 100 * 2 / 3),  # P = 1/2, R = 1
        ("bay", ("the Bay of Fundy",), 0.0, 50.0),  # P = 1, R = 1/3
        ("ash ash ash", ("ash ash lava",), 0.0, 100 * 2 / 3),  # repeats count: P = R = 2/3
        ("magma", ("lava", "ash"), 0.0, 0.0),
        ("Lord Kelvin", ("William Thomson", "Kelvin", "lord kelvin"), 100.0, 100.0),
        ("Lord Kelvin", ("William Thomson", "Kelvin"), 0.0, 100 * 2 / 3),  # the best counts
        ("", ("lava",), 0.0, 0.0),
        ("the", ("a",), 100.0, 0.0),  # nothing is left of either: as in the original
    ],
)
def test_metric(prediction, references, exact_match, f1):
    assert squad.exact_match(prediction, references) == exact_match
    assert squad.f1(prediction, references) == pytest.approx(f1, abs=1e-12)


def question(name: str, *answers: str) -> dict:
    spans = [{"text": answer, "answer_start": 0} for answer in answers]
    return {"id": name, "question": f"Which {name}?", "answers": spans}


@pytest.fixture
def document() -> dict:
    return {
        "version": "1.1",
        "data": [
            {
                "title": "Sea",
                "paragraphs": [
                    {"context": "Ebb.", "qas": [question("a", "Ebb", "Ebb."), question("b", "Ebb")]}
                ],
            },
            {"title": "Sky", "paragraphs": [{"context": "Rain.", "qas": [question("c", "Rain")]}]},
        ],
    }


def test_first_question_of_each_paragraph_with_all_its_answers(document):
    assert reading.questions(document, "some.json") == [
        reading.Question("a", "Ebb.", "Which a?", ("Ebb", "Ebb.")),
        reading.Question("c", "Rain.", "Which c?", ("Rain",)),
    ]


PARAGRAPH = ("data", 1, "paragraphs", 0)
FIRST = (*PARAGRAPH, "qas", 0)
MISSING = object()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("data",), MISSING, "data: missing, expected a non-empty list"),
        (("data",), {}, "data: found {}, expected a non-empty list"),
        (("data",), [], "data: found [], expected a non-empty list"),
        (("data", 1), "Sky", "data[1]: found 'Sky', expected an object"),
        (
            ("data", 1, "paragraphs"),
            MISSING,
            "data[1].paragraphs: missing, expected a non-empty list",
        ),
        (
            (*PARAGRAPH, "context"),
            MISSING,
            "data[1].paragraphs[0].context: missing, expected a string",
        ),
        (
            (*PARAGRAPH, "context"),
            None,
            "data[1].paragraphs[0].context: found None, expected a string",
        ),
        (
            (*PARAGRAPH, "qas"),
            [],
            "data[1].paragraphs[0].qas: found [], expected a non-empty list",
        ),
        (
            (*PARAGRAPH, "qas"),
            MISSING,
            "data[1].paragraphs[0].qas: missing, expected a non-empty list",
        ),
        (FIRST, [], "data[1].paragraphs[0].qas[0]: found [], expected an object"),
        (
            (*FIRST, "id"),
            7,
            "data[1].paragraphs[0].qas[0].id: found 7, expected a string",
        ),
        (
            (*FIRST, "id"),
            "a",
            "data[1].paragraphs[0].qas[0].id: found 'a' again, expected unique ids",
        ),
        (
            (*FIRST, "question"),
            MISSING,
            "data[1].paragraphs[0].qas[0].question: missing, expected a string",
        ),
        (
            (*FIRST, "answers"),
            [],
            "data[1].paragraphs[0].qas[0].answers: found [], expected a non-empty list",
        ),
        (
            (*FIRST, "answers"),
            ["Rain"],
            "data[1].paragraphs[0].qas[0].answers[0]: found 'Rain', expected an object",
        ),
        (
            (*FIRST, "answers", 0, "text"),
            12,
            "data[1].paragraphs[0].qas[0].answers[0].text: found 12, expected a string",
        ),
        (
            (*FIRST, "answers", 0, "text"),
            MISSING,
            "data[1].paragraphs[0].qas[0].answers[0].text: missing, expected a string",
        ),
    ],
)
def test_malformed_document(document, place, value, message):
    broken = copy.deepcopy(document)
    holder = broken
    for step in place[:-1]:
        holder = holder[step]
    if value is MISSING:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    with pytest.raises(ValueError) as error:
        reading.questions(broken, "some.json")
    assert str(error.value) == f"some.json: {message}"


def test_document_that_is_no_object():
    with pytest.raises(ValueError) as error:
        reading.questions(["data"], "some.json")
    assert str(error.value) == "some.json: document: found ['data'], expected an object"


def test_what_was_found_stays_on_one_short_line(document):
    document["data"][0]["paragraphs"] = "a\nlong text " * 1000
    with pytest.raises(ValueError) as error:
        reading.questions(document, "some.json")
    assert "\n" not in str(error.value) and len(str(error.value)) < 150


@pytest.fixture(scope="module")
def embedded() -> dict:
    return json.loads(READING.read_text(encoding="utf-8"))


def test_reading_set_is_complete(embedded):
    paragraphs = [len(article["paragraphs"]) for article in embedded["data"]]
    chosen = reading.questions(embedded, READING.name)
    assert (embedded["version"], paragraphs, len(chosen)) == ("1.1", [8] * 8, 64)
    assert all(squad.normalise(answer) for one in chosen for answer in one.answers)


def test_reading_set_has_sound_paragraphs_and_ids(embedded):
    paragraphs = [one for article in embedded["data"] for one in article["paragraphs"]]
    ids = [one["id"] for paragraph in paragraphs for one in paragraph["qas"]]
    assert len(ids) == len(set(ids)) == 128
    assert len({paragraph["context"] for paragraph in paragraphs}) == 64
    for paragraph in paragraphs:
        assert 60 <= len(paragraph["context"].split()) <= 100, paragraph["context"]


def test_every_answer_is_the_span_at_its_start(embedded):
    for article in embedded["data"]:
        for paragraph in article["paragraphs"]:
            for one in paragraph["qas"]:
                assert 1 <= len(one["answers"]) <= 3, one["id"]
                for answer in one["answers"]:
                    text, start = answer["text"], answer["answer_start"]
                    assert paragraph["context"][start : start + len(text)] == text, one["id"]
                    assert 1 <= len(text.split()) <= 5, one["id"]
