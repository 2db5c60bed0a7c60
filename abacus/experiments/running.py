"""The runs of a grid, some at a time: copies made, processes started and ended, results and experiments brought here."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from abacus.core.documents import write_json
from abacus.core.errors import InputError, one_line, redacted
from abacus.core.files import alone, replacing
from abacus.core.git import git
from abacus.core.process import TOLD, end_with_parent
from abacus.experiments.copies import check_commit, copied
from abacus.experiments.grid import Planned
from abacus.experiments.results import folder

POLL, PATIENCE = 0.5, 60  # seconds: between two looks, and for a run that was asked to end


class Started(NamedTuple):
    """A run at work: its plan, its copy, its process."""

    plan: Planned
    place: Path
    process: "subprocess.Popen[bytes]"


def run_all(grid: str, budget: tuple[str, int], plans: list[Planned], jobs: int, scratch: Path) -> list[str]:
    """Run these, `jobs` at a time; the names of those that failed. Of two that run one grid the second is an InputError.

    A run that cannot be started or brought here has failed, and the others go on. Whatever else ends this, such as a
    signal, ends the runs, and their end is waited for. Raises InputError with git's reason where there is no commit.
    """
    if plans:
        check_commit()
    place = (scratch / grid).resolve()
    place.mkdir(parents=True, exist_ok=True)
    with alone(place / "lock") as free:
        if free is False:
            raise InputError(place.name, "another `make experiments` is at work on it", "its end")
        waiting, at_work, failed = list(plans), list[Started](), list[str]()
        try:
            while waiting or at_work:
                while waiting and len(at_work) < jobs:
                    plan = waiting.pop(0)
                    with noted(plan, failed):
                        at_work.append(start(grid, budget, plan, place, log=jobs > 1))
                time.sleep(POLL)
                for one in [one for one in at_work if one.process.poll() is not None]:
                    at_work.remove(one)
                    if one.process.returncode:
                        failed.append(one.plan.name)
                    else:
                        with noted(one.plan, failed):
                            bring(one, grid)
        finally:
            # Left alone they would be killed with this process (`end_with_parent`), and their stages would go on.
            end(at_work)
    return failed


@contextmanager
def noted(plan: Planned, failed: list[str]) -> Iterator[None]:
    """Say why a run could not be started or brought here, and add it to those that failed."""
    try:
        yield
    except (InputError, OSError) as error:  # git's and DVC's reasons, a full disk
        print(f"{plan.name}: {redacted(one_line(str(error)))}", file=sys.stderr, flush=True)
        failed.append(plan.name)


def experiment(grid: str, plan: Planned) -> str:
    """The name of a run's experiment, the same in every clone."""
    return f"{grid}-{plan.name}"


def start(grid: str, budget: tuple[str, int], plan: Planned, place: Path, log: bool) -> Started:
    """Start a run in its copy; of several at a time each speaks into a file of its own."""
    inside = copied(place / plan.name)
    written = place / f"{plan.name}.plan.json"
    write_json(
        written, plan._asdict() | {"name": plan.name, "budget": budget, "experiment": experiment(grid, plan)}
    )
    print(f"{plan.name}: in {inside}", file=sys.stderr, flush=True)
    out = place / f"{plan.name}.json"
    words = [sys.executable, "-m", "abacus.experiments.one", "--plan", str(written), "--out", str(out)]
    said = (place / f"{plan.name}.log").open("ab") if log else sys.stderr
    process = subprocess.Popen(
        words, cwd=inside, env=os.environ | {TOLD: "1"}, stdout=said, stderr=said, preexec_fn=end_with_parent
    )
    return Started(plan, place / plan.name, process)


def bring(one: Started, grid: str) -> None:
    """Bring a finished run's experiment into this clone, where `dvc exp show` finds it, then its result; remove the copy.

    The result is what says that a run is done: killed before it is there, the run goes on and ends soon.
    """
    name = experiment(grid, one.plan)
    refs = git("for-each-ref", "--format=%(refname)", f"refs/exps/**/{name}", folder=one.place).split()
    if not refs:
        raise InputError(one.place, f"has no experiment {name}", "the one that the run has saved")
    git(
        "-c",
        "gc.auto=0",
        "fetch",
        "-q",
        "--no-tags",
        "--no-write-fetch-head",
        str(one.place),
        f"+{refs[-1]}:{refs[-1]}",
    )
    for end in (".csv", ".json"):
        made = one.place.with_name(f"{one.plan.name}{end}")
        with replacing(folder(grid) / made.name) as part:
            shutil.copyfile(made, part)
        made.unlink()
    shutil.rmtree(one.place)
    one.place.with_name(f"{one.plan.name}.plan.json").unlink()


def end(at_work: list[Started]) -> None:
    """Ask the runs to end, which end their stages (`abacus.pipeline.reproduce`), and wait for them."""
    for one in at_work:
        one.process.terminate()
    for one in at_work:
        with suppress(subprocess.TimeoutExpired):
            one.process.wait(PATIENCE)
