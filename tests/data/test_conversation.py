"""Conversation files: what is read, and what is refused, with what was found and what was expected."""

import json
from random import Random

import pytest

from abacus.core.errors import InputError
from abacus.data import conversation as module
from abacus.data.conversation import Turn, about, conversation, converse, read_turns, spans, turns_of
from abacus.data.rows import WHOLE, Row

ASK, SAY = "计算 1.00 + 2.00 等于多少？", "计算过程：1.00 + 2.00 = 3"
HUMAN, GPT = {"from": "human", "value": ASK}, {"from": "gpt", "value": SAY}
GOOD = {"id": "1", "conversations": [HUMAN, GPT]}
TWO = "expected two, from 'human' and from 'gpt'"
FORM = "expected an object with 'id' and 'conversations'"
TURN = "expected an object with 'from' and 'value'"


def read(tmp_path, document):
    path = tmp_path / "talk.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return read_turns(path)


@pytest.mark.parametrize(
    "one",
    [
        GOOD,
        GOOD | {"id": 1},
        GOOD | {"conversations": [HUMAN | {"from": "user"}, GPT | {"from": "assistant"}]},
        GOOD | {"conversations": [HUMAN | {"from": "user"}, GPT]},
    ],
)
def test_what_is_common_is_read(tmp_path, one):
    assert read(tmp_path, [one]) == [Turn("1", ASK, SAY)]


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (5, f"is 5, {FORM}"),
        ([GOOD], "is [{"),
        ({}, f"is an empty object, {FORM}"),
        ({"id": "1"}, f"has the keys 'id' and no 'conversations', {FORM}"),
        ({"conversations": [HUMAN, GPT]}, f"has the keys 'conversations' and no 'id', {FORM}"),
        (
            {"id": "1", "messages": [HUMAN, GPT]},
            f"has the keys 'id', 'messages' and no 'conversations', {FORM}",
        ),
        (GOOD | {"id": None}, "id is null, expected a text or a whole number"),
        (GOOD | {"id": True}, "id is true, expected a text or a whole number"),
        (GOOD | {"id": 1.5}, "id is 1.5, expected a text or a whole number"),
        (GOOD | {"system": "一步一步算"}, f"has a key 'system', {FORM}; it would be ignored"),
        (GOOD | {"weight": 2}, f"has a key 'weight', {FORM}; it would be ignored"),
        (GOOD | {"conversations": {}}, "conversations is {}, expected a list of two turns"),
        (GOOD | {"conversations": []}, f"0 turns, {TWO}"),
        (GOOD | {"conversations": [HUMAN]}, f"1 turns, from 'human', {TWO}"),
        (
            GOOD | {"conversations": [{"from": "system", "value": "x"}, HUMAN, GPT]},
            f"3 turns, from 'system', 'human', 'gpt', {TWO}",
        ),
        (GOOD | {"conversations": [HUMAN, GPT] * 2}, f"4 turns, from 'human', 'gpt', 'human', 'gpt', {TWO}"),
        (GOOD | {"conversations": [GPT, HUMAN]}, "turn 1 is from 'gpt', expected 'human' or 'user'"),
        (GOOD | {"conversations": [HUMAN, HUMAN]}, "turn 2 is from 'human', expected 'gpt' or 'assistant'"),
        (
            GOOD | {"conversations": [HUMAN | {"from": 1}, GPT]},
            "turn 1 is from 1, expected 'human' or 'user'",
        ),
        (GOOD | {"conversations": [ASK, SAY]}, f"turn 1 is '{ASK}', {TURN}"),
        (
            GOOD | {"conversations": [{"role": "user", "content": ASK}, GPT]},
            f"turn 1 has the keys 'role', 'content' and no 'from', {TURN}",
        ),
        (
            GOOD | {"conversations": [HUMAN, GPT | {"loss": 0}]},
            f"turn 2 has a key 'loss', {TURN}; it would be ignored",
        ),
        (GOOD | {"conversations": [HUMAN | {"value": 3}, GPT]}, "the value of turn 1 is 3, expected a text"),
        (
            GOOD | {"conversations": [HUMAN, GPT | {"value": None}]},
            "the value of turn 2 is null, expected a text",
        ),
        (
            GOOD | {"conversations": [HUMAN | {"value": " \n"}, GPT]},
            "the value of turn 1 is blank, expected a text",
        ),
        (
            GOOD | {"conversations": [HUMAN, GPT | {"value": ""}]},
            "the value of turn 2 is blank, expected a text; it would teach to say nothing",
        ),
    ],
)
def test_what_is_refused_is_said(tmp_path, one, says):
    with pytest.raises(InputError) as caught:
        read(tmp_path, [GOOD, one])
    assert str(caught.value).startswith(f"{tmp_path / 'talk.json'}, conversation 2: {says}")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "is an empty array, expected a JSON array of conversations"),
        (GOOD, "begins with an object, expected a JSON array of conversations; "),
        (json.dumps(GOOD) + "\n" + json.dumps(GOOD), "begins with an object, expected a JSON array"),
        ("5", "found 5, expected a JSON array of conversations"),
    ],
)
def test_another_file_is_called_what_it_is(tmp_path, document, says):
    with pytest.raises(InputError) as caught:
        read(tmp_path, document)
    assert str(caught.value).startswith(f"{tmp_path / 'talk.json'}: {says}")


