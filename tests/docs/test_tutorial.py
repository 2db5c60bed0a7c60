"""docs/tutorial.md, typed line by line in a clone: smaller data, the rest as it stands."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.commands import TUTORIAL, lines, look
from tests.workspace import ROOT, small_clone

TEXT = (ROOT / TUTORIAL).read_text(encoding="utf-8")
# So much of what a clone has is ours: its git has a name, its `make` and its `.venv` are the environment that runs this test.
BIN = Path(sys.executable).parent
MAKE = f'make() {{ PATH="{BIN}:$PATH" "{sys.executable}" -m abacus "$@"; }}; '
# A new shell's, which finds nothing of the environment until the text says how.
PATH = os.pathsep.join(
    place for place in os.environ["PATH"].split(os.pathsep) if Path(place).resolve() != BIN.resolve()
)
ACTIVATE = "source .venv/bin/activate"


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What git has of the project, smaller, all of it committed; nothing has run in it yet."""
    folder = tmp_path_factory.mktemp("tutorial")
    params = small_clone(folder) | {"profile": "smollm2-135m"}
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params["predict"] |= {"math_limit": 11, "squad_limit": 2}
    for section in ("synthesize", "prepare", "predict"):
        for key, value in params[section].items():
            if isinstance(value, int | float):
                text = re.sub(rf"(?m)^(  {key}: )[\d.]+", rf"\g<1>{value}", text)
    text = re.sub(r"(?m)^checkpoints: .*$", "checkpoints: [0, 1]", text)
    assert yaml.safe_load(text)["prepare"] == params["prepare"]
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    shutil.copyfile(ROOT / "dvc.lock", folder / "dvc.lock")  # git has one, and `commit -a` adds nothing new
    git = "git config user.name t && git config user.email t@example.org && git add . && git commit -qm code"
    subprocess.run(git, shell=True, cwd=folder, check=True)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def typed(folder, line: str, active: bool) -> str:
    """What a line says on standard output, in a shell that has been told of the environment or not; it must end well."""
    done = subprocess.run(
        ["bash", "-c", MAKE + (f"{ACTIVATE}; " if active else "") + line],
        cwd=folder,
        env=os.environ | {"PATH": PATH, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.parametrize(
    ("page", "first"),
    [
        (TUTORIAL, "$ dvc "),
        ("README.md", "`dvc exp run"),
        ("README.zh-CN.md", "`dvc exp run"),
        ("CONTRIBUTING.md", "`python -m pytest"),
        ("docs/from-dvc.md", "$ dvc "),
        ("docs/index.md", "## Words"),
    ],
)
def test_the_shell_is_told_of_the_environment_before_its_programs_are_typed(page, first):
    assert ACTIVATE in (ROOT / page).read_text(encoding="utf-8").split(first)[0]


@pytest.mark.slow
def test_every_line_can_be_typed_and_does_what_the_text_says(clone):
    said, active = {line.partition("  #")[0].strip(): [] for line in lines(TEXT)}, False
    for line in lines(TEXT):
        said[line.partition("  #")[0].strip()].append(typed(clone, line, active))
        active = active or line.startswith(ACTIVATE)
    assert all(len(said[line][0].splitlines()) == 3 for line in said if line.startswith("make workings"))
    assert "changed" in said["dvc status prepare"][0]
    second = set(re.findall(r"Running stage '([\w@]+)'", said["make repro"][0]))
    assert {"prepare", "mindrecord", "finetune", "report"} <= second
    assert not second & {"synthesize", "base"}
    assert "mean_learned" in said["make diff"][0]
    assert said["make diff FROM=HEAD~1"] == said["make diff"]
    assert "up to date" in said["dvc status"][0]
    for command in look():
        typed(clone, command.text, active)
