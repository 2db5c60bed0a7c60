"""Standard error that no terminal reads: a bar is one line, and nothing moves a cursor or sets a colour."""

import io
import os
import pty

import pytest
from tqdm import tqdm

from abacus.core.plain import plain, uncoloured


def said(*texts: str) -> str:
    stream = io.StringIO()
    shown = plain(stream)
    for text in texts:
        print(text, end="", file=shown, flush=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("texts", "left"),
    [
        (["a\nb"], "a\nb"),
        (["\r 1%", "\r 50%", "\r100%", "\n", "next\n"], "100%\nnext\n"),
        (["a\n\nb\n"], "a\n\nb\n"),
        (["\r 1%", "\r    ", "\r", "done\n"], "done\n"),
        (["\x1b[31mred\x1b[0m\x1b[A\n"], "red\n"),
        (["\r 1%\r 2%\nerror: x\n"], " 2%\nerror: x\n"),
        (["half", " a line\n"], "half a line\n"),
    ],
)
def test_a_line_is_what_it_came_to(texts, left):
    assert said(*texts) == left


def test_a_bar_is_one_line_at_its_end():
    stream = io.StringIO()
    with tqdm(desc="work", total=5, unit=" rows", file=plain(stream), mininterval=0) as bar:
        for _ in range(5):
            bar.update()
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("work: 100%") and "5/5" in line
    assert not {"\r", "\x1b"} & set(stream.getvalue())


def test_a_bar_that_takes_long_says_how_far_it_is(monkeypatch):
    stream = io.StringIO()
    now = iter(range(0, 10_000, 10)).__next__
    monkeypatch.setattr("abacus.core.plain.time.monotonic", now)
    shown = plain(stream)
    for number in range(16):
        shown.write(f"\r{number}/16")
    shown.write("\r16/16\n")
    assert stream.getvalue() == "6/16\n13/16\n16/16\n"


def test_a_bar_that_leaves_nothing_leaves_nothing():
    stream = io.StringIO()
    for _ in tqdm(range(3), file=plain(stream), leave=False, mininterval=0):
        pass
    print("after", file=plain(stream))
    assert stream.getvalue() == "after\n"


def test_a_terminal_stays_as_it_is():
    master, slave = pty.openpty()
    with os.fdopen(master, "rb"), os.fdopen(slave, "w") as terminal:
        assert plain(terminal) is terminal


@pytest.mark.parametrize(("wanted", "left"), [("1", "error: x\r"), ("", "\x1b[31merror\x1b[0m: x\r")])
def test_who_wants_no_colour_gets_none(monkeypatch, wanted, left):
    monkeypatch.setenv("NO_COLOR", wanted)
    stream = io.StringIO()
    shown = uncoloured(stream)
    assert shown.write("\x1b[31merror\x1b[0m: x\r") == len("\x1b[31merror\x1b[0m: x\r")
    assert stream.getvalue() == left


def test_it_is_still_the_stream(tmp_path):
    with (tmp_path / "x").open("w", encoding="utf-8") as file:
        shown = plain(file)
        assert plain(shown) is shown
        assert shown.fileno() == file.fileno() and shown.encoding == "utf-8" and not shown.isatty()
