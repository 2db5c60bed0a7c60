"""`make ask` through the door: at a terminal that types, and left by Ctrl-C; from a pipe, and with one question."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from abacus.commands.ask import default
from tests.tiny import TINY, write_model
from tests.workspace import ROOT, configure

SUM = "计算 12.00 + 8.00 等于多少？"


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """A workspace of the tiny profile that has a base model, two checkpoints and what stage configure says."""
    folder = tmp_path_factory.mktemp("ask")
    shutil.copy(ROOT / "params.yaml", folder)
    write_model(folder / "data" / "base", folder / "checkpoints")
    (folder / "data" / "profile").mkdir()
    configure(folder / "data" / "profile", TINY)
    return folder


def words(*more: str) -> list[str]:
    return [sys.executable, "-m", "abacus", "ask", *more]


ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


class Typed:
    """A command at a terminal of its own."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            words(*more), cwd=folder, env=ENV, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.said = ""

    def until(self, text: str, seconds: float = 300) -> str:
        """Read until a text has been shown; what was shown since the last one."""
        end = time.monotonic() + seconds
        while text not in self.said:
            assert time.monotonic() < end, self.said
            if select.select([self.master], [], [], 1)[0]:
                self.said += os.read(self.master, 1 << 16).decode("utf-8", "replace")
        found, _, self.said = self.said.partition(text)
        return found + text

    def type(self, text: str) -> None:
        os.write(self.master, os.fsencode(text))


def test_at_a_terminal_it_shows_the_forms_answers_and_leaves_quietly(here):
    typed = Typed(here, "CHECKPOINT=1")
    assert "loading the models" in typed.until("> ")
    typed.type("?\n")
    assert "的平方根？" in typed.until("> ")
    typed.type(os.fsdecode(b"\xff1 + 1\n"))
    assert "error: byte 1 is not UTF-8, expected a question" in typed.until("> ")
    typed.type(f"{SUM}\n")
    shown = typed.until("计算过程：12.00 + 8.00 = 20)")
    assert "checkpoint 1" in shown and "base model" in shown and "true answer     20  (" in shown
    typed.until("> ")
    time.sleep(2)  # between the prompt and its wait for a key Python's `input` hears no signal
    os.killpg(typed.process.pid, signal.SIGINT)
    assert typed.process.wait(60) == 0
    rest = os.read(typed.master, 1 << 16).decode() if select.select([typed.master], [], [], 0)[0] else ""
    assert (typed.said + rest).replace("^C", "").strip() == ""


def test_a_pipe_gets_json_and_nothing_else(here):
    done = subprocess.run(
        words("JSON=1"), cwd=here, env=ENV, input=f"{SUM}\n", capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    (found,) = map(json.loads, done.stdout.splitlines())
    assert [one["by"] for one in found["said"]] == ["checkpoint 1", "base model"]
    assert done.stderr == "ask: loading the models; the first answer compiles them\n"


def test_one_question_that_is_typed(here):
    done = subprocess.run(
        words("CHECKPOINT=1", f"Q={SUM}"), cwd=here, env=ENV, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert "checkpoint 1" in done.stdout and "计算过程：12.00 + 8.00 = 20)" in done.stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["CHECKPOINT=7"], "error: CHECKPOINT is 7, expected one of those in checkpoints: 0, 1\n"),
        (["CHEKPOINT=1"], "error: make ask: CHEKPOINT is no variable of it, did you mean CHECKPOINT?; "),
    ],
)
def test_what_cannot_be_asked_is_one_line(here, given, said):
    done = subprocess.run(words(*given), cwd=here, env=ENV, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode and done.stderr.decode().startswith(said)
    assert len(done.stderr.splitlines()) == 1 and not done.stdout


def test_the_best_checkpoint_is_asked_or_else_the_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default() is None
    for number in ("0", "3", "11"):
        (tmp_path / "checkpoints" / number).mkdir(parents=True)
    assert default() == 11
    (tmp_path / "metrics").mkdir()
    for best, chosen in ((3, 3), (5, 11)):
        (tmp_path / "metrics" / "summary.json").write_text(json.dumps({"best_checkpoint": best}))
        assert default() == chosen
