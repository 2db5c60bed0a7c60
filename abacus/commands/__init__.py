"""What `make` runs that is no stage: one module a command, found by its file's name.

A command's docstring is its help: a line that says what it does, then indented ones that start with `make NAME`.
It has `arguments(parser)`, which declares its options, and `main(args)`, which returns an exit code or nothing.
`OUT=x` on make's command line is the option `--out x`.
"""

import ast
import itertools
from pathlib import Path
from typing import NamedTuple


class Command(NamedTuple):
    """A command's name, what it does, and the forms in which it is typed."""

    name: str
    does: str
    forms: list[str]

    @property
    def module(self) -> str:
        """The name of its module."""
        return f"{__name__}.{self.name.replace('-', '_')}"


def table() -> dict[str, Command]:
    """Every command by name; the modules are read, not imported."""
    return {
        command.name: command for command in map(_described, sorted(Path(__file__).parent.glob("[a-z]*.py")))
    }


def _described(path: Path) -> Command:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    name = path.stem.replace("_", "-")
    lines = [line.strip() for line in doc.splitlines()]
    # The first block alone: what is further down is explained there.
    block = itertools.takewhile(
        bool, itertools.dropwhile(lambda line: line.split()[:2] != ["make", name], lines)
    )
    return Command(name, lines[0] if lines else "", list(block) or [f"make {name}"])
