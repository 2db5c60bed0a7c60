"""What the documents draw is what is there: the tree of folders, the stages' table, the packages' and the stages' pictures."""

import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

from docs import draw
from tests.workspace import ROOT

DESIGN = (ROOT / "docs/design.md").read_text(encoding="utf-8")


def tree() -> list[str]:
    """The lines of the drawn tree."""
    (found,) = (text for text in re.findall(r"```text\n(.*?)```", DESIGN, re.DOTALL) if "profiles/" in text)
    return found.splitlines()


def test_the_readme_names_the_stages_in_their_order():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = (line for line in readme.splitlines() if line.startswith("`configure` → "))
    named = re.findall(r"`(\w+)`", line)
    maker_before_reader = [named.index(a) < named.index(b) for a, b in set(draw.reads())]
    assert all(maker_before_reader) and len(maker_before_reader) > 15
    assert set(named) == {stage for edge in draw.reads() for stage in edge}


@pytest.mark.parametrize("name", draw.pictures())
def test_a_picture_is_as_its_command_draws_it(name):
    """`make docs` draws them anew."""
    assert (draw.FIGURES / name).read_text(encoding="utf-8") == draw.pictures()[name]
    ET.parse(draw.FIGURES / name)
    assert f"figures/{name}" in DESIGN


def test_a_picture_has_every_node_and_no_arrow_that_others_stand_for():
    edges = {("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("d", "c")}
    assert draw.short(edges) == edges - {("a", "c")}
    text = draw.drawn("x < y", edges)
    drawn = ET.fromstring(text)
    names = {node.text for node in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert names == set("abcd")
    assert len(drawn.findall("{http://www.w3.org/2000/svg}path")) == len(edges)


def test_the_tree_has_a_line_for_every_folder():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    ).stdout.split("\n")
    if not any(tracked):
        pytest.skip("no git repository here, so what belongs to it is not known")
    folders = {name.partition("/")[0] for name in tracked if "/" in name and not name.startswith(".")}
    packages = {path.parent.name for path in (ROOT / "abacus").glob("*/__init__.py")}
    drawn = [line for line in tree() if re.match(r" {0,2}[a-z]+/ ", line)]
    assert {line.split("/")[0] for line in drawn if line[0] != " "} == folders
    assert {line.strip().split("/")[0] for line in drawn if line[0] == " "} == packages
    assert all(line.split("/", 1)[1].strip() for line in drawn)