def test_a_key_twice_is_refused(tmp_path):
    text = json.dumps([GOOD])[:-2] + ',\n "id": "2"}]'
    with pytest.raises(InputError, match="line 2: key 'id' stands twice in an object"):
        read(tmp_path, text)


ROWS = [Row(n, f"计算 {n}.00 + 2.00 等于多少？", f"计算过程：{n}.00 + 2.00 = {n + 2}") for n in range(1, 61)]
STRANGE = [
    "a\nb",
    'say "1"',
    "back\\slash",
    "  },\n  {",
    "}, {",
    " x ",
    "a\u2028b",
    "\x7f",
    "\U0001f9ee",
    "一" * 900,
]


def written(rows, indent=2):
    """The text of a file of these rows, as `json.dumps` lays it out."""
    found = [conversation(str(row.line), row.problem, row.solution) for row in rows]
    return json.dumps(found, ensure_ascii=False, indent=indent)


@pytest.fixture
def in_spans(tmp_path, monkeypatch):
    """Read a text as a file by its spans, of some hundred bytes: how many they are, and the turns."""
    monkeypatch.setattr(module, "SPAN", 700)
    path = tmp_path / "talk.json"

    def read(text):
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        found = spans(path)
        return len(found), [turn for span in found for turn in turns_of(path, span)]

    read.path = path
    return read


def test_spans_make_up_the_file_however_it_is_laid_out(in_spans):
    strange = [Row(n, text, text[::-1]) for n, text in enumerate(STRANGE * 4, 1)]
    for texts in (ROWS, strange, [*ROWS, *strange], ROWS[:1]):
        rows = [row._replace(line=number) for number, row in enumerate(texts, 1)]
        turns = [Turn(str(row.line), row.problem, row.solution) for row in rows]
        assert "".join(converse(rows)) == written(rows)
        for indent in (2, None, 0, 4, "\t"):
            count, found = in_spans(written(rows, indent))
            assert found == turns == read_turns(in_spans.path)
            assert (count > 5) == (indent == 2 and len(rows) > 1)
        assert in_spans(written(rows).replace("\n", "\r\n")) == (1, turns)
        assert in_spans(f" {written(rows)}\n")[1] == turns
        # A word that an end of what is read at a time cuts in two is not counted.
        assert 0.9 * len(rows) - 1 <= about(in_spans.path) <= len(rows)


def test_a_damaged_file_is_as_wrong_in_spans_as_it_is_whole(in_spans):
    """What a file holds never depends on where it is cut: it is refused both times, or the same comes out."""
    random, refused = Random(7), 0
    good = written(ROWS).encode("utf-8")
    parts = [
        b"\n  },\n  {",
        b"\n]",
        b"[\n",
        b",",
        b"}",
        b'"',
        b"\\",
        b"\xff",
        b"\n",
        b" ",
        b"1",
        b"[[",
        b'"id": "2",',
    ]
    for _ in range(600):
        at = random.randrange(len(good))
        cut = random.choice([0, 0, 1, 2, 9, 200])
        text = good[:at] + random.choice([b"", *parts]) + good[at + cut :]
        try:
            found = in_spans(text)[1]
        except InputError:
            refused += 1
            with pytest.raises(InputError):
                read_turns(in_spans.path)
        else:
            assert found == read_turns(in_spans.path)
    assert 200 < refused < 600


def test_what_is_no_file_has_one_span(tmp_path):
    for path in (tmp_path, tmp_path / "none.json"):
        assert spans(path) == [WHOLE] and about(path) == 0
    with pytest.raises(InputError, match="no such file"):
        turns_of(tmp_path / "none.json", WHOLE)
    (tmp_path / "empty.json").touch()
    assert spans(tmp_path / "empty.json") == [WHOLE]


@pytest.mark.parametrize("text", ["", " ", "\u3000"])
@pytest.mark.parametrize("side", [0, 1])
def test_a_blank_turn_in_the_written_form_is_refused_too(in_spans, text, side):
    row = ROWS[0]._replace(**{("problem", "solution")[side]: text})
    with pytest.raises(InputError, match=f"conversation 1: the value of turn {side + 1} is blank"):
        in_spans(written([row]))
