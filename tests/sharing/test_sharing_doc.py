"""docs/sharing.md: it names what shares, and its causes are the code's. tests/docs looks at its commands."""

import re
from pathlib import Path

from abacus.sharing import advice, published

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/sharing.md").read_text(encoding="utf-8")


def test_it_names_the_commands_of_sharing():
    assert set(re.findall(r"make ([a-z-]+)", TEXT)) >= {"remote", "share-check", "push", "pull", "published"}


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
