"""The user's mistakes, through the commands: one clear line, exit code 1, and what existed stays."""

import subprocess
import sys
from pathlib import Path

import pytest

from abacus.problems.kinds import NAMES

GOOD = '{"problem": "计算 4.00 的平方根？", "solution": "√4.00 = 2.0"}\n'.encode()

# Files that no stage can read: their content, and the error after the path.
UNREADABLE = {
    "no-json": (
        GOOD + b"problem,solution\n",
        ", line 2: not JSON (Expecting value at character 1): problem,",
    ),
    "cut-off": (
        GOOD + GOOD[:20],
        ', line 2: not JSON (Unterminated string starting at character 13): {"problem',
    ),
    "no-object": (GOOD + b'["a", "b"]\n', ', line 2: not a JSON object: ["a", "b"]'),
    "no-problem": (GOOD + b'{"solution": "3"}\n', ", line 2: key 'problem' is missing: "),
    "number": (GOOD + b'{"problem": 30, "solution": "3"}\n', ", line 2: 'problem' is 30, expected text"),
    "number-too": (
        GOOD + b'{"problem": "a", "solution": 3.5}\n',
        ", line 2: 'solution' is 3.5, expected text",
    ),
    "blank-line": (GOOD + b"\n" + GOOD, ", line 2: the line is blank, expected a JSON object"),
    "blank-end": (GOOD + b"\n", ", line 2: the line is blank, expected a JSON object"),
    "blank-text": (GOOD + b'{"problem": "", "solution": "3"}\n', ", line 2: 'problem' is blank"),
    "bom": (
        b"\xef\xbb\xbf" + GOOD,
        ", line 1: starts with a byte order mark; save the file as UTF-8 without BOM",
    ),
    "crlf": (GOOD.replace(b"\n", b"\r\n"), ", line 1: ends in CRLF; save the file with Unix line ends (LF)"),
    "empty": (b"", ": the file is empty, expected JSON Lines"),
    "binary": (bytes(range(256)) * 40, ", line 1: not JSON (Expecting value at character 1): "),
    "gbk": (GOOD.decode().encode("gbk"), ", line 1: byte 14 is not UTF-8, expected JSON Lines"),
    "utf-16": (GOOD.decode().encode("utf-16"), ", line 1: byte 1 is not UTF-8, expected JSON Lines"),
    "missing": (None, ": no such file"),
    "folder": ("folder", ": is a folder, expected a JSON Lines file"),
}
# Files that are read well and hold what is no problem: only prepare refuses them, audit lists them.
UNKNOWN = {
    "two-categories": (
        "计算 4.00 的平方根？解方程 5x + 5 = 0",
        "holds the text of 2 categories (equation, root)",
    ),
    "twice": (
        "计算 4.00 的平方根？计算 9.00 的平方根？",
        "holds a problem of category 'root' and more text around it",
    ),
    "no-category": ("今天天气很好", "is of no category"),
}
OUTS = {
    "prepare": ("train", "test", "rejected", "metrics", "categories"),
    "converse": ("out",),
    "audit": (),
    "workings": (),
}


@pytest.fixture
def attempt(stage, params, tmp_path):
    """Run a stage on a raw file, with old outputs in place; check that they and nothing else are there after.

    With `evidence` the rejected rows are written although the stage fails.
    """

    def run(name, raw, evidence=False, **changes):
        folder = tmp_path / "outs"
        folder.mkdir()
        outs = {out: folder / out for out in OUTS[name]}
        for path in outs.values():
            path.write_bytes(b"old")
        flags = [text for out, path in outs.items() for text in (f"--{out}", path)]
        if name in ("prepare", "workings"):
            flags += ["--params", params(prepare=changes)]
        done = stage(name, *flags, "--train" if name == "converse" else "--raw", raw)
        assert set(folder.iterdir()) == set(outs.values())
        written = {name for name, path in outs.items() if path.read_bytes() != b"old"}
        assert written == ({"rejected"} if evidence else set())
        return done

    return run


@pytest.fixture
def raw(tmp_path):
    """Write a raw file: bytes, a folder, or nothing at all."""

    def write(content):
        path = tmp_path / "raw.json"
        if content == "folder":
            path.mkdir()
        elif content is not None:
            path.write_bytes(content)
        return path

    return write


