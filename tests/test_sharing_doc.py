"""docs/sharing.md: its commands exist, with the variables that it gives them, and its causes are the code's."""

import re
from pathlib import Path

import pytest

from stages import published
from stages.sharing import advice

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/sharing.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"make ([a-z-]+)((?: [A-Z]+=[^\s`)]+)*)", TEXT)))


@pytest.mark.parametrize(("target", "variables"), COMMANDS)
def test_a_command_is_a_target_that_reads_its_variables(target, variables):
    rule = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert rule, f"there is no target {target}"
    for name in re.findall(r"([A-Z]+)=", variables):
        assert f"{{{name}:" in rule[1] or f'"$${name}"' in rule[1], f"{target} does not read {name}"


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
