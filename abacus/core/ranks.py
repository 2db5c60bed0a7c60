"""Several ranks of one run: the msrun command that starts them, what is made of their ends, and how a rank begins.

MindSpore's `msrun` starts a scheduler and the ranks of this host, each `python -m MODULE`. Its words go to a log file,
those of rank R to `worker_R.log`; this process shows what the ranks write down of their progress.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import psutil

from abacus.core.errors import InputError
from abacus.core.process import end_with_parent, run
from abacus.core.typed import Model, Text, whole

POLL = 0.2  # seconds


class Launch(Model):
    """Where several ranks find each other."""

    hosts: Annotated[int, whole(1)]
    scheduler: Text
    port: Annotated[int, whole(1024, 65535)]


@dataclass(frozen=True)
class Ranks:
    """The ranks of one run: their module and its arguments, their number over all hosts, the folder of their logs."""

    module: str
    arguments: tuple[object, ...]
    number: int
    launch: Launch
    logs: Path

    def command(self, host: int = 0) -> list[str]:
        """The command that starts the ranks of `host` (from 0), as a user would type it."""
        launch = self.launch
        if host not in range(launch.hosts):
            raise InputError(
                "", f"host {host} is none of the profile's {launch.hosts}, which are counted from 0"
            )
        words = {
            "worker_num": self.number,
            "local_worker_num": self.number // launch.hosts,
            "master_addr": launch.scheduler,
            "master_port": launch.port,
            **({"node_rank": host} if launch.hosts > 1 else {}),
            "log_dir": self.logs,
            "join": True,
        }
        options = [f"--{key}={value}" for key, value in words.items()]
        return ["msrun", *options, "python", "-m", self.module, *map(str, self.arguments)]

    def run(self, log: Path, pids: Path, look: Callable[[], None]) -> None:
        """Start them and wait for their end, with a `look` at their progress now and then and one at the end.

        InputError with a rank's own words if one fails; `pids` is the folder where each has left its number. Whatever
        ends this process ends the ranks too.
        """
        _check_port(self.launch)
        for left in self.logs.glob("*.log"):
            left.unlink()
        with log.open("ab") as words, _started(self.command(), words) as msrun:
            # When a rank has failed msrun waits for its scheduler, which may wait for that rank.
            while msrun.poll() is None and not ended(log):
                time.sleep(POLL)
                look()
        look()
        if msrun.returncode:
            raise InputError("", reason(log, self.logs, pids))


def rank(main: Callable[[], None]) -> None:
    """Run a rank's (or the scheduler's) main: it ends with the msrun that started it, however that ends."""
    end_with_parent()
    if "msrun" not in Path(f"/proc/{os.getppid()}/cmdline").read_text(encoding="utf-8", errors="replace"):
        sys.exit("error: msrun, which started this rank, is gone")
    run(main)


def is_worker() -> bool:
    """Whether this process is a rank, and not the scheduler, which has no number."""
    return os.environ.get("MS_ROLE") == "MS_WORKER"


def leave_number(folder: Path) -> None:
    """Let a rank's process be known by its number, for msrun tells of processes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rank_{os.environ.get('RANK_ID', '0')}.pid"
    path.write_text(str(os.getpid()), encoding="utf-8")


@contextmanager
def _started(words: list[str], log: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a command; it and all that it started are gone afterwards."""
    folder = Path(sys.executable).parent  # msrun takes the `python` that is first on PATH
    process = subprocess.Popen(
        [str(folder / words[0]), *words[1:]],
        env={**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )
    try:
        yield process
    finally:
        # The scheduler is of msrun's process group, but each rank has a group of its own.
        with suppress(psutil.NoSuchProcess):
            for started in psutil.Process(process.pid).children(recursive=True):
                started.kill()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _check_port(launch: Launch) -> None:
    """InputError if the scheduler of this host would find its port taken."""
    if launch.hosts > 1:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((launch.scheduler, launch.port))
        except OSError as error:
            place = f"{launch.scheduler}:{launch.port}"
            raise InputError(
                "abacus.launch",
                f"{place} cannot be used ({error.strerror})",
                "a free port of this host",
                "set abacus.launch.port in the profile",
            ) from None


def ended(log: Path) -> re.Match[str] | None:
    """What msrun has said of the first rank that failed: its process number and exit code."""
    said = log.read_text(encoding="utf-8", errors="replace")
    return re.search(r"Worker process (\d+) exit with exception\. Error code: (-?\d+)", said)


def reason(log: Path, logs: Path, pids: Path) -> str:
    """One line for the rank that ended first: its number, its own last words, its log."""
    failed = ended(log)
    if failed is None:
        return f"msrun ended before its ranks; its words: {log}"
    numbers = {
        path.read_text(encoding="utf-8"): path.stem.removeprefix("rank_") for path in pids.glob("rank_*.pid")
    }
    number, code = numbers.get(failed[1]), int(failed[2])
    if number is None:
        return f"a rank ended with exit code {code} before it began; see {logs}"
    if code < 0:
        return (
            f"rank {number} was killed by {signal.Signals(-code).name}; its log: {logs}/worker_{number}.log"
        )
    return f"rank {number}: {last_words(logs / f'worker_{number}.log')}"


def last_words(path: Path) -> str:
    """The error that a rank's log ends with, without `error: `, and where the log is."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    own = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if own:
        return own[-1]
    # Below an error's name MindSpore draws boxes of dashes around what was wrong.
    named = [n for n, line in enumerate(lines) if re.match(r"\w*(Error|Exception)\b", line)]
    rest = [line.strip(" -") for line in lines[named[-1] if named else -1 :]]
    said = [line for line in rest if line and not line.endswith(":")] or ["it said nothing"]
    return f"{said[0]}; its log: {path}"


def shown(words: list[str]) -> str:
    """A command as one line for a shell."""
    return shlex.join(words)
