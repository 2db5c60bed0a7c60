"""How a process of ours starts and ends: one line for the user's mistakes, an exit code, no orphans."""

import contextlib
import ctypes
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from abacus.core.errors import InputError, one_line, redacted
from abacus.core.plain import plain, uncoloured

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
TOLD = "ABACUS_TOLD_OF_SIGNALS"  # set by a process of ours that tells of its stages' end, too
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, kill, a terminal that is closed


class Stopped(BaseException):
    """A signal other than Ctrl-C's asks this process to end; its number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run(main: Callable[[], int | None]) -> None:
    """Run a command's main: one line on standard error and exit code 1 for a user's mistake.

    Anything but InputError and OSError is our own mistake and keeps its traceback. No line shows a key. What is
    printed is UTF-8 in any locale.
    """
    speak_utf8()
    sys.stdout = uncoloured(sys.stdout)
    if sys.stderr:  # nor closed by whoever started us
        sys.stderr = plain(uncoloured(sys.stderr))
    # A stopped run tidies up like an interrupted one. What `nohup` or a shell's `&` have ignored stays so.
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        code = main() or 0
        if sys.stdout:
            sys.stdout.flush()  # a full disk is told here, not when Python ends
    except BrokenPipeError:  # the reader of our output has left: `make workings | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except InputError as error:
        print(f"error: {redacted(str(error))}", file=sys.stderr)
        code = 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {redacted(one_line(f'{place}{error.strerror or error}'))}", file=sys.stderr)
        code = 1
    except MemoryError:
        print("error: there is not enough memory; what existed before is unchanged", file=sys.stderr)
        code = 1
    except KeyboardInterrupt as error:
        _leave("interrupted", signal.SIGINT, error)
    except Stopped as error:
        _leave(f"stopped by {signal.Signals(error.number).name}", error.number, error)
    except Exception as error:
        if asked := asked_to_end():
            _leave(f"stopped by {asked.name}", asked, error)
        print(redacted(traceback.format_exc()), end="", file=sys.stderr)
        code = 1
    sys.exit(code)


def _leave(what: str, number: int, error: BaseException) -> NoReturn:
    """End at once after a signal, and say so, unless the process that has started this one will.

    A note on the error says how things were left, if not as they were. What Python does at its end is left out: a library that was interrupted while it was imported fails there.
    """
    if not os.environ.get(TOLD):
        left = getattr(error, "__notes__", ["what existed before is unchanged"])[-1]
        print(f"{what}: {left}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, full or never there
            stream.flush()
    os._exit(128 + number)


def speak_utf8() -> None:
    """Make standard output and error UTF-8: what is printed is data, and the same everywhere.

    A name that is no text in the locale (half of a surrogate pair here) is printed with its bytes escaped.
    """
    if sys.stdout is None:  # closed by whoever started us: what is written is not wanted
        sys.stdout = io.TextIOWrapper(os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb"), encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


_asked: list[signal.Signals] = []


def asked_to_end() -> signal.Signals | None:
    """The signal that has asked this process to end: C code that is interrupted makes another error of it."""
    return _asked[0] if _asked else None


def _stop(number: int, _: object) -> NoReturn:
    """End the process as Ctrl-C does; once, for a second signal would disturb the tidying up."""
    _asked.append(signal.Signals(number))
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)


def end_with_parent() -> None:
    """Ask Linux to kill this process when the one that started it ends, however that ends."""
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
