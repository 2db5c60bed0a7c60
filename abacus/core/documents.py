"""JSON, YAML and CSV as they come from outside: read strictly, every error names the file and the place in it."""

import csv
import io
import json
import re
from collections.abc import Collection, Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from abacus.core.errors import InputError
from abacus.core.files import replacing

SHOWN = 80  # characters of what was found
# A key of an object, or a bracket; a text that is no key is passed over.
JSON_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[][{}]', re.DOTALL)
DEEPEST = 100  # levels of a document; Python's own bound depends on how deep its caller stands
YAML_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", dict: "a mapping"}
JSON_NAMES = {dict: "a JSON object", list: "a JSON array", str: "a text", type(None): "null"}


def read_text(path: Path, expected: str = "a text file") -> str:
    """The UTF-8 text of a file; InputError names the file if there is none or the byte that is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(path, "no such file", expected) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}", f"byte {error.start + 1} is not UTF-8", expected) from None


# How git marks a conflict; no such line is JSON, nor YAML whose outermost value is a mapping.
CONFLICT = re.compile(r"(?m)^(?:<{7}|>{7}|\|{7})(?: .*)?$|^={7}$")


def check_merged(text: str, path: object, first: int = 1) -> None:
    """Raise InputError, with the line, for a text in which git has left a merge conflict; it starts at line `first`."""
    if found := CONFLICT.search(text):
        line = first + text.count("\n", 0, found.start())
        raise InputError(
            f"{path}, line {line}",
            f"a merge conflict: git's marker {found[0][:SHOWN]!r}",
            advice="choose one side, or `git checkout --ours` or `--theirs` of it",
        )


def read_json(path: Path, expected: str, kind: type = dict) -> Any:
    """Read a JSON file whose outermost value is a `kind`; InputError names the file, and the line, if it is not.

    `expected` says what the file should be.
    """
    return json_value(read_text(path, expected), path, expected, kind)


def json_value(text: str, path: Path, expected: str, kind: type = dict) -> Any:
    """What `read_json` returns of a file that holds this text."""
    check_merged(text, path)
    try:
        value = parse_json(text)
    except KeyTwice as error:
        raise InputError(f"{path}, line {error.lineno}", error.msg, expected) from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}", f"not JSON ({error.msg})", expected) from None
    except (RecursionError, ValueError):
        raise InputError(path, "nested too deep or a number too long", expected) from None
    if too_deep(text, value):
        raise InputError(path, "nested too deep", expected)
    if "\\ud" in text.lower() and holds_surrogate(text):
        raise InputError(path, "holds a lone surrogate, which is no character", expected)
    if not isinstance(value, kind):
        raise InputError(path, f"found {JSON_NAMES.get(type(value), value)}", expected)
    return value


class KeyTwice(json.JSONDecodeError):
    """A key that stands twice in an object: JSON says two things, and Python's parser keeps the last in silence."""


def parse_json(text: str) -> Any:
    """Parse JSON as `json.loads` does, and raise KeyTwice, with its place, for a key that stands twice."""
    return json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, text))


def _object(pairs: list[tuple[str, Any]], text: str) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        at, key = _first_twice(text)
        shown = key if len(key) <= SHOWN else key[:SHOWN] + "..."
        raise KeyTwice(f"key {shown!r} stands twice in an object", text, at)
    return value


def _first_twice(text: str) -> tuple[int, str]:
    """Where the first key that its object has already begins in a JSON text, and the key."""
    seen: list[set[str]] = []  # of the objects and arrays that are open
    for match in JSON_TOKEN.finditer(text):
        if match[1] is None:
            if match[0] in "[{":
                seen.append(set())
            elif match[0] in "]}":
                seen.pop()
            continue
        key = json.loads(match[1], strict=False)
        if key in seen[-1]:
            return match.start(), key
        seen[-1].add(key)
    raise AssertionError("no key stands twice")


def not_json(error: json.JSONDecodeError) -> str:
    """Say what is wrong with one line of JSON."""
    place = f"at character {error.pos + 1}"
    if isinstance(error, KeyTwice):
        return f"{error.msg}, {place}"
    return f"not JSON ({error.msg.removesuffix(' at')} {place})"


def laid_out(text: str) -> str:
    """Name the form of a JSON text that should have been JSON Lines; '' if it is neither of these two."""
    try:
        value, end = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return ""
    if isinstance(value, list) and not text.lstrip()[end:].strip():
        return "a JSON array"
    lines = text.lstrip()[:end].count("\n")
    return "an object over several lines" if isinstance(value, dict) and lines else ""


