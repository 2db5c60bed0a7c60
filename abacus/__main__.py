"""One door to every command: `python -m abacus NAME OUT=x`, which is what `make NAME OUT=x` runs.

python -m abacus --help
"""

import difflib
import importlib
import re
import sys
from collections.abc import Iterable
from typing import NoReturn

from abacus.commands import Command, table
from abacus.core.errors import InputError
from abacus.core.options import Options, said
from abacus.core.process import run, speak_utf8

VARIABLE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)", re.DOTALL)
YES, NO = ("1", "yes", "true", "on"), ("", "0", "no", "false", "off")


class Parser(Options):
    """A parser that says in one line what is wrong, with the command as it is typed."""

    def __init__(self, command: Command) -> None:
        module = importlib.import_module(command.module)
        epilog = "An option --out x is also written OUT=x."
        super().__init__(
            f"make {command.name}", module.__doc__, usage="\n       ".join(command.forms), epilog=epilog
        )
        self.command, self.run = command, module.main
        module.arguments(self)

    def error(self, message: str) -> NoReturn:
        """Stop with exit code 2."""
        typed = re.sub(r"--([a-z][a-z-]*)", lambda match: match[1].upper().replace("-", "_"), said(message))
        self.exit(2, f"error: {self.prog}: {typed}; expected {' or '.join(self.command.forms)}\n")

    def words(self, words: list[str]) -> list[str]:
        """`OUT=x` as `--out x`; a switch is given by 1 and left out by 0. Other words stay as they are."""
        known = {
            name[2:].upper().replace("-", "_"): (name, action)
            for name, action in self._option_string_actions.items()
        }
        known = {
            name: pair
            for name, pair in known.items()
            if pair[0].startswith("--") and not name.startswith("NO_") and name != "HELP"
        }
        found = []
        for word in words:
            match = VARIABLE.fullmatch(word)
            if not match:
                self.check_word(word, known)
                found.append(word)
                continue
            name, value = match.groups()
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}"
                self.error(f"{name} is no variable of it, {hint}")
            option, action = known[name]
            if action.nargs == 0:
                if value.lower() not in YES + NO:
                    self.error(f"{name} is {value!r}, which is neither 1 nor 0")
                no = f"--no-{option[2:]}"  # of a switch that is on by default
                off = [no] if no in self._option_string_actions and value else []
                found += [option] if value.lower() in YES else off
            elif value:
                found.append(f"{option}={value}")
        return found

    def check_word(self, word: str, known: Iterable[str]) -> None:
        """Refuse a variable that is typed in small letters, `out=x`, in the words of one that is unknown."""
        name, given, _ = word.partition("=")
        near = difflib.get_close_matches(name.upper(), known, n=1)
        if given and near and not name.startswith("-"):
            self.error(f"unrecognized arguments: {word}, did you mean {near[0]}?")


def helped() -> str:
    """Every command, with its variables."""
    commands = table().values()
    return "\n".join("\n".join([*command.forms, f"    {command.does}"]) for command in commands)


def main() -> None:
    """Run the command that the command line names."""
    speak_utf8()
    name, *words = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help", "help"):
        run(lambda: print(helped()))
    commands = table()
    if name not in commands:
        near = difflib.get_close_matches(name, commands, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "`python -m abacus --help` lists them"
        run(lambda: _unknown(name, hint))
    parser = Parser(commands[name])
    args = parser.parse_args(parser.words(words))
    run(lambda: parser.run(args))


def _unknown(name: str, hint: str) -> NoReturn:
    raise InputError(name, "is no command", advice=hint)


if __name__ == "__main__":
    main()
