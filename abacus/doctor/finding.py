"""What was found of one thing: whether a run can do with it, and the command that mends it."""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from abacus.core.errors import InputError, one_line, redacted

State = Literal["ok", "warning", "wrong"]  # wrong: a run would stop at it


class Finding(NamedTuple):
    """A thing that was looked at, in a word; what was found; and what mends it if it is not well."""

    name: str
    state: State
    found: str
    mend: str = ""


Check = Callable[[], Iterator[Finding]]


def examined(name: str, check: Check) -> Iterator[Finding]:
    """What a check finds; what stops the check itself would stop a run, too."""
    try:
        yield from check()
    except InputError as error:
        told = str(InputError(error.place, error.found, error.expected))
        yield Finding(name, "wrong", redacted(told), redacted(one_line(error.advice)))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        yield Finding(name, "wrong", redacted(one_line(f"{place}{error.strerror or error}")))
