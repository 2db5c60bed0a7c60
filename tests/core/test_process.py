"""What commands share: outputs in one step, one-line errors, JSON files that are read with care."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from abacus.core.documents import read_json, write_json
from abacus.core.errors import InputError
from abacus.core.files import PART, replacing

ROOT = Path(__file__).parents[2]


def test_a_file_is_replaced_when_all_went_well(tmp_path):
    path = tmp_path / "new" / "a.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "out"
    for name in ("one", "two"):
        with replacing(path) as part:
            part.mkdir()
            (part / name).touch()
    assert [p.name for p in path.iterdir()] == ["two"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [InputError("", "no"), KeyboardInterrupt(), OSError("disk")])
def test_an_error_keeps_what_was_there(tmp_path, error):
    path = tmp_path / "a.json"
    write_json(path, 1)
    with pytest.raises(type(error)), replacing(path) as part:
        part.write_text("half")
        raise error
    assert json.loads(path.read_text()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_that_cannot_be_put_in_place_comes_back(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(OSError, match="No such file"), replacing(path):
        pass  # nothing was written, so there is nothing to put in place
    assert (path / "old").exists()


KILLED = """
import sys, time
from pathlib import Path
from abacus.core.files import replacing
with replacing(Path(sys.argv[1])) as part:
    part.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_a_killed_run_leaves_the_old_file_and_the_next_one_tidies_up(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, "old")
    command = [sys.executable, "-c", KILLED, str(path)]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."})
    assert run.stdout.readline() == b"writing\n"
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    time.sleep(0.1)
    assert json.loads(path.read_text()) == "old"
    left = [p.name for p in tmp_path.iterdir() if p != path]
    assert len(left) == 1
    assert left[0].startswith(PART)
    write_json(path, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (("a.json", "found 5"), "a.json: found 5"),
        (("a.json", "found 5", "6", "count"), "a.json: found 5, expected 6; count"),
        (("", "found 5", "6"), "found 5, expected 6"),
        (("a.json", "found 5", "", "count"), "a.json: found 5; count"),
        (("a.json", "a\nb\x1b[31m\ud800\u2028c"), "a.json: a\\nb\\x1b[31m\\ud800\\u2028c"),
        (("a.json", "x" * 5000, "y"), f"a.json: {'x' * 392} ... {'x' * 388}, expected y"),
    ],
)
def test_an_error_is_one_line_that_can_be_printed(said, line):
    error = InputError(*said)
    assert str(error) == line
    assert (error.place, error.found, error.expected, error.advice) == (*said, "", "")[:4]


@pytest.mark.parametrize("name", [".gitignore", ".dvcignore"])
def test_unfinished_outputs_are_ignored(name):
    assert f"{PART}*" in (ROOT / name).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "a.json: no such file, expected a thing"),
        (b"", "a.json, line 1: not JSON (Expecting value), expected a thing"),
        (b"{\n1}", "a.json, line 2: not JSON"),
        (b"\xff", "a.json, line 1: byte 1 is not UTF-8"),
        (b"[" * 10**5, "a.json: nested too deep"),
        (b"1" * 5000, "a number too long"),
        (b"[" * 200 + b"]" * 200, "a.json: nested too deep"),
        (b'{"a": "\\ud800"}', "a.json: holds a lone surrogate, which is no character"),
        (b"[]", "a.json: found a JSON array, expected a thing"),
        (b"5", "a.json: found 5, expected a thing"),
    ],
)
def test_a_bad_json_file_is_one_line(tmp_path, content, message):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_json(path, "a thing")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("MemoryError()", "error: there is not enough memory; what existed before is unchanged"),
        ("OSError(28, 'No space left on device', 'a')", "error: a: No space left on device"),
        ("InputError('a', 'is\\nb')", "error: a: is\\nb"),
    ],
)
def test_what_is_no_mistake_of_ours_is_one_line(said, line):
    code = f"from abacus.core.errors import InputError\nfrom abacus.core.process import run\ndef main():\n    raise {said}\nrun(main)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"{line}\n")


def test_a_folder_may_have_any_name(tmp_path):
    path = tmp_path / "old"
    for name in ("one", "two"):
        with replacing(path) as part:
            part.mkdir()
            (part / name).touch()
    assert [p.name for p in path.iterdir()] == ["two"]
