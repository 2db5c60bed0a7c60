"""Standard error where nobody looks on, a file or a pipe: no line is written over, and nothing is coloured.

A progress bar writes its line again and again behind a carriage return; a log gets what it came to, and once a minute
how far it is.
"""

import os
import re
import time
from typing import Any, TextIO, cast

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
MOVES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours and cursors
OVER = "\r"
BEAT = 60  # seconds


def plain(stream: TextIO) -> TextIO:
    """A terminal as it is; any other stream without what only a terminal understands."""
    if isinstance(stream, Plain) or stream.isatty():
        return stream
    return cast(TextIO, Plain(stream))


def uncoloured(stream: TextIO) -> TextIO:
    """A stream without colours if the user wants none (https://no-color.org): DVC does not ask."""
    return cast(TextIO, Uncoloured(stream)) if os.environ.get("NO_COLOR") else stream


class Uncoloured:
    """A stream whose colours are left out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text as it would be without colours."""
        self._stream.write(COLOUR.sub("", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's."""
        return getattr(self._stream, name)


class Plain(Uncoloured):
    """A stream of whole lines, each as it was when it ended; what is written over by nothing is left out."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._held = ""
        self._told = time.monotonic()  # when a line was last written

    def write(self, text: str) -> int:
        """Write lines that have ended, and what no carriage return may take back."""
        *ended, self._held = (self._held + MOVES.sub("", text)).split("\n")
        for line in ended:
            self._line(line)
        if OVER not in self._held:
            self._stream.write(self._held)
            self._held = ""
        elif self._held.endswith(OVER):  # a bar that leaves nothing behind
            self._held = OVER
        elif time.monotonic() - self._told > BEAT:
            self._line(self._held)
            self._held = OVER
        return len(text)

    def _line(self, line: str) -> None:
        """Write a line that has ended, as it was then; one that was written over by blanks is none."""
        last = line.rpartition(OVER)[2].rstrip() if OVER in line else line
        if last or OVER not in line:
            self._stream.write(f"{last}\n")
            self._told = time.monotonic()

    def isatty(self) -> bool:
        """It is none."""
        return False
