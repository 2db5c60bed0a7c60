"""Full disks and read-only ones, both real (a small tmpfs): one line that names the output, and old outputs whole."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from abacus.profile import load
from tests.scores import nothing_else, write_answers
from tests.stages.test_evaluate import ABOUT, perfect, reading
from tests.stages.test_report import BASE
from tests.workspace import configure

ROOT = Path(__file__).parents[2]
OLD = b"old\n"
LOGGED = ("mindrecord", "base", "make predict")  # what they print beside the error is a progress bar


class Command(NamedTuple):
    """A stage's outputs, which of them are folders, and its other arguments."""

    outs: tuple[str, ...]
    words: tuple[object, ...]
    folders: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def commands(tmp_path_factory, stage, write_lines) -> dict[str, Command]:
    """Every stage that writes data, with small inputs, which the stages themselves have made."""
    at = tmp_path_factory.mktemp("made")
    profile = configure(at / "profile", load.profile("tiny"))
    (at / "scores").mkdir()
    rows = [{"problem": f"计算 {n}.00 的平方根？", "solution": f"√{n}.00 = x"} for n in range(300)]
    write_lines(at / "train.json", *rows)
    for words in (
        ("converse", "--train", at / "train.json", "--out", at / "turns.json"),
        ("base", "--profile", profile, "--source", at, "--out", at / "base", "--log", at / "log"),
    ):
        done = stage(*words)
        assert done.returncode == 0, done.stderr
    for folder in (at / "predictions", at / "answers/0", at / "answers/1"):
        folder.mkdir(parents=True)
        (folder / "about.json").write_text(json.dumps(ABOUT), encoding="utf-8")
    write_lines(at / "predictions" / "math.jsonl", *perfect("reference", 4))
    write_lines(at / "predictions" / "squad.jsonl", reading("Denver", "Denver"))
    for number in range(2):
        (at / "scores" / f"{number}.json").write_text(json.dumps(BASE), encoding="utf-8")
    write_answers(at / "each", range(2))
    write_lines(at / "asked.jsonl", {"problem": "计算 4.00 的平方根？"})
    (at / "0").mkdir()
    (at / "0" / "adapter.json").write_text('{"step": 0, "trainable_parameters": 0}', encoding="utf-8")
    write_lines(at / "test.jsonl", {"problem": "计算 9999.00 的平方根？"})
    asked = ("--test", at / "test.jsonl", "--squad", "data/reading/reading-v1.1.json")
    laid = ("--base", "profiles/base.yaml", "--profile", "profiles/tiny.yaml")
    return {
        "configure": Command(("out",), (*laid, *asked[2:]), ("out",)),
        "synthesize": Command(("out",), ()),
        "prepare": Command(
            ("train", "test", "rejected", "metrics", "categories"), ("--raw", at / "raw.json")
        ),
        "converse": Command(("out",), ("--train", at / "train.json")),
        "mindrecord": Command(
            ("out", "metrics"),
            ("--profile", profile, "--base", at / "base", "--conversations", at / "turns.json", *asked),
        ),
        "base": Command(("out",), ("--profile", profile, "--source", at, "--log", at / "log"), ("out",)),
        "evaluate": Command(("out", "categories", "answers"), ("--predictions", at / "predictions")),
        "report": Command(
            ("summary", "table", "page"),
            (
                *("--metrics", at / "scores", "--answers", at / "each", "--predictions", at / "answers"),
                *nothing_else(at),
            ),
        ),
        "make predict": Command(
            ("output",),
            (
                "--profile",
                "tiny",
                "--base",
                at / "base",
                "--adapter",
                at / "0",
                "--input",
                at / "asked.jsonl",
            ),
        ),
    }


STAGES = (
    *("configure", "synthesize", "prepare", "converse", "mindrecord", "base", "evaluate", "report"),
    "make predict",
)


def fill(disk: Path, room: int) -> None:
    """Fill a disk, but for `room` bytes."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            file.truncate(max(0, file.tell() - room))


def put_old(command: Command, disk: Path) -> None:
    """Put the outputs of an earlier run on the disk."""
    for name in command.outs:
        path = disk / name
        if name in command.folders:
            path.mkdir()
            path /= "model.ckpt"
        path.write_bytes(OLD)


def check_old(command: Command, disk: Path) -> None:
    """The earlier outputs are there as they were, and nothing else but the filler."""
    assert {path.name for path in disk.iterdir()} - {"filler"} == set(command.outs)
    for name in command.outs:
        path = disk / name / "model.ckpt" if name in command.folders else disk / name
        assert path.read_bytes() == OLD


def attempt(stage, params, name: str, command: Command, disk: Path) -> str:
    """Run a stage whose outputs lie on the disk; check that it fails in one line, and return that."""
    flags = [word for out in command.outs for word in (f"--{out}", disk / out)]
    if name in ("synthesize", "prepare", "mindrecord", "evaluate", "report", "make predict", "configure"):
        small = {"train_size": 200, "test_size": 24}
        flags += ["--params", params(synthesize={"scale": 0.0005}, prepare=small, checkpoints=[0, 1])]
    done = stage(name, *command.words, *flags)
    *above, line = done.stderr.rstrip("\n").split("\n")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr and "error" not in "".join(above).lower(), done.stderr
    assert name in LOGGED or not any(above), done.stderr
    return line


@pytest.fixture(autouse=True, scope="module")
def raw(commands, stage, tmp_path_factory):
    """The raw rows that prepare reads."""
    path = commands["prepare"].words[1]
    (path.parent / "params.yaml").write_text("synthesize: {seed: 1, scale: 0.0005}\n", encoding="utf-8")
    done = stage("synthesize", "--out", path, "--params", path.parent / "params.yaml")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "room"),
    [
        *((name, 0) for name in STAGES),
        # Full halfway; MindRecord itself stops at ten megabytes.
        *((name, 12 * 1024) for name in ("synthesize", "prepare", "converse", "base")),
        ("mindrecord", 9 << 20),
    ],
)
def test_a_full_disk(stage, params, commands, disk, name, room):
    put_old(commands[name], disk)
    fill(disk, room)
    line = attempt(stage, params, name, commands[name], disk)
    check_old(commands[name], disk)
    assert line.startswith(f"error: {disk}/"), line
    assert line.endswith(": No space left on device") or "bytes are free on its disk, expected" in line, line
    assert ".part-" not in line


@pytest.mark.parametrize("name", STAGES)
def test_a_read_only_disk(stage, params, commands, disk, name):
    put_old(commands[name], disk)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    line = attempt(stage, params, name, commands[name], disk)
    check_old(commands[name], disk)
    assert line.startswith(f"error: {disk}/"), line
    assert line.endswith(": Read-only file system") and ".part-" not in line, line


def test_a_full_disk_behind_standard_output(disk, write_lines, tmp_path):
    rows = write_lines(tmp_path / "rows.jsonl", {"problem": "计算 4.00 的平方根？", "solution": "√4.00 = 2"})
    fill(disk, 0)
    for name in ("audit", "workings"):
        command = f"{sys.executable} -m abacus {name} --raw {rows} > {disk}/out"
        done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr == "error: No space left on device\n"
