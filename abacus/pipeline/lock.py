"""What dvc.lock says: of a finished run, of what is stale in it, and of two runs what differs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.core.params import PATH
from abacus.core.typed import Open, validated
from abacus.data.rows import clip

LOCK, CHECKPOINTS, METRICS = Path("dvc.lock"), Path("checkpoints"), Path("metrics")
BASE = Path("data/base")
EXPORTS = Path("exports")
PROFILE = Path("data/profile")


def checkpoint_folder(folder: Path | None, number: int | None) -> Path:
    """The folder of a checkpoint: the one that was given, or the pipeline's of this number.

    Raises InputError where none, or both, or a number that is not there was given.
    """
    if (folder is None) == (number is None):
        found = "CHECKPOINT is missing" if number is None else "CHECKPOINT and ADAPTER are both given"
        raise InputError("", found, "its number or ADAPTER=folder, one of them")
    if folder is not None:
        return folder
    found = sorted(int(path.name) for path in CHECKPOINTS.glob("*") if path.name.isdecimal())
    if number not in found:
        there = ", ".join(map(str, found)) or "none; `make repro` makes them"
        raise InputError("", f"CHECKPOINT is {number}", f"one of those in {CHECKPOINTS}: {there}")
    return CHECKPOINTS / str(number)


class Entry(Open):
    """A file that a stage has read or written."""

    path: str
    md5: str | None = None
    size: int | None = None


class Stage(Open):
    """A stage as it was run last: its command, its parameters by file, what it read and wrote."""

    cmd: str | list[str]
    params: dict[str, dict[str, Any]] = Field(default_factory=dict)
    deps: list[Entry] = Field(default_factory=list)
    outs: list[Entry] = Field(default_factory=list)


class Lock(Open):
    """dvc.lock: the stages that have been run."""

    stages: dict[str, Stage] = Field(default_factory=dict)

    @property
    def outs(self) -> list[Entry]:
        """Every output with its hash."""
        return [out for stage in self.stages.values() for out in stage.outs if out.md5]

    def check_params(self, params: dict[str, Any]) -> None:
        """Raise InputError for a parameter that has been changed since a stage ran with it."""
        for name, stage in self.stages.items():
            for key, used in stage.params.get(str(PATH), {}).items():
                value = value_at(params, key)
                if value != used:
                    shown = clip(str(value)), clip(str(used))
                    raise InputError(
                        PATH, f"{key} is {shown[0]}, but {name} ran with {shown[1]}", advice="`make repro`"
                    )
        profile, ran = params.get("profile"), self.profile()
        if profile != ran:
            raise InputError(PATH, f"profile is {profile}, but the run's is {ran}", advice="`make repro`")

    def profile(self) -> str | None:
        """The name of the profile that stage configure ran with."""
        stage = self.stages.get("configure")
        files = map(Path, stage.params if stage else ())
        return next((path.stem for path in files if path.parent.name == "profiles"), None)

    def check_deps(self) -> None:
        """Raise InputError where a stage has run on another file than the stage before it has left."""
        made = {out.path: (name, out.md5) for name, stage in self.stages.items() for out in stage.outs}
        for name, stage in self.stages.items():
            for dep in stage.deps:
                before, left = made.get(dep.path, ("", None))
                if before and left != dep.md5:
                    found = f"{name} ran on another {dep.path} than {before} has made since"
                    raise InputError(LOCK, found, advice="`make repro`")


def value_at(document: dict[str, Any], key: str) -> Any:
    """The value at a dotted key; None if there is none."""
    value: Any = document
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def read_lock(path: Path = LOCK) -> Lock:
    """The lock of a finished run."""
    found = validated(Lock, read_yaml(path), path)
    if "finetune" not in found.stages:
        raise InputError(path, "no stage 'finetune'", "the lock of a finished run", "`make repro`")
    return found


def check_base(base: Path, adapter: Path) -> None:
    """Raise InputError for a checkpoint of the pipeline that was trained on another base model than is there now.

    Both must be the pipeline's own; of other folders nothing is known.
    """
    ours = (base.resolve(), adapter.resolve().parent) == (BASE.resolve(), CHECKPOINTS.resolve())
    if not ours or not LOCK.is_file() or adapter.name == "0":
        return
    stages = validated(Lock, read_yaml(LOCK), LOCK).stages
    used = (
        [dep.md5 for dep in stages["finetune"].deps if dep.path == str(BASE)] if "finetune" in stages else []
    )
    made = [out.md5 for out in stages["base"].outs if out.path == str(BASE)] if "base" in stages else []
    if used != made:
        raise InputError(
            adapter, f"was trained on another base model than {base} is now", advice="`make repro`"
        )


HASHES = ("md5", "etag", "checksum")


class Compared(NamedTuple):
    """A stage, how many outputs it has, and what is not as it was committed."""

    stage: str
    outs: int
    differences: list[str]


def compare(committed: dict[str, Any], again: dict[str, Any]) -> Iterator[Compared]:
    """Yield every stage of two `dvc.lock` documents, in the first one's order, then those of the second alone."""
    stages, found = committed.get("stages") or {}, again.get("stages") or {}
    for name in [*stages, *(name for name in found if name not in stages)]:
        old, new = stages.get(name, {}), found.get(name, {})
        if not old or not new:
            where = "the committed lock" if not old else "the new run"
            yield Compared(name, len((old or new).get("outs", [])), [f"is missing in {where}"])
            continue
        yield Compared(name, len(old.get("outs", [])), list(differences(old, new)))


def differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Yield what differs between two entries of a stage: command, parameters, files read and files written."""
    for key in ("cmd", "params"):
        if old.get(key) != new.get(key):
            yield f"{key} differs"
    for key, what in (("deps", "read"), ("outs", "wrote")):
        before, after = (hashes(entry.get(key, [])) for entry in (old, new))
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) != after.get(path):
                yield f"{what} {path}: {before.get(path, 'nothing')} committed, {after.get(path, 'nothing')} now"


def hashes(entries: list[dict[str, Any]]) -> dict[str, str]:
    """Return the hash of each file or folder of a stage's entry."""
    return {
        entry["path"]: next((str(entry[key]) for key in HASHES if key in entry), "none") for entry in entries
    }
