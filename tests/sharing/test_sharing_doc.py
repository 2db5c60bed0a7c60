"""docs/sharing.md: its commands exist, with the variables that it gives them, and its causes are the code's."""

import re
from pathlib import Path

import pytest

from abacus.__main__ import Parser
from abacus.commands import table
from abacus.sharing import advice, published

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/sharing.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"make ([a-z-]+)((?: [A-Z]+=[^\s`)]+)*)", TEXT)))


@pytest.mark.parametrize(("target", "variables"), COMMANDS)
def test_a_command_is_a_target_that_reads_its_variables(target, variables):
    assert target in table(), f"there is no command {target}"
    Parser(table()[target]).words(variables.split())  # stops at a variable that it does not have


def test_it_names_the_commands_of_sharing():
    assert {target for target, _ in COMMANDS} >= {"remote", "share-check", "push", "pull", "published"}


def test_its_causes_are_those_of_the_code():
    known = {
        trouble.cause for table in (advice.CODES, advice.NAMES, advice.DISK) for trouble in table.values()
    }
    rows = re.findall(
        r"^\| [^|]+ \| ([^|]+) \| [^|]*\|$", TEXT.split("## Faults")[1].split("\n## ")[0], re.MULTILINE
    )
    quoted = [cause for row in rows for cause in re.split(r"; |, or ", row) if cause in known]
    assert len(quoted) >= 8, quoted


def test_it_counts_the_published_files():
    assert f"the {len(published.FILES)} files" in TEXT
