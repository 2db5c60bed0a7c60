"""`make predict`: an input that is something else than rows is one line, and is never written over."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from abacus.commands.predict import check_lines, check_output, read_lines
from abacus.core.errors import InputError
from tests.workspace import ROOT

ROWS = [{"problem": "a"}, {"problem": "b"}]
LAID_OUT = "expected JSON Lines with a 'problem' each; write one object a line"


def check(path):
    lines = read_lines(path)
    check_lines(lines, path)
    return lines


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps(ROWS), f"is a JSON array, {LAID_OUT}"),
        (json.dumps(ROWS, indent=1), f"is a JSON array, {LAID_OUT}"),
        ("\ufeff" + json.dumps(ROWS[0], indent=1), f"is an object over several lines, {LAID_OUT}"),
        (
            "# Title\n\n```\n{}\n",
            "none of 3 rows can be answered; line 1 is the first: not JSON (Expecting value",
        ),
        (
            '{"text": "a"}\n',
            "none of 1 rows can be answered; line 1 is the first: key 'problem' is missing: ",
        ),
        ("\n[1]\n", "is a JSON array, "),
    ],
)
def test_a_file_of_something_else_is_one_line(tmp_path, text, says):
    path = tmp_path / "in.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        check(path)
    assert str(caught.value).startswith(f"{path}: {says}")


@pytest.mark.parametrize(
    "text", ['{"problem": "a"}\nnonsense\n', 'nonsense\n{"problem": "a"}\n', '[1]\n{"problem": "a"}\n']
)
def test_a_file_with_a_row_in_it_is_answered(tmp_path, text):
    path = tmp_path / "in.jsonl"
    path.write_text(text)
    assert [bool(line.fault) for line in check(path)].count(False) == 1


@pytest.mark.parametrize("how", ["name", "path", "link", "hard link"])
def test_the_input_is_no_output(tmp_path, how):
    source = tmp_path / "in.jsonl"
    source.write_text("{}")
    output = tmp_path / "out.jsonl"
    if how == "link":
        output.symlink_to(source)
    elif how == "hard link":
        output.hardlink_to(source)
    else:
        output = source if how == "name" else tmp_path / "x" / ".." / "in.jsonl"
        (tmp_path / "x").mkdir()
    with pytest.raises(InputError, match="is both INPUT and OUTPUT, expected another file to write"):
        check_output(output, source)


def test_another_output_is_fine(tmp_path):
    (tmp_path / "in.jsonl").write_text("{}")
    check_output(tmp_path / "out.jsonl", tmp_path / "in.jsonl")
    check_output(tmp_path / "out.jsonl", tmp_path / "missing.jsonl")


def test_the_command_says_so_before_all_else(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"problem": "a"}\n')
    words = [sys.executable, "-m", "abacus", "predict", "CHECKPOINT=0", f"INPUT={path}", f"OUTPUT={path}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"error: {path}: is both INPUT and OUTPUT, expected another file to write\n"
    assert Path(path).read_text() == '{"problem": "a"}\n'
