"""Several ranks of one run: the msrun command that starts them, and what is made of their ends.

MindSpore's `msrun` starts a scheduler and the ranks of this host, each `python -m abacus.training.rank`. Its
words go to a log file; this process shows the progress that rank 0 writes down.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from abacus.core.errors import InputError
from abacus.core.files import replacing
from abacus.core.process import end_with_parent
from abacus.profile.model import Launch
from abacus.training import rank
from abacus.training.configuration import Run, Training
from abacus.training.progress import STEPS, Progress, StepReader

RUN = Path(".scratch/finetune/run.yaml")  # what the ranks read: one path, so that the command is known before
LOGS = Path("logs/finetune")  # one a rank: worker_R.log
POLL = 0.2  # seconds


def command(training: Training, host: int = 0, run: Path = RUN, logs: Path = LOGS) -> list[str]:
    """The command that starts the ranks of `host` (from 0), as a user would type it."""
    launch, ranks = training.settings.launch, training.ranks
    if host not in range(launch.hosts):
        raise InputError("", f"host {host} is none of the profile's {launch.hosts}, which are counted from 0")
    words = {
        "worker_num": ranks,
        "local_worker_num": ranks // launch.hosts,
        "master_addr": launch.scheduler,
        "master_port": launch.port,
        **({"node_rank": host} if launch.hosts > 1 else {}),
        "log_dir": logs,
        "join": True,
    }
    options = [f"--{key}={value}" for key, value in words.items()]
    return ["msrun", *options, "python", "-m", rank.__name__, str(run)]


def train(run: Run, log: Path, progress: Progress, read: Path = RUN, logs: Path = LOGS) -> None:
    """Train a run on all its ranks, which read it from the file `read`; InputError with a rank's own words if one fails.

    Whatever ends this process ends the ranks too.
    """
    _check_port(run.settings.launch)
    with replacing(read) as part:
        part.write_text(yaml.safe_dump(run.document(), sort_keys=False), encoding="utf-8")
    for left in logs.glob("*.log"):
        left.unlink()
    steps = StepReader(run.output / STEPS)
    before = list(steps.new())  # by an earlier process
    progress.begin(before[-1].step if before else 0)
    with log.open("ab") as words, _started(command(run, run=read, logs=logs), words) as msrun:
        # When a rank has failed msrun waits for its scheduler, which may wait for that rank.
        while msrun.poll() is None and not ended(log):
            time.sleep(POLL)
            for done in steps.new():
                progress.show(done)
    for done in steps.new():
        progress.show(done)
    progress.close()
    if msrun.returncode:
        raise InputError("", reason(log, logs, run.output))


@contextmanager
def _started(words: list[str], log: Any) -> Iterator[subprocess.Popen]:
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


def reason(log: Path, logs: Path, output: Path) -> str:
    """One line for the rank that ended first: its number, its own last words, its log."""
    failed = ended(log)
    if failed is None:
        return f"msrun ended before its ranks; its words: {log}"
    pids = {
        path.read_text(encoding="utf-8"): path.stem.removeprefix("rank_")
        for path in output.glob("rank_*.pid")
    }
    number, code = pids.get(failed[1]), int(failed[2])
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
