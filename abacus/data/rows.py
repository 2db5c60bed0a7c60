"""Rows of `problem` and `solution` in JSON Lines: one strict reader and one writer.

Every error names the file and the line, what was there and what was expected.
"""

import functools
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import jsonlines
from tqdm import tqdm

from abacus.core.documents import check_merged, holds_surrogate, laid_out, not_json, parse_json, too_deep
from abacus.core.errors import InputError
from abacus.core.files import replacing

# U+4E00..U+9FFF is the published test for a Chinese row.
CHINESE = re.compile("[\u4e00-\u9fff]")
BOM = b"\xef\xbb\xbf"
SHOWN = 80


class Row(NamedTuple):
    """One row and the number of its line, from 1."""

    line: int
    problem: str
    solution: str


def read_rows(path: Path, keys: tuple[str, ...] = ("problem", "solution")) -> Iterator[Row]:
    """Read a file of rows; `keys` names those that a row must have (a missing solution reads as '')."""
    for line, value in read_objects(path):
        for key in keys:
            if key not in value:
                raise InputError(f"{path}, line {line}", f"key '{key}' is missing: {clip(value)}")
        for key in ("problem", "solution"):
            if not isinstance(value.get(key, ""), str):
                found = json.dumps(value[key], ensure_ascii=False)
                raise InputError(f"{path}, line {line}", f"'{key}' is {clip(found)}", "text")
        if not value["problem"].strip():
            raise InputError(f"{path}, line {line}", "'problem' is blank")
        yield Row(line, value["problem"], value.get("solution", ""))


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read a JSON Lines file of objects: yield the line number, from 1, and the object."""
    if path.is_dir():
        raise InputError(path, "is a folder", "a JSON Lines file")
    if not path.exists():
        raise InputError(path, "no such file")
    number = 0
    with path.open("rb") as stream:
        reader = jsonlines.Reader(checked(stream, path), loads=loads)
        try:
            for number, value in enumerate(reader.iter(type=dict), 1):
                yield number, value
        except jsonlines.InvalidLineError as error:
            refuse_layout(path, number)
            raise InputError(f"{path}, line {number + 1}", f"{fault(error)}: {clip(error.line)}") from None
        except RecursionError:
            raise InputError(f"{path}, line {number + 1}", "nested too deep for a row") from None
    if number == 0:
        raise InputError(path, "the file is empty", "JSON Lines")


def refuse_layout(path: Path, before: int) -> None:
    """Raise InputError if what stands after the first `before` lines is JSON that is laid out otherwise.

    It is looked for only where a line has failed: an array in a later line is a fault of that line alone.
    """
    with path.open("rb") as stream:
        rest = b"".join(itertools.islice(stream, before, None)).decode("utf-8", "replace")
    found = laid_out(rest)
    if not found or (before and found == "a JSON array"):
        return
    raise InputError(f"{path}, line {before + 1}", f"is {found}", "JSON Lines", "write one object a line")


def checked(stream: Iterable[bytes], path: Path) -> Iterator[str]:
    """Yield a stream's lines as text; refuse what a JSON parser would take or blame on something else."""
    for number, raw in enumerate(stream, 1):
        place = f"{path}, line {number}"
        if raw.startswith(BOM):
            raise InputError(
                place, "starts with a byte order mark", advice="save the file as UTF-8 without BOM"
            )
        if raw.endswith(b"\r\n"):
            raise InputError(place, "ends in CRLF", advice="save the file with Unix line ends (LF)")
        try:
            text = raw.removesuffix(b"\n").decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(place, f"byte {error.start + 1} is not UTF-8", "JSON Lines") from None
        check_merged(text, path, number)
        if not text.strip():
            raise InputError(place, "the line is blank", "a JSON object")
        if "\\ud" in text.lower() and holds_surrogate(text):
            raise InputError(place, f"holds a lone surrogate, which is no character: {clip(text)}")
        yield text


def loads(line: str | bytes) -> Any:
    """Parse JSON; RecursionError for what is nested deeper than a row may be, wherever the caller stands."""
    text = line if isinstance(line, str) else line.decode("utf-8")
    value = parse_json(text)
    if too_deep(text, value):
        raise RecursionError
    return value


def fault(error: jsonlines.InvalidLineError) -> str:
    """Say what is wrong with a line that holds no JSON object."""
    cause = error.__cause__
    if isinstance(cause, json.JSONDecodeError):
        return not_json(cause)
    return f"not JSON ({cause})" if cause else "not a JSON object"


def progress(rows: Iterable[Row], path: Path, what: str) -> "tqdm[Row]":
    """Show how many of a file's rows have been read, the rate and the time left.

    Use it in a `with`: the bar then ends its line before an error is printed. Quick work shows no bar.
    """
    total = lines(path) if path.is_file() else None
    return tqdm(rows, desc=what, total=total, unit=" rows", unit_scale=True, mininterval=0.5, delay=0.5)


def lines(path: Path) -> int:
    """The number of a file's lines."""
    with path.open("rb") as stream:
        blocks = [(block.count(b"\n"), block[-1:]) for block in iter(lambda: stream.read(1 << 20), b"")]
    return sum(count for count, _ in blocks) + bool(blocks and blocks[-1][1] != b"\n")


def clip(value: Any) -> str:
    """Show the beginning of a text or of an object's JSON on one line, with nothing that moves a cursor."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    text = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write objects as JSON Lines, UTF-8, in one step."""
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="\n") as stream:
        writer_to(stream).write_all(rows)


def writer_to(stream: TextIO) -> jsonlines.Writer:
    """Return a writer of objects as JSON Lines that leaves Chinese as it is."""
    return jsonlines.Writer(stream, dumps=functools.partial(json.dumps, ensure_ascii=False))
