"""How the repository is laid out: stages are thin and nobody's library, commands lie behind one door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from abacus.commands import table
from tests.workspace import ROOT

MODULES = sorted(path for top in ("abacus", "stages") for path in (ROOT / top).rglob("*.py"))
STAGES = sorted(path for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
COMMANDS = sorted(path for path in (ROOT / "abacus/commands").glob("*.py") if path.stem != "__init__")
PACKAGES = [path for path in MODULES if path.stem == "__init__"]
LONGEST = 80  # lines of a stage


def name_of(path: Path) -> str:
    """A file of the repository as pytest shows it."""
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def users(paths: list[Path], package: str) -> set[tuple[str, str]]:
    """Who of `paths` imports what of a package."""
    return {(name_of(p), name) for p in paths for name in imports(p) if f"{name}.".startswith(f"{package}.")}


def test_nothing_imports_a_stage():
    tests = sorted((ROOT / "tests").rglob("*.py"))
    assert len(MODULES) > 100 and len(tests) > 70
    assert users([*MODULES, *tests], "stages") == set()


def test_only_the_door_imports_commands():
    # `Command` and `table` are no command's: they are how the door finds one.
    found = users(MODULES, "abacus.commands")
    assert found == {("abacus/__main__.py", f"abacus.commands.{name}") for name in ("Command", "table")}


def test_the_stages_are_those_of_the_pipeline():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert [path.stem for path in STAGES] == sorted(stages)


@pytest.mark.parametrize("path", STAGES, ids=name_of)
def test_a_stage_is_thin(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", COMMANDS, ids=name_of)
def test_a_command_says_how_it_is_typed_and_has_what_the_door_calls(path):
    module = ast.parse(path.read_text(encoding="utf-8"))
    name = path.stem.replace("_", "-")
    usage = [line.strip() for line in (ast.get_docstring(module) or "").splitlines()]
    assert any(line.split()[:2] == ["make", name] for line in usage)
    assert set(table()[name].forms) <= set(usage)
    functions = {node.name: node.args.args for node in module.body if isinstance(node, ast.FunctionDef)}
    assert {"arguments", "main"} <= set(functions)
    assert len(functions["arguments"]) == len(functions["main"]) == 1


@pytest.mark.parametrize("path", PACKAGES, ids=name_of)
def test_a_package_says_what_it_holds_and_does_nothing_when_it_is_imported(path):
    module = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(module)
    # A stage's deps need not name what holds no code; how an interrupt ends a stage's imports moves no output.
    if path.parent.name not in ("commands", "stages"):
        assert len(module.body) == 1
