"""A profile in one file a concern, so that each stage depends on what it reads and on no more.

`source.yaml` and `architecture.yaml` are read by stage base, `prompt.yaml` by mindrecord and predict, `decode.yaml`,
`compute.yaml` and `architecture.yaml` by predict. What a training is stands in `train.yaml`, see `training`.
"""

from pathlib import Path
from typing import Any, TypeVar

import yaml

from abacus.core.documents import read_yaml
from abacus.core.typed import Model, Text, validated
from abacus.profile.load import Profile
from abacus.profile.model import Source, source_of

M = TypeVar("M", bound=Model)
# What stages depend on that read nothing of the profile, so that everything is judged before they run.
JUDGED = Path("judged.txt")
SOURCE, ARCHITECTURE, PROMPT, DECODE, COMPUTE, LIVE, TRAIN = (
    Path(f"{name}.yaml")
    for name in ("source", "architecture", "prompt", "decode", "compute", "live", "train")
)


class Origin(Model):
    """`source.yaml`: whose base model it is, and where that comes from."""

    profile: Text
    base: dict[str, Any]

    @property
    def source(self) -> Source:
        """Where the base model comes from."""
        return source_of(self.base, SOURCE)


def origin_of(profile: Profile) -> Origin:
    """Whose base model a profile's is."""
    return Origin(profile=profile.name, base=profile.document.abacus.base)


def documents(profile: Profile) -> dict[Path, dict[str, Any]]:
    """What each file says of a profile."""
    return {
        SOURCE: origin_of(profile).model_dump(),
        ARCHITECTURE: profile.llama.model_dump(),
        PROMPT: profile.prompt.model_dump(),
        DECODE: profile.decode.model_dump(),
        COMPUTE: profile.compute.model_dump(),
        LIVE: profile.document.abacus.live.model_dump(),
    }


def write(folder: Path, files: dict[Path, dict[str, Any]]) -> None:
    """Write documents into a folder, keys in their given order."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JUDGED).write_text(
        "All that a run starts from was judged before this was written.\n", encoding="utf-8"
    )
    for name, document in files.items():
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        (folder / name).write_text(text, encoding="utf-8")


def read(path: Path, into: type[M]) -> M:
    """One of the files."""
    return validated(into, read_yaml(path), path)
