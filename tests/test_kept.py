"""Nothing in git that it may not keep, and the hooks before a commit find it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import kept
from tests.workspace import ROOT, tracked


def test_git_keeps_nothing_large_no_secret_and_no_path_of_one_machine():
    found = [(name, what) for name in tracked() for what in kept.found(name, (ROOT / name).read_bytes())]
    assert found == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("AWS key", "id = AKIA" + "ABCD" * 4),
        ("Huawei AK or SK", "AK: " + "ABCDE12345" * 2),
        ("Huawei AK or SK", 'secret_access_key = "' + "abcDE12345" * 4 + '"'),
        ("private key", "-----BEGIN RSA " + "PRIVATE KEY-----"),
        ("token", "hf_" + "aB3d" * 9),
        ("token", "ghp_" + "aB3d" * 9),
        ("absolute path", "see /" + "home/me"),
        ("password in an address", "https://me:" + "hunter22@example.org/simple"),
    ],
)
def test_a_secret_would_be_seen(kind, text):
    assert list(kept.found("a.py", text.encode())) == [kind]


def test_a_large_file_would_be_seen_and_one_that_is_no_text_is_no_fault():
    assert list(kept.found("a.bin", b"\xff" * (1 << 20))) == []
    assert list(kept.found("a.bin", b"\xff" * ((1 << 20) + 1))) == ["1,048,577 bytes"]
    assert list(kept.found("tests/journeys/test_safety.py", b"https://me:" + b"hunter22@example.org")) == []


@pytest.fixture
def clone(tmp_path) -> Path:
    """A repository with the hooks, all of it staged."""
    for name in (".pre-commit-config.yaml", "pyproject.toml", "tests/kept.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / ".gitignore").write_text("/.venv\n/.cache\n")
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def hooks(folder: Path) -> tuple[int, str]:
    """The exit code and the words of all hooks, without a network."""
    env = os.environ | {"PRE_COMMIT_HOME": str(folder / ".cache"), "https_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--color", "never"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_hooks_pass_what_is_right_and_name_what_is_not(clone):
    code, said = hooks(clone)
    assert code == 0, said
    assert said.count("Passed") == 3
    (clone / "bad.py").write_text("import os\nkey = 'AKIA" + "ABCD" * 4 + "'\n")
    subprocess.run(["git", "add", "bad.py"], cwd=clone, check=True)
    code, said = hooks(clone)
    assert code == 1
    assert "bad.py: AWS key" in said
    assert (clone / "bad.py").read_text().startswith("key"), "ruff has mended its part"
