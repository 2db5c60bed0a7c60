"""Profiles: thin MindFormers YAML overlays of profiles/, laid over base.yaml, or over one another, and checked.

MindSpore is not imported here, so that stages which only need a number start in a blink.
"""

import copy
import difflib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.core.params import PATH
from abacus.profile.model import (
    Compute,
    Decode,
    Device,
    Document,
    Framework,
    Llama,
    Lora,
    ModelConfig,
    Prompt,
    Source,
    llama_of,
    read_document,
    source_of,
)

PROFILES = Path("profiles")
BASE = "base.yaml"  # what every profile lies over
OVER = "over"  # the key by which a profile names another one that it lies over


@dataclass(frozen=True)
class Profile:
    """A checked profile: its name, its typed document, and MindFormers' part of it as MindFormers reads it."""

    name: str
    document: Document
    framework: Framework

    @property
    def source(self) -> Source:
        """Where the base model comes from."""
        return source_of(self.document.abacus.base, self.name)

    @property
    def model(self) -> ModelConfig:
        """MindFormers' `model_config`."""
        return self.document.model.config

    @property
    def llama(self) -> Llama:
        """The base model that it wants."""
        return llama_of(self.model)

    @property
    def compute(self) -> Compute:
        """What answers are computed with."""
        given = self.framework["model"]["model_config"]
        options = {key: value for key, value in given.items() if key not in ("type", "pet_config")}
        return Compute(device_target=self.device, options=options, launch=self.document.abacus.launch)

    @property
    def lora(self) -> Lora:
        """LoRA's numbers."""
        return self.model.pet_config

    @property
    def prompt(self) -> Prompt:
        """How a problem becomes tokens."""
        return self.document.abacus.prompt

    @property
    def decode(self) -> Decode:
        """How answers are made."""
        return self.document.abacus.decode

    @property
    def device(self) -> Device:
        """What it runs on."""
        return self.document.context.device_target

    @property
    def ranks(self) -> int:
        """Processes that train together, over all hosts."""
        return self.document.parallel_config.data_parallel * self.document.parallel_config.model_parallel

    def longer(self, steps_per_checkpoint: int) -> "Profile":
        """The same with another number of steps between two checkpoints."""
        abacus = self.document.abacus
        finetune = abacus.finetune.model_copy(update={"steps_per_checkpoint": steps_per_checkpoint})
        changed = abacus.model_copy(update={"finetune": finetune})
        return replace(self, document=self.document.model_copy(update={"abacus": changed}))


def names(folder: Path = PROFILES) -> list[str]:
    """The profiles that there are."""
    return sorted(path.stem for path in folder.glob("*.yaml") if path.name != BASE)


def chosen(path: Path = PATH) -> str:
    """The name of the profile that a params file chooses."""
    name = read_yaml(path).get("profile")
    if not isinstance(name, str):
        raise InputError(path, f"profile is {name!r}", f"one of: {', '.join(names())}")
    return name


def profile(name: str, folder: Path = PROFILES) -> Profile:
    """The profile `name` of a folder, laid over its base.yaml and checked."""
    if name not in names(folder):
        near = difflib.get_close_matches(name, names(folder), n=1)
        hint = f"did you mean '{near[0]}'?" if near else ""
        raise InputError("", f"profile {name!r} does not exist", f"one of: {', '.join(names(folder))}", hint)
    return load(folder / f"{name}.yaml", folder / BASE)


def load(path: Path, base: Path) -> Profile:
    """The profile in the file `path` laid over the file `base`; InputError names the file and the key."""
    under, over = read_yaml(base), overlay(path)
    _check_fit(over, under, str(path))
    return parsed(merge(under, over), path.stem, str(path))


def overlay(path: Path, above: tuple[str, ...] = ()) -> Framework:
    """What lies over base.yaml by the file `path`: what it says, over what the profile says that it names by `over`.

    InputError for a name that is none of its folder's, or one of those `above` it, that lie over it already.
    """
    found = read_yaml(path)
    if OVER not in found:
        return found
    named, others = found.pop(OVER), set(names(path.parent)) - {*above, path.stem}
    if not isinstance(named, str) or named not in others:
        raise InputError(path, f"{OVER} is {named!r}", f"one of: {', '.join(sorted(others))}")
    return merge(overlay(path.with_name(f"{named}.yaml"), (*above, path.stem)), found)


def parsed(merged: Framework, name: str, place: str) -> Profile:
    """The profile of a whole document."""
    return Profile(
        name, read_document(merged, place), {key: merged[key] for key in merged if key != "abacus"}
    )


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `under`, mapping by mapping; lists and single values are replaced whole."""
    merged = copy.deepcopy(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def _check_fit(over: dict[str, Any], under: dict[str, Any], place: str, section: str = "") -> None:
    """Raise InputError for a top-level key that `under` lacks, and where a mapping or a list stays none."""
    for key, value in over.items():
        name = f"{section}{key}"
        if key not in under and not section:
            near = difflib.get_close_matches(str(key), under, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(under)}"
            raise InputError(place, f"{key} is not a known key", advice=hint)
        old = under.get(key)
        for of, kind in ((dict, "a mapping"), (list, "a list")):
            if isinstance(old, of) and not isinstance(value, of):
                raise InputError(place, f"{name} is {value!r}", kind)
        if isinstance(old, dict):
            _check_fit(value, old, place, f"{name}.")
