"""Command lines of stages and commands: all of them help with an example, and a mistake names what is nearest."""

import importlib
import sys

import pytest

from abacus.__main__ import Parser
from abacus.commands import table
from abacus.core.options import Options
from tests.workspace import ROOT

STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))


@pytest.fixture
def parser() -> Options:
    made = Options("python -m stages.some", "What it does.\n\n    python -m stages.some --out x")
    made.add_argument("--out", required=True)
    made.add_argument("--count", type=int)
    made.add_argument("--kind", choices=["CPU", "Ascend"])
    return made


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--otu", "x"], "unrecognized arguments: --otu, did you mean --out?"),
        (["--xyz=1"], "unrecognized arguments: --xyz, known: --help, --out, --count, --kind"),
        ([], "missing: --out"),
        (["--out", "x", "--kind", "CPo"], "argument --kind: invalid choice: 'CPo', did you mean CPU?"),
        (["--out", "x", "--kind", "z"], "argument --kind: invalid choice: 'z', one of: CPU, Ascend"),
        (["--out", "x", "--count", "two"], "argument --count is 'two', which is no whole number"),
        (["--out"], "argument --out: expected one argument"),
        (["--ou", "x"], "unrecognized arguments: --ou, did you mean --out?"),
    ],
)
def test_a_mistake_is_one_line_with_the_nearest_name(parser, capsys, words, said):
    with pytest.raises(SystemExit) as end:
        parser.parse_args(words)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    expected = f"error: python -m stages.some: {said}; expected as in `python -m stages.some --help`\n"
    assert (out, err) == ("", expected)


def test_what_is_right_is_read(parser):
    found = parser.parse_args(["--out=--otu", "--count", "-3"])
    assert (found.out, found.count) == ("--otu", -3)


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_helps_with_an_example(name, capsys, monkeypatch):
    module = importlib.import_module(f"stages.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as end:
        module.main()
    out, err = capsys.readouterr()
    assert (end.value.code, err) == (0, "")
    example = f"python -m stages.{name} --"
    assert module.__doc__.splitlines()[0] in out
    assert [line for line in out.splitlines() if line.strip().startswith(example)], "beside the usage"
    monkeypatch.setattr(sys, "argv", [name, "--prams", "x"])
    with pytest.raises(SystemExit):
        module.main()
    said = "unrecognized arguments: --prams, "
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", table())
def test_every_command_helps_with_an_example_and_says_what_its_options_are(name):
    parser = Parser(table()[name])
    text = parser.format_help()
    assert f"make {name}" in text.partition("\n\n")[2], "in the docstring, beside the usage"
    prints = "json" if "--json" in text else ""
    assert bool(prints) == (name in {"ask", "diff", "doctor", "eval", "plan", "score", "verify"})
