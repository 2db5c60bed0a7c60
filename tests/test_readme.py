"""What the README draws is what is there: the tree of folders, and the stages' dataflow."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(kind: str, holding: str) -> list[str]:
    """The lines of the README's one fenced block of a kind that holds a text."""
    (found,) = (text for text in re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL) if holding in text)
    return found.splitlines()


def filled(text: str, params: dict) -> str:
    """A path of dvc.yaml with its parameters written out; a stage's own item, `${item}`, is N."""

    def value(match: re.Match[str]) -> str:
        found = params
        for key in match[1].split("."):
            found = found.get(key, {}) if isinstance(found, dict) else {}
        return str(found) if found and not isinstance(found, dict | list) else "N"

    return re.sub(r"\$\{([\w.]+)\}", value, text)


def edges() -> Iterator[tuple[str, str]]:
    """Stage by stage: whose output it reads."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

    def paths(stage: str, *kinds: str) -> list[Path]:
        entries = (entry for kind in kinds for entry in stages[stage].get(kind, []))
        return [
            Path(filled(entry if isinstance(entry, str) else next(iter(entry)), params)) for entry in entries
        ]

    outs = {out: stage for stage in stages for out in paths(stage, "outs", "metrics", "plots")}
    for stage in stages:
        for dep in paths(stage, "deps"):
            for out, maker in outs.items():
                if maker != stage and (dep.is_relative_to(out) or out.is_relative_to(dep)):
                    yield maker, stage


def test_the_picture_is_the_pipeline():
    drawn = [tuple(line.split(" --> ")) for line in map(str.strip, block("mermaid", "flowchart")[1:])]
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == set(edges())


def test_the_tree_has_a_line_for_every_folder():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    ).stdout.split("\n")
    if not any(tracked):
        pytest.skip("no git repository here, so what belongs to it is not known")
    folders = {name.partition("/")[0] for name in tracked if "/" in name} - {".ci", ".dvc"}
    packages = {path.parent.name for path in (ROOT / "abacus").glob("*/__init__.py")}
    drawn = [line for line in block("text", "profiles/") if re.match(r" {0,2}[a-z]+/ ", line)]
    assert {line.split("/")[0] for line in drawn if line[0] != " "} == folders
    assert {line.strip().split("/")[0] for line in drawn if line[0] == " "} == packages
    assert all(line.split("/", 1)[1].strip() for line in drawn)