# One reader serves all stages: the others show that they use it, prepare what it says.
@pytest.mark.parametrize(
    ("name", "case"),
    [
        *(("prepare", case) for case in UNREADABLE),
        *(
            (name, case)
            for name in OUTS
            if name != "prepare"
            for case in ("no-json", "bom", "empty", "missing")
        ),
    ],
)
def test_a_file_that_cannot_be_read(attempt, raw, error_line, name, case):
    content, message = UNREADABLE[case]
    path = raw(content)
    assert error_line(attempt(name, path)).startswith(f"{path}{message}")


@pytest.mark.parametrize("name", ["prepare", "converse", "audit"])
def test_a_row_without_solution(attempt, raw, error_line, name):
    path = raw(GOOD + '{"problem": "计算"}\n'.encode())
    message = f'{path}, line 2: key \'solution\' is missing: {{"problem": "计算"}}'
    assert error_line(attempt(name, path)) == message


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_row_that_is_no_problem_stops_prepare(attempt, raw, error_line, write_lines, case):
    problem, message = UNKNOWN[case]
    path = write_lines(raw(None), {"problem": problem, "solution": "1"})
    line = error_line(attempt("prepare", path, evidence=True))
    found = f"{path}, line 1: the problem {message}: {problem}"
    assert line == f"{found}; prepare.unknown: drop leaves such rows out"


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_row_that_is_no_problem_is_listed_by_audit(attempt, raw, write_lines, case):
    problem, message = UNKNOWN[case]
    path = write_lines(raw(None), {"problem": problem, "solution": "1"})
    done = attempt("audit", path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"{path}, line 1: the problem {message}: {problem}"


def test_too_few_rows(attempt, raw, error_line):
    line = error_line(attempt("prepare", raw(GOOD), evidence=True, train_size=100, test_size=20))
    assert line.startswith(
        "params.yaml: prepare.train_size 100 and test_size 20 ask for more than the 1 different"
    )


PARAMS = [
    ("prepare", {"decimal": 3}, "decimal is not a known key; did you mean 'decimals'?"),
    ("prepare", {"decimals": None}, "decimals is None (nothing), expected a whole number from 0 to 10"),
    ("prepare", {"decimals": "4"}, "decimals is '4' (text), expected a whole number from 0 to 10"),
    ("prepare", {"decimals": 4.5}, "decimals is 4.5 (a number), expected a whole number from 0 to 10"),
    ("prepare", {"decimals": True}, "decimals is True (true or false), expected a whole number from 0 to 10"),
    ("prepare", {"decimals": 11}, "decimals is 11, expected a whole number from 0 to 10"),
    ("prepare", {"decimals": -1}, "decimals is -1, expected a whole number from 0 to 10"),
    (
        "prepare",
        {"workings": "exakt"},
        "workings is 'exakt', expected one of: published, reference, stepwise, spaced, exact",
    ),
    ("prepare", {"train_size": 0}, "train_size is 0, expected a whole number from 1 to 1000000000"),
    ("prepare", {"multiple_of": 0}, "multiple_of is 0, expected a whole number from 1 to 1000000"),
    ("prepare", {"mix": {"direct": 0}}, "mix.direct is 0, expected a number above 0 (with a point: 1.0e-3)"),
    ("prepare", {"mix": {"drect": 1}}, "mix names 'drect', expected categories; did you mean 'direct'?"),
    (
        "prepare",
        {"leave_out": ["direct*"]},
        "leave_out names 'direct*', expected categories; did you mean 'direct:*'?",
    ),
    ("prepare", {"leave_out": "power"}, "leave_out is 'power' (text), expected a list"),
    (
        "prepare",
        {"mix": {"direct": 1, "direct:+": 1}},
        "mix has a weight for direct and one for direct:+, expected one of the two",
    ),
    (
        "prepare",
        {"mix": {"mean": 1}, "leave_out": ["mean"]},
        "mix has a weight for mean, which leave_out leaves out",
    ),
    ("prepare", {"mix": {}}, "mix is an empty mapping, expected a weight for one category or more"),
    ("prepare", {"leave_out": list(NAMES)}, "leave_out leaves nothing to train on"),
    ("prepare", {"order": "easy"}, "order is 'easy', expected one of: shuffled, easy_first"),
    ("prepare", {"replay": 0.6}, "replay is 0.6, expected a number from 0 to 0.5"),
    ("prepare", {"raw": ["a"]}, "raw is a list, expected text"),
    ("synthesize", {"scale": 0}, "scale is 0, expected a number from 0.0001 to 1"),
    ("synthesize", {"scale": 1.5}, "scale is 1.5, expected a number from 0.0001 to 1"),
    ("synthesize", {"scale": "all"}, "scale is 'all' (text), expected a number from 0.0001 to 1"),
    ("synthesize", {"seed": 0}, "seed is 0, expected a whole number from 1 to 2147483648"),
    ("synthesize", {"size": 5}, "size is not a known key; known: seed, scale"),
    ("evaluate", {"decimals": 99}, "decimals is 99, expected a whole number from 0 to 10"),
    (
        "evaluate",
        {"workings": 5},
        "workings is 5, expected one of: published, reference, stepwise, spaced, exact",
    ),
]


@pytest.fixture
def command(tmp_path):
    """The arguments of a stage that reads a section of params.yaml, with an old output in place."""
    out = tmp_path / "out"
    out.write_bytes(b"old")
    raw = tmp_path / "raw.json"
    raw.write_bytes(GOOD)
    flags = [text for name in OUTS["prepare"] for text in (f"--{name}", out)]
    return {
        "prepare": ["prepare", "--raw", raw, *flags],
        "synthesize": ["synthesize", "--out", out],
        "evaluate": [
            "evaluate",
            "--predictions",
            tmp_path,
            "--out",
            out,
            "--categories",
            out,
            "--answers",
            out,
        ],
        "workings": ["workings", "--raw", raw],
    }


@pytest.mark.parametrize(("name", "changes", "message"), PARAMS)
def test_a_parameter_that_does_not_fit(stage, params, command, error_line, tmp_path, name, changes, message):
    section = "synthesize" if name == "synthesize" else "prepare"
    path = params(**{section: changes})
    assert error_line(stage(*command[name], "--params", path)) == f"{path}: {section}.{message}"
    assert (tmp_path / "out").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["prepare", "synthesize", "evaluate", "workings"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, ": no such file, expected a YAML file"),
        (b"", ": expected a mapping, found nothing"),
        (b"other: {}\n", ": section '{section}' is missing"),
        (b"prepare: {}\nsynthesize: {}\n", ": {section}.{first} is missing"),
        (b"prepare:\n  seed: [1\nsynthesize: 2\n", ", line 3: not valid YAML: "),
        (b"\xff\xfe", ", line 1: byte 1 is not UTF-8, expected a YAML file"),
        ("folder", ": Is a directory"),
    ],
    ids=["missing", "empty", "no-section", "no-key", "broken", "no-text", "folder"],
)
def test_a_params_file_that_does_not_fit(stage, command, error_line, tmp_path, name, content, message):
    path = tmp_path / "other.yaml"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    section = "synthesize" if name == "synthesize" else "prepare"
    first = {"synthesize": "seed", "evaluate": "workings"}.get(name, "raw")
    line = error_line(stage(*command[name], "--params", path))
    assert line.startswith(f"{path}{message.format(section=section, first=first)}")
    assert (tmp_path / "out").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["synthesize", "converse"])
