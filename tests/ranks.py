"""What tests of several ranks share: the processes of a run, and patience."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil


def ranks_of(folder: Path) -> list[psutil.Process]:
    """The processes of ranks (and of their scheduler) whose folder this is."""
    found = []
    for process in psutil.process_iter():
        try:
            word, module = process.cmdline()[1:3]
            if process.cwd() == str(folder) and word == "-m" and module.endswith(".rank"):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied, ValueError):
            continue
    return found


def waited(condition: Callable[[], object], seconds: float = 180) -> bool:
    """Whether `condition` came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
