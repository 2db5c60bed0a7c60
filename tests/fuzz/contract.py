"""What must hold of every input: a value, or InputError with one short line that can be printed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from abacus.core.errors import InputError

LONGEST = 1500  # characters of an error line, its path included
REFUSED = object()


class Finding(Exception):
    """An input broke a promise; the message says which."""


@dataclass(frozen=True)
class Target:
    """One thing to be fuzzed.

    `make` draws an input, `check` hands it over, in an empty folder, and raises Finding; it returns whether the
    input was good. `share` is its part of a million inputs, in thousands.
    """

    name: str
    share: int
    make: Callable[[Random], bytes]
    check: Callable[[bytes, Path], bool]


def outcome(read: Callable[[], Any]) -> Any:
    """Return what `read` does, or REFUSED for an InputError as it should be; raise Finding for all else."""
    try:
        return read()
    except InputError as error:
        check_line(str(error))
        # Readers of foreign formats turn any error into InputError; this one would be a trap for the machine.
        if any(isinstance(cause, MemoryError) for cause in causes(error)):
            raise Finding(f"asks for more memory than there is: {error}") from error
        return REFUSED
    except (KeyboardInterrupt, SystemExit, Finding):
        raise
    except BaseException as error:  # a panic in Rust is no Exception
        raise Finding(f"{type(error).__name__}: {error}") from error


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


def check_line(text: str) -> None:
    """Raise Finding unless a text can stand on one line of a terminal."""
    if not text.strip():
        raise Finding("an error without words")
    if not text.isprintable():
        raise Finding(f"an error of several lines or unprintable characters: {text!r}"[:300])
    if len(text) > LONGEST:
        raise Finding(f"an error of {len(text)} characters: {text[:200]}")


def check_text(*texts: str) -> None:
    """Raise Finding for a text that could not be written again."""
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Finding(f"lets a text pass that is no UTF-8: {text!r}"[:300]) from error
