"""The one reader of params.yaml: a section becomes a frozen dataclass, or the command stops with one line."""

import dataclasses
import difflib
import re
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml
from yaml.constructor import ConstructorError

from stages.command import DEEPEST, InputError, read_text

T = TypeVar("T")
PATH = Path("params.yaml")
SHOWN = 80
MOST = 100_000  # values of a document, aliases written out
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclasses.dataclass(frozen=True)
class Range:
    """The smallest and the greatest value of a number; goes into `Annotated[int, Range(1, 9)]`."""

    low: float
    high: float


def section(name: str, into: type[T], path: Path = PATH) -> T:
    """Read section `name` of a params file into the dataclass `into`.

    Raises InputError for a file that is not YAML, a section or key that is missing, a key too many
    (with the nearest known one), a value of another type, and a number out of its range.
    """
    document = read_yaml(path)
    if name not in document:
        raise InputError(f"{path}: section '{name}' is missing")
    return build(document[name], into, f"{path}: {name}")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; InputError names the file and line of what is wrong."""
    try:
        document = yaml.load(read_text(path, "a YAML file"), Loader)
    except RecursionError:
        raise InputError(f"{path}: not valid YAML: nested too deep") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "cannot be read")
        raise InputError(f"{path}{line}: not valid YAML: {problem}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: expected a mapping, found {kind(document)}")
    check_values(document, path)
    return document


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which names the line of a value that its tag does not fit."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception:  # whatever int(), float() or datetime say to `!!int x` or 2001-99-99
            found = repr(node.value)[:SHOWN] if isinstance(node, yaml.ScalarNode) else "a collection"
            problem = f"{found} cannot be read as {node.tag.rpartition(':')[2]}"
            raise ConstructorError(None, None, problem, node.start_mark) from None


def check_values(document: dict[str, Any], path: Path) -> None:
    """Raise InputError for values that no parameter has, and which would be a trap further on.

    Aliases make a tree of any size out of a few lines, or one without end.
    """
    queue, count = [(document, 0)], 0
    while queue:
        value, depth = queue.pop()
        count += 1
        if depth > DEEPEST or count > MOST:
            raise InputError(f"{path}: nested too deep or too large with its aliases, expected parameters")
        if isinstance(value, dict):
            queue += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list | tuple | set):
            queue += [(part, depth + 1) for part in value]
        elif isinstance(value, int) and abs(value) >= 2**63:
            raise InputError(f"{path}: a whole number of {value.bit_length()} bits, expected at most 63")
        elif isinstance(value, str) and not value.isascii() and SURROGATE.search(value):
            raise InputError(f"{path}: holds a lone surrogate, which is no character: {value}")


def build(values: Any, into: type[T], place: str) -> T:
    """Make the dataclass `into` of a mapping; every error begins with `place`."""
    if not isinstance(values, dict):
        raise InputError(f"{place} is {kind(values)}, expected a mapping")
    hints = typing.get_type_hints(into, include_extras=True)
    for key in values:
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(hints)}"
            raise InputError(f"{place}.{key} is not a known parameter{hint}")
    for key in hints:
        if key not in values:
            raise InputError(f"{place}.{key} is missing")
    return into(**{key: check(values[key], hint, f"{place}.{key}") for key, hint in hints.items()})


def check(value: Any, hint: Any, place: str) -> Any:
    """Return `value` if it is of the annotated type, choice and range; raise InputError if not."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        value = check(value, arguments[0], place)
        limits = arguments[1]
        if not limits.low <= value <= limits.high:
            raise InputError(f"{place} is {value}, expected {limits.low} to {limits.high}")
        return value
    if origin is typing.Literal:
        if value not in arguments or isinstance(value, bool):
            choices = ", ".join(map(str, arguments))
            raise InputError(f"{place} is {value!r}, expected one of: {choices}")
        return value
    if origin in (typing.Union, types.UnionType):
        return check_union(value, arguments, place)
    if origin is list:
        if not isinstance(value, list):
            raise InputError(f"{place} is {kind(value)}, expected a list")
        return [check(item, arguments[0], f"{place}[{i}]") for i, item in enumerate(value)]
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:  # `isinstance` would take True for an int
        raise InputError(f"{place} is {value!r} ({kind(value)}), expected {NAMES[hint]}")
    return value


def check_union(value: Any, hints: tuple, place: str) -> Any:
    """Return `value` if one of the hints takes it; else raise what the last one said."""
    for hint in hints[:-1]:
        try:
            return check(value, hint, place)
        except InputError:
            continue
    return check(value, hints[-1], place)


NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", dict: "a mapping"}


def kind(value: Any) -> str:
    """Say in words what a YAML value is."""
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else NAMES.get(type(value), type(value).__name__)
