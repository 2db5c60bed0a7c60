"""Rows of `problem` and `solution` in JSON Lines: one strict reader and one writer.

Every error names the file and the line, what was there and what was expected.
"""

import functools
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from json.encoder import encode_basestring
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TextIO, cast

from tqdm import tqdm

from abacus.core.documents import check_merged, holds_surrogate, laid_out, not_json, parse_json, too_deep
from abacus.core.errors import InputError
from abacus.core.files import replacing

if TYPE_CHECKING:
    import jsonlines

# U+4E00..U+9FFF is the published test for a Chinese row.
CHINESE = re.compile("[\u4e00-\u9fff]")
# A line of the published format in which nothing is escaped: what JSON reads of it stands there as it is. Any other
# line matches as two blanks, and is read strictly.
PLAIN = (
    r"[ !#-\[\]-\U0010ffff]"  # no quote, backslash or control character; so written it is faster than negated
)
PUBLISHED = re.compile(rf'^(?:\{{"problem": "({PLAIN}+)", "solution": "({PLAIN}*)"\}}|.*)$', re.MULTILINE)
BLOCK = 1 << 17  # bytes of lines that are read at a time
BOM = b"\xef\xbb\xbf"
RECORD = "\x1e"  # begins a line of RFC 7464
SHOWN = 80
ENCODER = json.JSONEncoder(ensure_ascii=False)


class Row(NamedTuple):
    """One row and the number of its line, from 1."""

    line: int
    problem: str
    solution: str


class Span(NamedTuple):
    """Whole lines of a file: the bytes from `start` to before `end`, or to the file's, and the number of the first."""

    start: int = 0
    end: int | None = None
    first: int = 1


WHOLE = Span()


def read_rows(path: Path, keys: tuple[str, ...] = ("problem", "solution")) -> Iterator[Row]:
    """Read a file of rows; `keys` names those that a row must have (a missing solution reads as '')."""
    return itertools.starmap(Row, rows_of(path, keys=keys))


def rows_of(
    path: Path, span: Span = WHOLE, keys: tuple[str, ...] = ("problem", "solution")
) -> Iterator[tuple[int, str, str]]:
    """Read the rows of a span of a file: what makes a Row of each."""
    for first, block in blocks(path, span):
        try:
            found = PUBLISHED.findall(b"".join(block).decode("utf-8"))
        except UnicodeDecodeError:
            found = [("", "")] * len(block)
        for number, raw, (problem, solution) in zip(itertools.count(first), block, found, strict=False):
            if problem and not problem.isspace():
                yield number, problem, solution
            else:
                yield _row(parsed(raw, path, number), path, number, keys)


def _row(value: dict[str, Any], path: Path, line: int, keys: tuple[str, ...]) -> Row:
    """The row that an object is."""
    for key in keys:
        if key not in value:
            raise InputError(f"{path}, line {line}", f"key '{key}' is missing: {clip(value)}")
    for key in ("problem", "solution"):
        if not isinstance(value.get(key, ""), str):
            found = json.dumps(value[key], ensure_ascii=False)
            raise InputError(f"{path}, line {line}", f"'{key}' is {clip(found)}", "text")
    if not value["problem"].strip():
        raise InputError(f"{path}, line {line}", "'problem' is blank")
    return Row(line, value["problem"], value.get("solution", ""))


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read a JSON Lines file of objects: yield the line number, from 1, and the object."""
    for first, block in blocks(path):
        for number, raw in enumerate(block, first):
            yield number, parsed(raw, path, number)


def blocks(path: Path, span: Span = WHOLE) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the lines of a file that has some, many at a time, with the number of the first of them, from 1."""
    check_file(path)
    first, at = span.first, span.start
    with path.open("rb") as stream:
        if at:
            stream.seek(at)
        while block := _some(stream, BLOCK if span.end is None else min(BLOCK, span.end - at)):
            yield first, block
            first += len(block)
            at += sum(map(len, block))
    if span == WHOLE and first == 1:
        raise InputError(path, "the file is empty", "JSON Lines")


def check_file(path: Path) -> None:
    """Raise InputError for a path at which no file is."""
    if path.is_dir():
        raise InputError(path, "is a folder", "a JSON Lines file")
    if not path.exists():
        raise InputError(path, "no such file")


def _some(stream: BinaryIO, size: int) -> list[bytes]:
    """The next lines: as many as begin within so many bytes."""
    if size < 2:  # readlines takes 0 for no limit
        return [stream.readline()] if size == 1 else []
    return stream.readlines(size - 1)


def parsed(raw: bytes, path: Path, number: int) -> dict[str, Any]:
    """The object of one line of JSON Lines; InputError says what else the line is."""
    place = f"{path}, line {number}"
    text = checked(raw, path, number).removeprefix(RECORD)
    try:
        value = loads(text)
        fault = "" if isinstance(value, dict) else "not a JSON object"
    except json.JSONDecodeError as error:
        fault = not_json(error)
    except ValueError:
        fault = "a number is too long to be read"
    except RecursionError:
        raise InputError(place, "nested too deep for a row") from None
    if fault:
        refuse_layout(path, number - 1)
        raise InputError(place, f"{fault}: {clip(text)}")
    return cast(dict[str, Any], value)


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


def checked(raw: bytes, path: Path, number: int) -> str:
    """A line as text; refuse what a JSON parser would take or blame on something else."""
    place = f"{path}, line {number}"
    if raw.startswith(BOM):
        raise InputError(place, "starts with a byte order mark", advice="save the file as UTF-8 without BOM")
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
    return text


def loads(line: str | bytes) -> Any:
    """Parse JSON; RecursionError for what is nested deeper than a row may be, wherever the caller stands."""
    text = line if isinstance(line, str) else line.decode("utf-8")
    value = parse_json(text)
    if too_deep(text, value):
        raise RecursionError
    return value


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
    write_lines(path, map(json_line, rows))


def write_lines(path: Path, texts: Iterable[str]) -> None:
    """Write texts, which bring their line ends, one after another, UTF-8, in one step."""
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(texts)


def writer_to(stream: TextIO) -> "jsonlines.Writer":
    """Return a writer of objects as JSON Lines that leaves Chinese as it is."""
    import jsonlines  # takes a tenth of the start of a stage, and few need it

    return jsonlines.Writer(stream, dumps=ENCODER.encode)


def json_line(value: Mapping[str, Any]) -> str:
    """An object as a line of JSON Lines, as `json.dumps` writes it; one of texts and whole numbers in half the time."""
    parts = [
        f"{_quoted(key)}: {encode_basestring(part) if type(part) is str else _json(part)}"
        for key, part in value.items()
    ]
    return f"{{{', '.join(parts)}}}\n"


def _json(value: Any) -> str:
    return str(value) if type(value) is int else ENCODER.encode(value)


_quoted = functools.lru_cache(64)(encode_basestring)