def test_an_output_that_is_a_folder_keeps_what_is_in_it(stage, params, error_line, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_bytes(b"old")
    (tmp_path / "train.json").write_bytes(GOOD)
    recipe = ["--params", params(synthesize={"scale": 0.0001})]
    flags = recipe if name == "synthesize" else ["--train", tmp_path / "train.json"]
    line = error_line(stage(name, "--out", tmp_path / "out", *flags))
    assert line == f"{tmp_path / 'out'}: is a folder, expected a file to write"
    assert (tmp_path / "out" / "precious").read_bytes() == b"old"


def test_an_error_stands_below_the_progress_and_not_behind_it(attempt, raw, write_lines):
    rows = [{"problem": f"计算 {n}.00 + 0.00 等于多少？", "solution": "x"} for n in range(80_000)]
    path = write_lines(raw(None), *rows, {"problem": "今天天气很好", "solution": "1"})
    done = attempt("prepare", path, evidence=True)
    *above, line, end = done.stderr.split("\n")
    assert any("prepare: " in text and "%" in text for text in above)
    assert line.startswith(f"error: {path}, line 80001: ") and end == ""


def test_a_reader_that_leaves_early_is_no_error(stage, write_lines, tmp_path):
    path = write_lines(tmp_path / "raw.json", *({"problem": f"计算 {n} 的平方根？"} for n in range(20_000)))
    command = f"{sys.executable} -m abacus workings --raw {path} | head -1"
    done = subprocess.run(
        command, shell=True, cwd=Path(__file__).parents[2], capture_output=True, check=False, encoding="utf-8"
    )
    assert done.stderr == "" and len(done.stdout.splitlines()) == 1
