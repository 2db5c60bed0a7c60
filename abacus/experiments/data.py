"""The data that a run starts from and no stage makes: what is in it is part of the run's key."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from abacus.core.documents import read_yaml
from abacus.core.typed import validated
from abacus.data import inputs
from abacus.formats import own
from abacus.pipeline.measured import md5_of_file
from abacus.profile.load import Profile
from abacus.profile.model import DirectorySource

# The reading questions that git has, as they were for the first results, whose keys do not name them. So no key names
# them as long as they are these: it is no version to be kept up to date.
EMBEDDED = ("data/reading/reading-v1.1.json", "748eaa79ef7ff43cf0544af07ba51ee2")


def started_from(params: dict[str, Any], profile: Profile, place: object) -> list[Path]:
    """The files of a run that no stage makes, and the folder of a base model of one's own.

    Raises InputError, with `place`, for a section `inputs` that is not as it should be.
    """
    found = [Path(str(params["predict"]["squad"]))]
    if (raw := Path(str(params["prepare"]["raw"]))) != inputs.RAW:
        found.append(raw)
    given = validated(inputs.Inputs, params["inputs"], place, "inputs")
    for key in inputs.FILES:
        if (name := getattr(given, key)) != getattr(inputs.OWN, key):
            found += [Path(name), Path(f"{name}.db")] if key == "mindrecord" else [Path(name)]
    if isinstance(profile.source, DirectorySource):
        found.append(own.OWN / profile.name)
    return found


def contents(paths: list[Path], look: Callable[[Path], str | None]) -> dict[str, str | None]:
    """What `look` (`held`) says of these paths, by their names, without the questions that git has."""
    return dict(one for path in paths if (one := (path.as_posix(), look(path))) != EMBEDDED)


def held(path: Path) -> str | None:
    """The MD5 of what a copy will have at a path; None if nothing is known of it.

    Where there is a .dvc file, of it or of a folder around it, a copy has what that says, whatever lies here.
    """
    for place in (path, *path.parents):
        pin = place.parent / f"{place.name}.dvc"
        if pin.is_file():
            return _pinned(pin, place.name)
    if path.is_file():
        return md5_of_file(path)
    inside = sorted(file for file in path.rglob("*") if file.is_file())
    said = "".join(f"{file.relative_to(path)}\0{md5_of_file(file)}\0" for file in inside)
    return hashlib.md5(said.encode(), usedforsecurity=False).hexdigest() if inside else None


def _pinned(pin: Path, name: str) -> str | None:
    """The MD5 that a .dvc file gives of an output."""
    outs = read_yaml(pin).get("outs")
    found = [out for out in outs if isinstance(out, dict)] if isinstance(outs, list) else []
    return next((str(out["md5"]) for out in found if out.get("path") == name and "md5" in out), None)
