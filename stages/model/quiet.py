"""Keep MindSpore's and MindFormers' many words out of the user's terminal: they go to a log file."""

import contextlib
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from stages.command import InputError, redacted

# How MindSpore, C++ and a thread that cannot be started say so.
NO_MEMORY = re.compile(
    "Memory isn't enough|bad_alloc|Cannot allocate memory|Resource temporarily unavailable"
)


@contextlib.contextmanager
def framework_log(path: Path) -> Iterator[TextIO]:
    """Send all that is written to file descriptors 1 and 2 to the file at `path`; yield the user's stderr.

    Descriptors, not `sys.stdout`, because the C++ side writes to them too. MindFormers must not be
    imported before: it reads the place of its own logs from the environment when it is imported.
    An error that is not the user's is written to the log, and the user is told where.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = (path.parent / "mindformers").resolve()
    os.environ["LOCAL_DEFAULT_PATH"] = str(own)
    os.environ["LOG_MF_PATH"] = str(own / "log")
    os.environ["MS_OM_PATH"] = str(own)  # where MindSpore leaves the graph that it could not compile
    _flush()
    saved = {fd: os.dup(fd) for fd in (1, 2)}
    # Append, so that two descriptors of one file do not write over each other.
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    try:
        with os.fdopen(os.dup(saved[2]), "w", encoding="utf-8", errors="replace", buffering=1) as user:
            for fd in saved:
                os.dup2(log, fd)
            try:
                yield user
            except (InputError, OSError):  # one line says it all
                raise
            except Exception as error:
                os.write(log, redacted(traceback.format_exc()).encode())
                if short := NO_MEMORY.search(str(error)):
                    raise InputError(
                        f"there is not enough memory ({short[0]}), expected more of it, or in the profile a smaller "
                        f"batch_rows, seq_length or decode.batch_size; all that was said before: {path}"
                    ) from error
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
