"""Conversation files, one JSON array: written from training rows, and read."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring
from pathlib import Path
from textwrap import indent
from typing import Any, NamedTuple

from abacus.core.documents import json_value, read_text
from abacus.core.errors import InputError
from abacus.data.rows import PLAIN, WHOLE, Row, Span, clip

SHOWN = 5  # turns, or keys, that an error names


def conversation(name: str, problem: str, solution: str) -> dict[str, object]:
    """The conversation of one question and its answer."""
    return {
        "id": name,
        "conversations": [{"from": "human", "value": problem}, {"from": "gpt", "value": solution}],
    }


# A conversation as `json.dumps` lays it out in an array; to fill it in is quicker than to lay each out.
LAYOUT = indent(json.dumps(conversation("%s", "%s", "%s"), indent=2), "  ").replace('"%s"', "%s")
BEGIN, BETWEEN, END = "[\n", ",\n", "\n]"
# What stands between two of them; no text in JSON holds a line break, so no text holds it.
EDGE = b"\n  },\n  {"
SPAN, NEAR = 1 << 21, 1 << 16  # bytes of a span, and of how much of it an edge is looked for
# One of them in which nothing is escaped, with what stands before it.
WRITTEN = re.compile(r"(?:\A\[|,)\n" + re.escape(LAYOUT).replace("%s", f'"({PLAIN}*)"'))
FIXED = len(BETWEEN + LAYOUT % ('""', '""', '""'))  # characters of it beside its three texts


def converse(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the text of a conversation file: one conversation a row, with running numbers from "1" as ids."""
    between = BEGIN
    for number, (_, problem, solution) in enumerate(rows, 1):
        yield between
        yield LAYOUT % (f'"{number}"', encode_basestring(problem), encode_basestring(solution))
        between = BETWEEN
    yield END


class Turn(NamedTuple):
    """A conversation of one question and one answer."""

    id: str
    problem: str
    solution: str


EXPECTED = "a JSON array of conversations"
FORM = "an object with 'id' and 'conversations'"
TURN = "an object with 'from' and 'value'"
SIDES = (
    ("human", "user"),
    ("gpt", "assistant"),
)  # of the question and of the answer; the first is the published one


def read_turns(path: Path) -> list[Turn]:
    """Read a conversation file. Raises InputError that names the first conversation not of the form, and why."""
    if path.is_file() and _begins_with_an_object(path):
        raise InputError(
            path, "begins with an object", EXPECTED, "rows in JSON Lines are given as inputs.train"
        )
    return _turns(read_text(path, EXPECTED), path)


def turns_of(path: Path, span: Span) -> list[Turn]:
    """Read one of the `spans` of a conversation file; if that raises InputError, `read_turns` says where and why."""
    if span == WHOLE:
        return read_turns(path)
    with path.open("rb") as stream:
        stream.seek(span.start)
        raw = stream.read() if span.end is None else stream.read(span.end - span.start)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(path, "is not UTF-8") from None
    # Parts of an array, in brackets arrays themselves: if all of them are, so is the whole.
    text = f"{BEGIN}{text}" if span.start else text
    return _turns(text if span.end is None else f"{text.removesuffix(BETWEEN)}{END}", path)


def spans(path: Path) -> list[Span]:
    """Parts of a conversation file, of about SPAN bytes and of whole conversations; the whole if it is laid out otherwise."""
    if not path.is_file():
        return [WHOLE]
    edges: set[int] = set()
    with path.open("rb") as stream:
        for place in range(SPAN, path.stat().st_size, SPAN):
            stream.seek(place)
            if (found := stream.read(NEAR).find(EDGE)) >= 0:
                edges.add(place + found + EDGE.index(b"  {"))
    between = sorted(edges)
    return [Span(start, end) for start, end in zip([0, *between], [*between, None], strict=True)]


def about(path: Path) -> int:
    """About how many conversations a file has."""
    if not path.is_file():
        return 0
    with path.open("rb") as stream:
        return sum(some.count(b'"conversations"') for some in iter(lambda: stream.read(SPAN), b""))


def _turns(text: str, path: Path) -> list[Turn]:
    """The conversations of an array in JSON."""
    if turns := _written(text):
        return turns
    document = json_value(text, path, EXPECTED, list)
    if not document:
        raise InputError(path, "is an empty array", EXPECTED)
    return [turn(value, f"{path}, conversation {number}") for number, value in enumerate(document, 1)]


def _written(text: str) -> list[Turn]:
    """The conversations of an array as `converse` writes it, with nothing escaped; none of any other text."""
    found = WRITTEN.findall(text)
    taken = FIXED * len(found) + sum(map(len, itertools.chain.from_iterable(found)))
    # They are all that is there if they are as long as all that is there.
    if not text.startswith(BEGIN) or not text.endswith(END) or taken + len(END) != len(text):
        return []
    said = all(question.strip() and answer.strip() for _, question, answer in found)
    return [Turn(*one) for one in found] if said else []


def _begins_with_an_object(path: Path) -> bool:
    with path.open("rb") as stream:
        return next((line for line in stream if line.strip()), b"").lstrip().startswith(b"{")


def turn(value: Any, place: str) -> Turn:
    """Read one conversation; every error names `place`. An id may be a number, a side `user` or `assistant`."""
    _check_keys(value, ("id", "conversations"), place, "", FORM)
    name, turns = value["id"], value["conversations"]
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise InputError(place, f"id is {_shown(name)}", "a text or a whole number")
    if not isinstance(turns, list):
        raise InputError(place, f"conversations is {_shown(turns)}", "a list of two turns")
    if len(turns) != 2:
        sides = ", ".join(
            _shown(one.get("from")) if isinstance(one, dict) else _shown(one) for one in turns[:SHOWN]
        )
        found = f"{len(turns)} turns" + (f", from {sides}" if turns else "")
        raise InputError(place, found, "two, from 'human' and from 'gpt'")
    question, answer = (_said(one, number, place) for number, one in enumerate(turns))
    return Turn(str(name), question, answer)


def _said(value: Any, number: int, place: str) -> str:
    """What a turn says, the question (0) or the answer (1)."""
    _check_keys(value, ("from", "value"), place, f"turn {number + 1} ", TURN)
    side, text = value["from"], value["value"]
    if side not in SIDES[number]:
        raise InputError(
            place, f"turn {number + 1} is from {_shown(side)}", " or ".join(map(repr, SIDES[number]))
        )
    if not isinstance(text, str):
        raise InputError(place, f"the value of turn {number + 1} is {_shown(text)}", "a text")
    if not text.strip():
        raise InputError(
            place,
            f"the value of turn {number + 1} is blank",
            "a text",
            ("", "it would teach to say nothing")[number],
        )
    return text


def _check_keys(value: Any, keys: tuple[str, ...], place: str, what: str, expected: str) -> None:
    """Raise InputError unless a value is an object of these keys: another one would be ignored without a word."""
    if not isinstance(value, dict):
        raise InputError(place, f"{what}is {_shown(value)}", expected)
    missing = [key for key in keys if key not in value]
    other = [key for key in value if key not in keys]
    if missing:
        held = (
            f"{what}has the keys {', '.join(map(_shown, list(value)[:SHOWN]))}"
            if value
            else f"{what}is an empty object"
        )
        raise InputError(place, f"{held} and no {missing[0]!r}" if value else held, expected)
    if other:
        raise InputError(place, f"{what}has a key {_shown(other[0])}", expected, "it would be ignored")


def _shown(value: Any) -> str:
    return clip(repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
