"""Outputs in one step, whoever else writes there at the same moment and however a writer ends."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from abacus.core import files
from abacus.core.files import LOCK, OLD, PART, alone, put, replacing

ROOT = Path(__file__).parents[2]
WRITE = """
import sys, time
from pathlib import Path
from abacus.core.files import replacing
with replacing(Path(sys.argv[1])) as part:
    part.mkdir()
    (part / "theirs").touch()
    print("writing", flush=True)
    sys.stdin.readline()
"""


def writer(path: Path) -> subprocess.Popen:
    """Another process, in the middle of writing a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == b"writing\n"
    return process


@pytest.mark.parametrize("other", ["lr4", "lr4-best", "lr4-abcdefgh"])
def test_what_another_process_is_writing_is_let_be(tmp_path, other):
    process = writer(tmp_path / other)
    with replacing(tmp_path / "lr4") as part:
        part.mkdir()
        (part / "ours").touch()
    assert [path.name for path in (tmp_path / "lr4").iterdir()] == ["ours"]
    process.communicate(b"\n")
    assert process.returncode == 0
    assert [path.name for path in (tmp_path / other).iterdir()] == ["theirs"]
    assert not list(tmp_path.glob(f"{PART}*"))


def test_what_a_dead_process_has_left_is_removed_and_nothing_of_a_longer_name(tmp_path):
    for name in ("lr4", "lr4-best"):
        process = writer(tmp_path / name)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with replacing(tmp_path / "lr4") as part:
        part.mkdir()
    assert [path.name.rpartition("-")[0] for path in tmp_path.glob(f"{PART}*")] == [f"{PART}lr4-best"]


def test_what_stepped_aside_for_a_killed_writer_comes_back(tmp_path):
    left = tmp_path / f"{PART}out-abcdefgh"
    (left / f"out{OLD}").mkdir(parents=True)
    (left / f"out{OLD}" / "old").touch()
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "out"):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["old"]


@pytest.mark.parametrize("possible", [True, False])
def test_folders_change_places(tmp_path, monkeypatch, possible):
    if not possible:
        monkeypatch.setattr(files, "exchanged", lambda one, other: False)
    for name in ("old", "new"):
        (tmp_path / name / name).mkdir(parents=True)
    put(tmp_path / "new", tmp_path / "old")
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["new"]


def test_no_other_name_of_a_file_is_written_through(tmp_path):
    held = tmp_path / "cache"
    held.write_text("held", encoding="utf-8")
    for link in ("hardlink_to", "symlink_to"):
        path = tmp_path / link
        getattr(path, link)(held)
        with replacing(path) as part:
            part.write_text("new", encoding="utf-8")
        assert (held.read_text(encoding="utf-8"), path.read_text(encoding="utf-8")) == ("held", "new")


def test_a_lock_is_had_once_and_is_free_again(tmp_path):
    with alone(tmp_path / LOCK) as first, alone(tmp_path / LOCK) as second:
        assert (first, second) == (True, False)
    with alone(tmp_path / LOCK) as third:
        assert third


METHODS, FUNCTIONS = {"open", "read_text", "write_text"}, {"open", "os.fdopen", "io.TextIOWrapper"}
ARCHIVES = ("archive.open", "tarfile.open", "wheel.open", "os.open")  # of bytes


def without_encoding(text: str) -> list[int]:
    """Lines of a module where a text is opened in whatever encoding the locale has."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        method = isinstance(node.func, ast.Attribute) and node.func.attr in METHODS
        options = {word.arg: word.value for word in node.keywords}
        modes = [arg.value for arg in [*node.args, *options.values()] if isinstance(arg, ast.Constant)]
        of_bytes = any(mode in ("rb", "wb", "ab", "r+b") for mode in modes) or name in ARCHIVES
        named = "encoding" in options or "utf-8" in modes  # read_text takes it first
        if (method or name in FUNCTIONS) and not of_bytes and not named:
            found.append(node.lineno)
        if "text" in options or "universal_newlines" in options:
            found.append(node.lineno)
    return found


def test_every_text_is_opened_in_a_named_encoding():
    modules = sorted([*(ROOT / "abacus").rglob("*.py"), *(ROOT / "stages").glob("*.py")])
    assert len(modules) > 80
    found = {
        str(path.relative_to(ROOT)): without_encoding(path.read_text(encoding="utf-8")) for path in modules
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("text", ["open(x)", "p.read_text()", "p.open('w')", "run(x, text=True)"])
def test_one_that_is_not_is_seen(text):
    assert without_encoding(text)
