"""Every command of the documents is one that exists, is typed rightly, and is run by a test or says what it needs."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from abacus.__main__ import Parser
from abacus.commands import table
from tests.docs.commands import TUTORIAL, Shown, look, mentioned, parsed, shown
from tests.workspace import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
OWN = re.search(r"^OWN := (.+)$", MAKEFILE, re.MULTILINE)[1].split()
# Targets that are no command of the door: where what they start is started, and by what words.
STARTED = {
    "lint": (".ci/run", "make lint"),
    "test": (".ci/run", "make test"),
    "setup": ("tests/test_environment.py", "environment/setup.py"),
    "docs": ("tests/docs/test_site.py", '"mkdocs", "build"'),
}
TOOLS = {"cd", "git", "head", "sed", "source", "tail"}  # everybody's
# What tests/docs/test_tutorial.py types as it stands.
TYPED = {one.words for one in shown() if one.page == TUTORIAL} | {one.words for one in look()}
# What a test starts a command by: its own name, or that of a helper.
STARTERS = {
    "ok",
    "run",
    "fails",
    "start",
    "stage",
    "door",
    "make",
    "dvc",
    "command",
    "program",
    "refused",
    "echoed",
}
SHOWN = shown()


class Calls(NamedTuple):
    """What a file of tests starts: the texts among each call's arguments, and all its texts."""

    name: str
    words: list[list[str]]
    texts: set[str]


def texts(node: ast.AST) -> Iterator[str]:
    """The texts in a call's arguments or in a list, in their order; of a text with values in it the beginning."""
    for one in ast.iter_child_nodes(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value
        elif isinstance(one, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in one.values)
        elif isinstance(one, ast.List | ast.Tuple | ast.Starred):
            yield from texts(one)


@cache
def files_of_tests() -> list[Calls]:
    """Every file of tests but these."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path.parent == Path(__file__).parent:
            continue
        tree, words = ast.parse(path.read_text(encoding="utf-8")), []
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name, of = (
                    getattr(node.func, "attr", getattr(node.func, "id", "")),
                    getattr(node.func, "value", None),
                )
                if name == "main" and isinstance(of, ast.Name):
                    words.append(["run", of.id])  # a command's module, in the test's own process
                elif name in STARTERS:
                    words.append([name, *texts(node)])
            elif isinstance(node, ast.List | ast.Tuple):
                words.append(list(texts(node)))
        everything = {
            n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
        }
        found.append(Calls(str(path.relative_to(ROOT)), words, everything))
    return found


def follow(words: list[str], sought: tuple[str, ...], after: set[str]) -> bool:
    """Whether the sought words stand in a row behind one of `after`."""
    size = len(sought)
    return any(tuple(words[i + 1 : i + 1 + size]) == sought for i, word in enumerate(words) if word in after)


def started(command: Shown) -> list[str]:
    """The files of tests that start a command with these variables, or flags."""
    program, *rest = command.words
    if program == "make":
        names = {rest[0], f"make {rest[0]}", rest[0].replace("-", "_")}
        starts = [(name,) for name in names]
        after = STARTERS | {"abacus"}
        options = [word.split("=")[0] for word in rest[1:]]
        wanted = [{f"--{option.lower().replace('_', '-')}", f"{option}="} for option in options]
    else:
        sub = [word for word in rest[:2] if re.fullmatch("[a-z]+", word)]
        starts = [tuple(sub[:2] if sub[0] in ("exp", "metrics", "params", "plots", "queue") else sub[:1])]
        after = {"dvc", *(STARTERS - {"door", "make"})}
        wanted = [{word} for word in rest if word.startswith("-")]
    return [
        one.name
        for one in files_of_tests()
        if any(follow(words, start, after) for words in one.words for start in starts)
        and all(any(text.startswith(form) for form in forms for text in one.texts) for forms in wanted)
    ]


@pytest.mark.parametrize(
    "command", sorted({one for one in SHOWN if one.words[0] == "make"}), ids=lambda c: c.text
)
def test_a_target_of_make_takes_its_variables(command):
    target, *variables = command.words[1:]
    if target in OWN:
        takes = re.search(rf"^TAKES_{target} := (.+)$", MAKEFILE, re.MULTILINE)
        assert {word.split("=")[0] for word in variables} <= {"PYTHON", *(takes[1].split() if takes else ())}
    else:
        Parser(table()[target]).words(variables)  # stops at a variable that it does not have


@pytest.mark.parametrize(("page", "text"), sorted(mentioned()))
def test_a_target_that_a_text_mentions_takes_its_variables(page, text):
    for command in parsed(page, text):
        test_a_target_of_make_takes_its_variables(command)


def test_every_form_of_dvc_and_python_can_be_read():
    from dvc.cli import parse_args

    for command in SHOWN:
        program, *words = command.words
        if program == "dvc":
            parse_args(words)  # exits at a word that it does not know
        elif program == "python":
            assert words[0] == "-c" or importlib.util.find_spec(words[1])
        else:
            assert program == "make" or program in TOOLS or command.needs, command


@pytest.mark.parametrize("command", sorted(set(SHOWN)), ids=lambda c: f"{c.page}: {c.text}")
def test_a_command_is_run_by_a_test_or_says_what_it_needs(command):
    program, *words = command.words
    if command.needs or program in TOOLS or program == "python" or command.words in TYPED:
        return
    if program == "make" and words[0] in STARTED:
        path, how = STARTED[words[0]]
        assert how in (ROOT / path).read_text(encoding="utf-8")
    else:
        assert started(command), "no test runs it: add `# needs: ...` behind it, or a test"


def test_what_no_test_runs_would_be_seen():
    for line in ("make push CHECKPOINT=3", "dvc exp run -n x -S a=1", "make verify CORES=1"):
        assert started(*parsed("", line)), line
    for line in ("make vulnerabilities", "make push NONSENSE=1", "dvc queue kill", "dvc exp branch a b"):
        assert not started(*parsed("", line)), line
    (first, second) = parsed("p", "make bench ONLY=x | head -n 1 > file   # needs: peers")
    assert (first.words, first.needs) == (("make", "bench", "ONLY=x"), "peers")
    assert second.words == ("head", "-n", "1")
