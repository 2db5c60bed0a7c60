"""Command lines of stages and commands: help is the module's docstring, and a mistake is one line with the nearest name."""

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

CHOICE = re.compile(r"argument (?P<name>\S+): invalid choice: '(?P<found>.*)' \(choose from (?P<known>.*)\)")
KIND = re.compile(r"argument (?P<name>\S+): invalid (?P<kind>int|float|positive) value: (?P<found>.*)")
KINDS = {"int": "a whole number", "float": "a number", "positive": "a whole number of at least 1"}


class Options(argparse.ArgumentParser):
    """argparse's parser for a module of the repository."""

    def __init__(self, prog: str, doc: str | None, **how: Any) -> None:
        layout = argparse.RawDescriptionHelpFormatter
        super().__init__(prog=prog, description=doc, formatter_class=layout, allow_abbrev=False, **how)

    def error(self, message: str) -> NoReturn:
        """Stop with exit code 2."""
        self.exit(2, f"error: {self.prog}: {said(message)}; expected as in `{self.prog} --help`\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, which would rather tell of what is missing than of the option that is misspelt."""
        words = list(sys.argv[1:] if args is None else args)
        if unknown := self.unknown(words):
            self.error(f"unrecognized arguments: {unknown}, {hint(unknown, self._option_string_actions)}")
        return super().parse_known_args(words, namespace)

    def unknown(self, words: Sequence[str]) -> str:
        """The first option of a command line that there is none of; '' if all are known."""
        options = (word.partition("=")[0] for word in words if word.startswith("--") and word != "--")
        return next((name for name in options if name not in self._option_string_actions), "")


def positive(text: str) -> int:
    """The `type` of a number of things: at least one."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def hint(name: str, known: Iterable[str]) -> str:
    """The nearest of the names that are known, or all of them."""
    names = [one for one in known if one.startswith("--") and not one.startswith("--no-")]
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"


def said(message: str) -> str:
    """What argparse says of a mistake, in our words, with the nearest of a value's choices."""
    message = message.replace("the following arguments are required:", "missing:")
    if match := CHOICE.fullmatch(message):
        known = re.findall(r"'([^']*)'", match["known"]) or match["known"].split(", ")
        near = difflib.get_close_matches(match["found"], known, n=1)
        more = f", did you mean {near[0]}?" if near else f", one of: {', '.join(known)}"
        return f"argument {match['name']}: invalid choice: '{match['found']}'{more}"
    if match := KIND.fullmatch(message):
        return f"argument {match['name']} is {match['found']}, which is no {KINDS[match['kind']].partition(' ')[2]}"
    return message
