"""docs/asking.md: its commands exist with the variables that it gives them, and its keys are those that are written."""

import re
import shlex

import pytest

from abacus.__main__ import Parser
from abacus.asking.truth import Judgement, truth
from abacus.commands import table
from abacus.others import asked
from abacus.problems.recipe import Recipe
from tests.workspace import ROOT

TEXT = (ROOT / "docs/asking.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ make ([a-z-]+)([^#<>\n]*)", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("target", "variables"), COMMANDS)
def test_a_command_is_a_target_that_reads_its_variables(target, variables):
    assert {name for name, _ in COMMANDS} == {"ask", "score"}
    parser = Parser(table()[target])
    parser.parse_args(parser.words(shlex.split(variables)))


def test_the_keys_of_an_answer_are_those_that_are_read():
    rows = re.findall(r"^\| `([a-z]+)` \|", TEXT, re.MULTILINE)
    assert rows == ["question", "id", "completion", "ended"]
    assert all(f"`{name}`" in TEXT for name in asked.NAMES)


def test_the_keys_of_json_are_those_that_are_written():
    (said,) = re.findall(r"JSON's keys are (.*?)\n\n", TEXT, re.DOTALL)
    known = truth("1 + 1", Recipe(workings="reference", decimals=4)).document().keys()
    written = {*known, *Judgement._fields, "said", "by", "completion", "ended"}
    assert set(re.findall(r"`([a-z]+)`", said)) == written


def test_the_commands_that_print_json_are_named():
    (named,) = re.findall(r"^(.*?) take `JSON=1`", TEXT, re.MULTILINE | re.DOTALL)
    those = {name for name in table() if "--json" in Parser(table()[name]).format_help()}
    assert {
        name.removeprefix("make ") for name in re.findall(r"`([a-z ]+)`", named.rpartition("\n\n")[2])
    } == those
