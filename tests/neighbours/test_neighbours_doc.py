"""docs/neighbours.md: its commands exist, with the variables that it gives them, and it knows every form of an export."""

import re
from pathlib import Path

import pytest

from abacus.__main__ import Parser
from abacus.commands import export, table

TEXT = (Path(__file__).parents[2] / "docs/neighbours.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"make ([a-z-]+)((?: [A-Z_]+=[^\s`)]+)*)", TEXT)) - {("bench", "")})


@pytest.mark.parametrize(("target", "variables"), COMMANDS)
def test_a_command_reads_its_variables(target, variables):
    parser = Parser(table()[target])
    parser.parse_args(parser.words(variables.split()))


def test_every_form_and_type_is_there():
    assert {target for target, _ in COMMANDS} == {"export", "profile"}
    for form in export.FORMS[1:]:
        assert f"AS={form}" in TEXT
    assert f"TYPE={export.TYPES[1]}" in TEXT