def too_deep(text: str, value: Any) -> bool:
    """Whether a JSON text, and its value, has more than DEEPEST levels."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        inner = [one for one in level if isinstance(one, dict | list)]
        level = [part for one in inner for part in (one.values() if isinstance(one, dict) else one)]
        depth += 1
    return bool(level)


def holds_surrogate(text: str) -> bool:
    """Whether JSON has half of a surrogate pair: JSON allows it, but it cannot be written as text."""
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):  # not JSON: the parser will say so
        return False
    return False


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented UTF-8 JSON, keys in their given order, in one step."""
    with replacing(path) as part:
        part.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def read_csv(path: Path, columns: Collection[str], expected: str) -> list[dict[str, str]]:
    """Read a CSV file of these columns; InputError names the file if it has others, or no rows."""
    return parse_csv(read_text(path, expected), path, columns, expected)


def parse_csv(text: str, path: object, columns: Collection[str], expected: str) -> list[dict[str, str]]:
    """The rows of a CSV text that is called `path`; as `read_csv`."""
    try:
        rows = list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise InputError(path, f"not CSV ({error})", expected) from None
    if not rows or any(row.keys() != set(columns) or None in row.values() for row in rows):
        raise InputError(path, "other columns, or no rows", f"{', '.join(columns)} ({expected})")
    return rows


def write_csv(path: Path, rows: list[dict[str, Any]], columns: Collection[str] = ()) -> None:
    """Write rows as CSV in one step; a key that a row lacks is blank. The columns are by default the first row's."""
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(columns or rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


MOST = 100_000  # values of a document, aliases written out
SURROGATE = re.compile("[\ud800-\udfff]")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; InputError names the file and line of what is wrong."""
    text = read_text(path, "a YAML file")
    check_merged(text, path)
    try:
        document = yaml.load(text, Loader)
    except RecursionError:
        raise InputError(path, "not valid YAML: nested too deep") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = mark.line if mark else text.count("\n", 0, getattr(error, "position", 0) or 0)
        problem = getattr(error, "problem", None) or getattr(error, "reason", "cannot be read")
        raise InputError(f"{path}, line {at + 1}", f"not valid YAML: {problem}") from None
    if not isinstance(document, dict):
        raise InputError(path, f"expected a mapping, found {kind(document)}")
    check_values(document, path)
    return document


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which names the line of a value that its tag does not fit, and of a key's second time."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception:  # whatever int(), float() or datetime say to `!!int x` or 2001-99-99
            found = repr(node.value)[:SHOWN] if isinstance(node, yaml.ScalarNode) else "a collection"
            problem = f"{found} cannot be read as {node.tag.rpartition(':')[2]}"
            raise ConstructorError(None, None, problem, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, refused if a key stands twice: PyYAML would keep the last. What `<<` brings in may be set anew."""
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            name = self.construct_object(key)
            if not isinstance(name, Hashable):  # `!!seq x`, which PyYAML refuses below
                continue
            if name in seen:
                raise ConstructorError(None, None, f"key {name!r} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def check_values(document: dict[str, Any], path: Path) -> None:
    """Raise InputError for values that no parameter has, and which would be a trap further on.

    Aliases make a tree of any size out of a few lines, or one without end.
    """
    queue: list[tuple[Any, tuple[str, ...]]] = [(document, ())]
    count = 0
    while queue:
        value, keys = queue.pop()
        count += 1
        if len(keys) > DEEPEST or count > MOST:
            raise InputError(path, "nested too deep or too large with its aliases", "parameters")
        if isinstance(value, dict):
            queue += [(part, (*keys, str(pair[0]))) for pair in value.items() for part in pair]
        elif isinstance(value, list | tuple | set):
            queue += [(part, (*keys, str(number))) for number, part in enumerate(value)]
        elif isinstance(value, int) and abs(value) >= 2**63:
            found = f"{'.'.join(keys)} is a whole number of {value.bit_length()} bits"
            raise InputError(path, found, "at most 63")
        elif isinstance(value, str) and not value.isascii() and SURROGATE.search(value):
            raise InputError(path, f"holds a lone surrogate, which is no character: {value}")


def kind(value: Any) -> str:
    """Say in words what a YAML value is."""
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else YAML_NAMES.get(type(value), type(value).__name__)
