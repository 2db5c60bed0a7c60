"""Conversation files: what is read, and what is refused, with what was found and what was expected."""

import json

import pytest

from abacus.core.errors import InputError
from abacus.data.conversation import Turn, read_turns

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
