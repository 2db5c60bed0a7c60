"""One process with all that it starts, measured from outside: seconds, peak of memory, when lines appear in a file."""

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from abacus.core.errors import InputError
from abacus.core.process import end_with_parent

LOOK, WEIGH = 0.02, 0.25  # seconds at most between two looks, and between two at the memory


@dataclass(frozen=True)
class Done:
    """Seconds in all, the most bytes at once, and the second at which each line of the watched file was there."""

    seconds: float
    memory: int
    lines: list[float]


@dataclass(frozen=True)
class Watch:
    """A file that the process writes, as a pattern below a folder; the process is killed after `until` lines."""

    folder: Path
    pattern: str
    until: int | None = None

    def lines(self) -> int:
        """Lines that are there."""
        found = next(iter(self.folder.glob(self.pattern)), None)
        with contextlib.suppress(OSError):  # gone again
            return found.read_bytes().count(b"\n") if found else 0
        return 0


def measured(
    words: Sequence[object],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    watch: Watch | None = None,
) -> Done:
    """Run a command to its end; what it says goes to `log`. InputError with its last line if it fails."""
    with (
        log.open("wb") as said,
        started(list(map(str, words)), cwd, dict(env or os.environ), said) as process,
    ):
        start = time.perf_counter()
        lines: list[float] = []
        most, weighed, code = 0, 0.0, None
        while code is None:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            now = time.perf_counter() - start
            if pid:
                code = os.waitstatus_to_exitcode(status)
                # What a process was before it became another program counts there as its own: this one, copied.
                if usage.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss:
                    most = max(most, usage.ru_maxrss * 1024)
                process.returncode = code
            if watch:
                lines += [now] * (watch.lines() - len(lines))
                if code is None and watch.until and len(lines) >= watch.until:
                    return Done(now, most, lines)
            if code is None and now - weighed >= WEIGH:
                most, weighed = max(most, memory(process.pid)), now
            if code is None:
                time.sleep(min(LOOK, now / 100 + 0.001))
    if code:
        what = next((str(word) for word in words[1:] if str(word) != "-m"), words[0])
        raise InputError(Path(str(what)).name, f"ended with {code}: {last_line(log)}")
    return Done(now, most, lines)


@contextlib.contextmanager
def started(
    words: list[str], cwd: Path, env: dict[str, str], said: object
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process in a group of its own; nothing of the group is left afterwards, however the block ends."""
    try:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    except OSError as error:
        raise InputError(words[0], error.strerror or str(error), "a program") from None
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.returncode is None:
            process.wait()


def memory(pid: int) -> int:
    """Bytes that a process and all below it hold; what several of them share is counted once."""
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
        if len(tree) == 1:
            return root.memory_info().rss
        return sum(share(process) for process in tree)
    return 0


def share(process: psutil.Process) -> int:
    """A process' proportional share of its memory; 0 if it has ended."""
    with contextlib.suppress(psutil.Error):
        return process.memory_full_info().pss
    return 0


def last_line(log: Path) -> str:
    """The last thing that a process said."""
    text = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
