"""The table of files with a public address: those that the reference run published, and the real SQuAD."""

import difflib
from pathlib import Path
from typing import NamedTuple

from abacus.core.errors import InputError
from abacus.data.squad import PLACE
from abacus.sharing.objects import PUBLISHED

ADDRESS = "https://nju-hw-finetune.obs.cn-southwest-2.myhuaweicloud.com"
STEPS = (781, 1562, 2343, 3124, 3905)
EXPORT = "make export PROFILE=llama3-8b OUT=exports/lr4"


class Content(NamedTuple):
    """What is in a file, known beforehand; `size` in bytes."""

    size: int
    md5: str
    sha256: str


class File(NamedTuple):
    """A published file: its key below an address, how to start from it, and what gets it.

    `own_place` is for one that does not go to data/published/, `content` for one that may be no other.
    """

    key: str
    use: str = ""
    address: str = ADDRESS
    own_place: Path | None = None
    content: Content | None = None
    command: str = "make published"

    @property
    def place(self) -> Path:
        """Where it goes: by default its key without the first folder."""
        return self.own_place or PUBLISHED / (self.key.split("/", 1)[-1])

    @property
    def pin(self) -> Path:
        """The .dvc file beside it."""
        return self.place.with_name(self.place.name + ".dvc")

    def url(self, mirror: str = "") -> str:
        """Its address, or that at a mirror which serves the same keys."""
        return f"{mirror or self.address}/{self.key}"


# Rajpurkar et al. 2016, CC BY-SA 4.0
SQUAD = File(
    "dev-v1.1.json",
    "predict.squad: {place} in params.yaml",
    "https://rajpurkar.github.io/SQuAD-explorer/dataset",
    PLACE,
    Content(
        4_854_279,
        "3e85deb501d4e538b6bc56f786231552",
        "95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9",
    ),
    "make squad",
)
FILES = (
    File("caculation_convert.py"),
    File("data_converter.py"),
    File("data-v2/train-v2.json", "inputs.train: {place} in params.yaml"),
    File("data-v2/train-v2-conversation.json", "inputs.conversations: {place} in params.yaml"),
    File("data-v2/train-v2-mindrecord.tar", "inputs.mindrecord: {record} in params.yaml"),
    *(
        File(f"lr4-v2/lr4_v2_{step}_0.ckpt", f"{EXPORT} CHECKPOINT={{place}}")
        for step in STEPS
        if step != STEPS[-1]
    ),
    File("lr4-v2/lr4_v2_3905.ckpt", f"{EXPORT} CHECKPOINT={{place}}"),
    *(
        File(
            f"lr4-v2/lr4_v2_ckpts/rank_{rank}/llama3_8b_rank_{rank}-{step}_2.ckpt",
            f"{EXPORT} SHARDS={PUBLISHED}/lr4_v2_ckpts STEP={step}_2 STRATEGY=folder",
        )
        for rank in range(4)
        for step in STEPS
    ),
    File("lr4-v2/mindformers-lr4-v2.zip"),
    SQUAD,
)


def named(name: str) -> list[File]:
    """The files of a name; InputError with the nearest ones if there are none."""
    found = [file for file in FILES if f"/{name.strip('/')}/" in f"/{file.key}/" or str(file.place) == name]
    if not found:
        names = sorted({part for file in FILES for part in file.key.split("/")})
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        raise InputError(
            "", f"NAME is {name!r}", f"a published file or folder, such as {', '.join(near or names)}"
        )
    return found
