"""The door to every command, by real calls: `python -m abacus NAME ...`, and `make NAME ...` which leads there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from abacus.commands import table
from tests.workspace import ROOT

# A command that says what it was given, and leaves a file to show that it ran.
ECHO = '''\
"""Say what it was given.

    make echo [WORD=x] [FLAG=1]
"""

import json
from pathlib import Path


def arguments(parser):
    for name in ("word", "name", "prefix", "out", "profile", "two-words"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--flag", action="store_true")
    parser.add_argument("--kind", choices=["one", "other"])


def main(args):
    Path("ran").touch()
    print(json.dumps(vars(args)))
'''
NOTHING = dict.fromkeys(("word", "name", "prefix", "out", "profile", "two_words", "kind")) | {"flag": False}
# What conda, WSL and people export.
EXPORTED = {"NAME": "a", "PREFIX": "b", "OUT": "c", "PROFILE": "d", "WORD": "e", "FLAG": "1", "WROD": "f"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The Makefile and the library in a folder of their own, with one command more and this environment set up."""
    folder = tmp_path_factory.mktemp("door") / "a copy"
    shutil.copytree(ROOT / "abacus", folder / "abacus", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "params.yaml", "environment/run.lock"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "abacus/commands/echo.py").write_text(ECHO, encoding="utf-8")
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != ".ready":
            (folder / ".venv" / path.name).symlink_to(path)
    # Of this place, and younger than the lock: nothing is to be set up.
    (folder / ".venv/.ready").write_text(f"{folder / '.venv'}\n", encoding="utf-8")
    return folder


def run(folder: Path, *command: str, **more: str) -> subprocess.CompletedProcess:
    """Run a command in a folder, the environment with what others export."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHONPATH"))}
    return subprocess.run(
        command, cwd=folder, env=own | EXPORTED | more, capture_output=True, encoding="utf-8", check=False
    )


def make(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """Type `make WORDS`."""
    return run(folder, "make", *words)


def door(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """Type `python -m abacus WORDS`."""
    return run(folder, sys.executable, "-m", "abacus", *words)


def echoed(done: subprocess.CompletedProcess) -> dict[str, object]:
    """What the command says that it was given, beyond its defaults."""
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found.keys() == NOTHING.keys()
    return {name: value for name, value in found.items() if value != NOTHING[name]}


def refused(done: subprocess.CompletedProcess) -> str:
    """The one line of error of the door; below it only make's own word that its recipe failed."""
    assert done.returncode != 0
    assert done.stdout == ""
    line, *rest = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert [text for text in rest if not text.startswith("make: *** ")] == []
    return line.removeprefix("error: ")


def test_what_others_export_is_not_meant_for_us(copy):
    assert echoed(make(copy, "echo")) == {}
    assert echoed(make(copy, "echo", "WORD=x")) == {"word": "x"}
    assert echoed(door("echo", "WORD=x", folder=copy)) == {"word": "x"}


def test_what_is_typed_counts_wherever_it_stands_and_whatever_is_exported(copy):
    typed = ("NAME=n", "PREFIX=p", "OUT=o", "PROFILE=q")
    expected = {"name": "n", "prefix": "p", "out": "o", "profile": "q"}
    assert echoed(make(copy, "echo", *typed)) == expected
    assert echoed(make(copy, *typed, "echo")) == expected
    assert echoed(make(copy, "-s", "--no-print-directory", "echo", *typed)) == expected
    assert echoed(make(copy, "PYTHON=python3", "echo", "NAME=n")) == {"name": "n"}, "that one is make's own"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["clean", "PROFIEL=tiny"], "PROFIEL is no variable of make clean, expected none"),
        (["-n", "fuzz", "SEDE=3"], "SEDE is no variable of make fuzz, expected N SEED TARGET"),
        (["test", "FOO=1"], "FOO is no variable of make test, expected none"),
        (["FOO=1"], "FOO is no variable of make help, expected none"),
    ],
)
def test_make_s_own_targets_refuse_what_they_do_not_know(copy, words, said):
    done = make(copy, *words)
    assert (done.returncode, done.stdout) == (2, "") and said in done.stderr


# As it is typed behind `WORD=`, and as it arrives. (To make, blanks at the beginning are none.)
VALUES = {
    "blanks": "a  b ",
    "single quotes": "it's 'quoted'",
    "double quotes": 'a "b" c',
    "brackets": "(a) [b] {c} <d>",
    "a dollar": "$5 and $HOME, $(pwd), ${x}",
    "Chinese": "计算 4.00 的平方根？",
    "what a shell reads": "a;b|c&d`e`f*g?h~i!j\\k^l",
    "what make reads": "a#b%c:d=e,f @g -h +i",
    "a dash": "-x",
    "two dashes": "--flag",
    "a backslash at the end": "a\\",
    "another assignment": "NAME=x",
}


@pytest.mark.parametrize("typed", VALUES.values(), ids=VALUES)
def test_a_value_comes_through_as_it_is(copy, typed):
    assert echoed(make(copy, "echo", f"WORD={typed}")) == {"word": typed}
    assert echoed(door("echo", f"WORD={typed}", folder=copy)) == {"word": typed}


