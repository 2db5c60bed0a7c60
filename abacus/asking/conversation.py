"""Questions from a terminal, a pipe or the command line, and what is shown of their answers."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from abacus.asking.answers import Voices
from abacus.asking.pieces import visible
from abacus.asking.truth import Judgement, forms, judged, truth
from abacus.core.errors import InputError
from abacus.problems.recipe import Recipe

LIST = "?"  # typed at a terminal
TRUE = "true answer"
WIDTH = 16  # columns before a text


# It gets what is wrong with a line that is no text; the others are answered.
Refuse = Callable[[InputError], object]


def terminal(out: TextIO, refuse: Refuse) -> Iterator[str]:
    """The questions that are typed at a terminal, until the end of the input."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401, lines can then be edited and called back
    while True:
        try:
            with _spoken(out):
                typed = input("> ").strip()
        except EOFError:
            print(file=out)
            return
        except UnicodeDecodeError as error:  # of a Python that does not speak UTF-8 alone
            refuse(unreadable("", error))
            continue
        if typed == LIST:
            print("\n".join(f"{name:{WIDTH}}{example}" for name, example in forms()), file=out)
        elif typed:
            yield typed


@contextlib.contextmanager
def _spoken(out: TextIO) -> Iterator[None]:
    """Within it descriptor 1 is the user's, not the log's: `input` shows what is typed there."""
    out.flush()
    log = os.dup(1)
    try:
        os.dup2(out.fileno(), 1)
        yield
    finally:
        os.dup2(log, 1)
        os.close(log)


def piped(stream: Any, refuse: Refuse) -> Iterator[tuple[int, str]]:
    """The questions of a stream of bytes, one a line that is not blank, with the line's number."""
    for number, raw in enumerate(stream, 1):
        try:
            text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8").strip()
        except UnicodeDecodeError as error:
            refuse(unreadable(f"standard input, line {number}", error))
            continue
        if text:
            yield number, text


def unreadable(place: str, error: UnicodeDecodeError) -> InputError:
    """What is wrong with bytes that are no text."""
    return InputError(place, f"byte {error.start + 1} is not UTF-8", "a question")


def check_text(question: str) -> None:
    """Raise InputError for bytes that are no text.

    Python hands them on as lone surrogates, of the command line and of a terminal where half a character was deleted.
    """
    try:
        question.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError as error:
        raise unreadable("", error) from None


class Shown:
    """Answers as lines for people: a model's words as they come where somebody looks on, else line by line."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._live = out, out.isatty()

    def answer(self, voices: Voices, question: str, recipe: Recipe) -> None:
        """Ask every model, and say what the library knows; the question itself is repeated where nobody typed it."""
        known = truth(question, recipe)
        if not self._live:
            self._line("question", question)
        for name in voices.names:
            self._write(f"{name:{WIDTH}}")
            self._begun = False
            text, done = voices.answer(name, question, self._piece)
            self._write(f"  ({_verdict(judged(known, text, recipe, done.ended), done.ended)})\n")
        self._line(TRUE, f"{known.answer}  ({known.working})" if known.working else f"not known: {known.why}")
        self._write("\n")

    def end(self) -> None:
        """End an answer that stopped where a model's name stands."""
        self._write("\n\n")

    def _line(self, name: str, text: str) -> None:
        self._write(f"{name:{WIDTH}}{visible(text)}\n")

    def _piece(self, text: str) -> None:
        text = text if self._begun else text.lstrip()
        self._begun = self._begun or bool(text)
        self._write(visible(text).replace("\n", f"\n{' ' * WIDTH}"))

    def _write(self, text: str) -> None:
        self._out.write(text)
        if self._live or text.endswith("\n"):
            self._out.flush()


def _verdict(found: Judgement, ended: bool) -> str:
    return found.words if ended else "no answer: it came to no end"


class Written:
    """Answers as JSON Lines, an object a question."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def answer(self, voices: Voices, question: str, recipe: Recipe) -> None:
        """Ask every model, and write what was said and what is right of it."""
        known = truth(question, recipe)
        said = []
        for name in voices.names:
            text, done = voices.answer(name, question, lambda piece: None)
            verdict = judged(known, text, recipe, done.ended)
            said.append({"by": name, "completion": text, "ended": done.ended} | verdict._asdict())
        print(
            json.dumps(known.document() | {"said": said}, ensure_ascii=False),
            file=self._out,
            flush=True,
        )

    def end(self) -> None:
        """Of a question that is not answered there is no object."""


def converse(
    voices: Voices,
    recipe: Recipe,
    shown: Shown | Written,
    out: TextIO,
    screen: TextIO,
    question: str | None = None,
) -> int:
    """Answer one question, or all that come; return 1 if any could not be asked, which is said on `screen`."""
    faults: list[InputError] = []

    def refuse(fault: InputError) -> None:
        faults.append(fault)
        print(f"error: {fault}", file=screen)

    if question is not None:
        asked: Iterator[tuple[int, str]] = iter([(0, question)])
    elif sys.stdin.isatty():
        print(f"one question a line; `{LIST}` shows the forms, Ctrl-D ends", file=screen)
        asked = ((0, typed) for typed in terminal(out, refuse))
    else:
        asked = piped(sys.stdin.buffer, refuse)
    for number, text in asked:
        try:
            check_text(text)
        except InputError as error:
            refuse(error)
            continue
        try:
            shown.answer(voices, text, recipe)
        except InputError as error:
            place = f"standard input, line {number}" if number else error.place
            shown.end()
            refuse(InputError(place, error.found, error.expected, error.advice))
    return int(bool(faults))
