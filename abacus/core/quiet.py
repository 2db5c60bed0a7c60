"""Keep MindSpore's and MindFormers' many words out of the user's terminal: they go to a log file."""

import contextlib
import os
import re
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from abacus.core.errors import InputError, redacted
from abacus.core.plain import plain
from abacus.core.process import asked_to_end

# How MindSpore, C++ and a thread that cannot be started say so.
NO_MEMORY = re.compile(
    "Memory isn't enough|bad_alloc|Cannot allocate memory|Resource temporarily unavailable"
)


@contextlib.contextmanager
def framework_log(path: Path) -> Iterator[TextIO]:
    """Send all that is written to file descriptors 1 and 2 to the file at `path`; yield the user's stderr.

    Descriptors, not `sys.stdout`, because the C++ side writes to them too. MindFormers must not be
    imported before: it reads the place of its own logs from the environment when it is imported.
    An error that is not the user's is written to the log, and the user is told where; a library that ends the
    process is such an error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _environment(places(path.parent / "mindformers")), _redirected(path) as user:
        yield user


def places(folder: Path) -> dict[str, str]:
    """Environment variables that keep below `folder` what these libraries write; they read them when imported.

    mindpet logs to $HOME/.cache, whatever it is told, and ends the process if $HOME is missing, read-only or of
    another owner; CANN puts its logs and compiled kernels there.
    """
    own = folder.resolve()
    home = own / f"home-{os.geteuid()}"
    home.mkdir(parents=True, exist_ok=True)
    if home.stat().st_uid != os.geteuid():  # the clone was given to somebody else
        shutil.rmtree(home)
        home.mkdir()
    return {
        "HOME": str(home),
        "LOCAL_DEFAULT_PATH": str(own),
        "LOG_MF_PATH": str(own / "log"),
        "MS_OM_PATH": str(own),  # where MindSpore leaves the graph that it could not compile
    }


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment, for this process and those it starts; put back what was there."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _redirected(path: Path) -> Iterator[TextIO]:
    """Descriptors 1 and 2 lead to the file at `path`; yield the user's stderr."""
    _flush()
    saved = {fd: os.dup(fd) for fd in (1, 2)}
    # Append, so that two descriptors of one file do not write over each other.
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    try:
        with os.fdopen(os.dup(saved[2]), "w", encoding="utf-8", errors="replace", buffering=1) as user:
            for fd in saved:
                os.dup2(log, fd)
            try:
                yield plain(user)
            except (InputError, OSError):  # one line says it all
                raise
            except SystemExit as error:  # none of ours: it would end the process with no word
                os.write(log, redacted(traceback.format_exc()).encode(errors="replace"))
                raise InputError(
                    "", f"a library ended the process with {error.code!r}", advice=f"why: {path}"
                ) from error
            except Exception as error:
                os.write(log, redacted(traceback.format_exc()).encode(errors="replace"))
                if short := NO_MEMORY.search(str(error)):
                    raise InputError(
                        "",
                        f"there is not enough memory ({short[0]})",
                        "more of it, or in the profile a smaller batch_rows, seq_length or decode.batch_size",
                        f"all that was said before: {path}",
                    ) from error
                if not asked_to_end():
                    print(f"stopped by an error; all that was said before it: {path}", file=user)
                raise
    finally:
        _flush()
        for fd, copy in saved.items():
            os.dup2(copy, fd)
            os.close(copy)
        os.close(log)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):  # closed by its owner
            stream.flush()