def test_a_line_break_is_refused(copy):
    done = make(copy, "echo", "WORD=a\nb")
    assert (done.returncode, done.stdout) == (2, "") and "WORD has a line break" in done.stderr


def test_a_file_may_have_any_name(copy):
    name = 'it\'s a "row" (1) [x] $5; 计算.jsonl'
    row = {"problem": "计算 4.00 的平方根？", "solution": "√4.00 = 2.0"}
    (copy / name).write_text(json.dumps(row) + "\n", encoding="utf-8")
    done = make(copy, "audit", f"RAW={name}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verified"] == 1


@pytest.mark.parametrize("value", ["0", "no", "No", "false", "off", ""])
def test_a_switch_is_left_off_by_a_no(copy, value):
    assert echoed(make(copy, "echo", f"FLAG={value}")) == {}


@pytest.mark.parametrize("value", ["1", "yes", "true", "TRUE", "on"])
def test_a_switch_is_turned_on_by_a_yes(copy, value):
    assert echoed(make(copy, "echo", f"FLAG={value}")) == {"flag": True}


def test_an_empty_value_is_none(copy):
    assert echoed(make(copy, "echo", "WORD=", "NAME=n")) == {"name": "n"}


def test_a_name_of_two_words_has_an_underscore(copy):
    assert echoed(make(copy, "echo", "TWO_WORDS=x")) == {"two_words": "x"}
    assert echoed(door("echo", "--two-words", "x", "--flag", folder=copy)) == {"two_words": "x", "flag": True}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("WROD=x", "WROD is no variable of it, did you mean WORD?"),
        ("XYZ=1", "XYZ is no variable of it, known: WORD, NAME, PREFIX, OUT, PROFILE, TWO_WORDS, FLAG, KIND"),
        ("HELP=1", "HELP is no variable of it, known: "),
        ("FLAG=maybe", "FLAG is 'maybe', which is neither 1 nor 0"),
        ("KIND=x", "argument KIND: invalid choice: 'x'"),
        ("word=x", "unrecognized arguments: word=x"),
    ],
)
def test_what_is_typed_wrong_is_named_before_anything_runs(copy, word, said):
    (copy / "ran").unlink(missing_ok=True)
    for done in (make(copy, "echo", word, "NAME=n"), door("echo", "NAME=n", word, folder=copy)):
        line = refused(done)
        assert line.startswith(f"make echo: {said}")
        assert line.endswith("; expected make echo [WORD=x] [FLAG=1]")
    assert not (copy / "ran").exists()
    assert echoed(make(copy, "echo", "NAME=n")) == {"name": "n"}
    assert (copy / "ran").exists(), "it would have been seen"


def test_an_option_is_not_guessed_from_its_beginning(copy):
    line = refused(door("echo", "--wor", "x", folder=copy))
    assert line.startswith("make echo: unrecognized arguments: ")


def test_a_variable_that_is_missing_is_named():
    expected = "make audit: missing: RAW; expected make audit RAW=rows.jsonl"
    assert refused(door("audit")) == refused(door("audit", "RAW=")) == expected


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("adit", "did you mean 'audit'?"),
        ("share_check", "did you mean 'share-check'?"),
        ("xyz", "`python -m abacus --help` lists them"),
    ],
)
def test_an_unknown_command_names_the_nearest(name, hint):
    assert refused(door(name, "RAW=x")) == f"{name}: is no command; {hint}"


def test_make_knows_the_commands_and_no_other(copy):
    done = make(copy, "adit", "RAW=x")
    assert done.returncode != 0 and done.stdout == ""
    assert "'adit'" in done.stderr


@pytest.mark.parametrize("name", table())
def test_every_command_helps(name):
    done = door(name, "--help")
    assert done.returncode == 0 and done.stderr == ""
    command = table()[name]
    assert all(form in done.stdout for form in command.forms) and command.does in done.stdout


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_help_lists_every_file_of_commands(words):
    done = door(*words)
    assert done.returncode == 0 and done.stderr == ""
    files = [path for path in (ROOT / "abacus/commands").glob("*.py") if path.stem != "__init__"]
    assert len(files) > 15
    listed = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert {line.split()[1] for line in listed} == {path.stem.replace("_", "-") for path in files}
    assert all(line.split()[0] == "make" for line in listed)


def test_make_help_lists_them_too_and_its_own_targets(copy):
    for words in ((), ("help",)):
        done = make(copy, *words)
        assert done.returncode == 0, done.stderr
        listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("make ")}
        assert listed >= {*table(), "echo", "setup", "test", "fuzz", "lint", "clean"}


def test_the_exit_code_is_the_commands_own(copy):
    (copy / "wrong.jsonl").write_text(
        '{"problem": "计算 4.00 的平方根？", "solution": "3"}\n', encoding="utf-8"
    )
    done = door("audit", "RAW=wrong.jsonl", folder=copy)
    assert done.returncode == 1 and json.loads(done.stdout)["wrong"] == 1
    assert make(copy, "audit", "RAW=wrong.jsonl").returncode != 0
