"""The commands that the documents show: every line of a `console` block that starts with `$`, taken apart.

A command is run by a test, or its comment says what it needs: `$ make bench   # needs: the peers' environment`.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.workspace import ROOT

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Between two commands of a line.
JOINTS = {"&&", "||", "|", ";"}
TUTORIAL = "docs/tutorial.md"
INLINE = re.compile(r"`(make [a-z][a-z-]*(?: [A-Z_]+=[^`\s]+)*)`")


class Shown(NamedTuple):
    """A command of a document: its words, and what its comment says that it needs."""

    page: str
    words: tuple[str, ...]
    needs: str

    @property
    def text(self) -> str:
        """The command as it is typed, without redirections."""
        return shlex.join(self.words)


def pages() -> list[Path]:
    """Every document that is for people."""
    return [*sorted(ROOT.glob("README*.md")), ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def lines(text: str) -> Iterator[str]:
    """The lines of a document's blocks that are typed, each without its `$`; one that goes on is one line."""
    for block in BLOCK.findall(text):
        block = re.sub(r"\\\n\s*", "", block)
        yield from (line[2:] for line in block.splitlines() if line.startswith("$ "))


def parsed(page: str, line: str) -> Iterator[Shown]:
    """The commands of one typed line."""
    comment = re.search(r"(?:^|\s)#\s(.*)$", line)
    needs = re.search(r"needs: (.+)", comment[1]) if comment else None
    lexer = shlex.shlex(line[: comment.start()] if comment else line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in JOINTS:
            words.append(word)
        elif words:
            ends = [words.index(sign) for sign in "<>" if sign in words]
            yield Shown(page, tuple(words[: min(ends, default=None)]), needs[1] if needs else "")
            words = []


def shown() -> list[Shown]:
    """Every command of every document."""
    return [
        command
        for path in pages()
        for line in lines(path.read_text(encoding="utf-8"))
        for command in parsed(str(path.relative_to(ROOT)), line)
    ]


def look() -> list[Shown]:
    """The commands of the page for those who come from DVC that look at a run."""
    text = (ROOT / "docs/from-dvc.md").read_text(encoding="utf-8").split("\n## Look\n")[1].split("\n## ")[0]
    return [command for line in lines(text) for command in parsed("docs/from-dvc.md", line)]


def mentioned() -> set[tuple[str, str]]:
    """The make commands that stand within a text, each with the page's name."""
    return {
        (str(path.relative_to(ROOT)), command)
        for path in pages()
        for command in INLINE.findall(path.read_text(encoding="utf-8"))
    }
