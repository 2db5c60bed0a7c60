"""DVC started by our commands: its reasons reach the user, its chatter does not; and the one line of params.yaml they set."""

import ctypes
import logging
import os
import re
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from abacus.core.documents import read_text, read_yaml
from abacus.core.errors import InputError
from abacus.core.files import replacing
from abacus.core.params import PATH
from abacus.core.process import TOLD, Stopped
from abacus.pipeline.due import Tell, Timed
from abacus.pipeline.reason import reason
from abacus.profile import load

PROFILE = re.compile(r"(?m)^(profile:[ \t]*)([^\s#]+|'[^'\n]*'|\"[^\"\n]*\")(?=[ \t]*(?:#.*)?$)")
POLL = 0.2  # seconds
PATIENCE = 2  # seconds
HEARING = 5  # seconds that a stage has to hear of a signal
# DVC removes the outputs of a stage before it runs it.
LEFT = "`make repro` goes on here; until then what the stage at work writes may be missing (`dvc checkout` and git have the old)"


def set_profile(name: str, path: Path = PATH) -> bool:
    """Set the line `profile:` of params.yaml and nothing else, in one step; whether that changed it."""
    text = read_text(path, "the parameters")
    if read_yaml(path).get("profile") == name:
        return False
    changed, count = PROFILE.subn(lambda match: match[1] + name, text)
    if count != 1:
        raise InputError(path, f"{count} lines begin with 'profile:'", "one, as in `profile: tiny`")
    with replacing(path) as part:
        part.write_text(changed, encoding="utf-8")
    return True


def reproduce(target: str, quiet: bool = False, tell: Tell | None = None) -> None:
    """Let DVC run all that `target` needs and that has changed; with `quiet` only what goes wrong is said.

    `tell` hears what is due before the first stage runs. How long each took is kept.

    Raises InputError with DVC's reason; a stage that failed has said its own above. A signal that asks this process
    to end is passed on to the stage, and its own end is waited for.
    """
    folder = Path(sys.executable).parent  # where the stages' `python` is
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ[TOLD] = "1"
    failed: list[BaseException] = []
    # Not the thread itself is waited for: of a `join` that a signal interrupts Python 3.11 keeps that the thread has ended.
    done = threading.Event()
    # DVC ignores signals while a stage runs if it is in the main thread, and takes the stage's end for a failure.
    timed = Timed(target, load.chosen(), tell)
    thread = threading.Thread(target=_reproduce, args=(target, quiet, timed, failed, done), daemon=True)
    thread.start()
    try:
        while not done.wait(POLL):
            pass
    except (KeyboardInterrupt, Stopped) as error:
        _end(thread, done)
        error.add_note(LEFT)
        raise
    finally:
        del os.environ[TOLD]
    if failed:
        raise failed[0]


def _reproduce(
    target: str, quiet: bool, timed: Timed, failed: list[BaseException], done: threading.Event
) -> None:
    """What DVC's own command line does; an exception goes into `failed`, and at the end `done` is set."""
    try:
        from dvc.logger import set_loggers_level
        from dvc.repo import Repo
        from dvc.ui import ui

        if not quiet:
            ui.enable()
        with set_loggers_level(logging.WARNING if quiet else logging.INFO), Repo() as repo:
            repo.reproduce(target, repro_fn=timed)
    except OSError as error:
        failed.append(error)
    except Exception as error:  # DVC's, git's or a library's below them: DVC lets some through
        found = reason(error)
        found.__cause__ = error
        failed.append(found)
    except KeyboardInterrupt:  # of `_end`
        pass
    finally:
        done.set()


def _end(thread: threading.Thread, done: threading.Event) -> None:
    """End the stages that run, then DVC, which would begin the next one.

    A stage that computes outside of Python, say while MindSpore compiles, hears of a signal when it has done so: it
    is killed if that takes long, which harms as little.
    """
    deadline, stages = time.monotonic() + HEARING, set()
    while not done.is_set():
        for process in psutil.Process().children(recursive=True):
            stages.add(process)
            with suppress(psutil.NoSuchProcess):
                process.kill() if time.monotonic() > deadline else process.terminate()
        # A stage that fails ends DVC, which then gives its own locks back.
        if not done.wait(PATIENCE):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt)
            )
    # Below a shell, which hears at once and ends DVC's wait.
    for left in psutil.wait_procs(stages, max(0, deadline - time.monotonic()))[1]:
        with suppress(psutil.NoSuchProcess):
            left.kill()
