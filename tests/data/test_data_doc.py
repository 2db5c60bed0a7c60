"""docs/data.md: every key of a recipe has its line, and every recipe its line and an example of every kind of problem."""

import re

from abacus.data.selection import Prepare
from abacus.problems.kinds import KINDS, kind_of
from abacus.problems.workings import RECIPES, recognise, working
from tests.workspace import ROOT

TEXT = (ROOT / "docs/data.md").read_text(encoding="utf-8")
DECIMALS = 4


def examples():
    """The problems of the marked block, each with its lines: recipe and text."""
    block = (
        TEXT.split("<!-- workings -->")[1].split("<!-- /workings -->")[0].strip().removeprefix("```text\n")
    )
    for part in block.removesuffix("\n```").split("\n\n"):
        problem, *lines = part.splitlines()
        yield problem, dict(line.split(maxsplit=1) for line in lines)


def test_every_kind_is_worked_out_by_every_recipe():
    found = list(examples())
    problems = [recognise(problem) for problem, _ in found]
    kinds = [kind_of(problem.category, text) for problem, (text, _) in zip(problems, found, strict=True)]
    assert sorted(kinds) == sorted(KINDS)
    for problem, (_, lines) in zip(problems, found, strict=True):
        assert lines == {recipe: working(problem, recipe, DECIMALS) for recipe in RECIPES}


def test_every_recipe_and_every_key_has_its_line():
    assert set(re.findall(r"^- `(\w+)`: ", TEXT, re.MULTILINE)) == set(RECIPES)
    first = re.findall(r"^\| (`[^|]+) \|", TEXT.split("\n## ")[0], re.MULTILINE)
    assert {key for cell in first for key in re.findall(r"`(\w+)`", cell)} == set(Prepare.model_fields)
