"""What the later stages start from, if not from the stage before them: section `inputs` of params.yaml."""

from pathlib import Path
from typing import Literal

from abacus.core.params import PATH, section
from abacus.core.typed import Model, Text

FILES = ("train", "conversations", "mindrecord")


class Inputs(Model):
    """Files of converse, mindrecord and finetune; a MindRecord has its index (.db) beside it.

    `overlap` says what becomes of training rows that ask what the evaluation asks.
    """

    train: Text
    conversations: Text
    mindrecord: Text
    overlap: Literal["drop", "keep"]


# The pipeline's own.
OWN = Inputs(
    train="data/train-v2.json",
    conversations="data/train-v2-conversation.json",
    mindrecord="data/train-v2.mindrecord",
    overlap="drop",
)
RAW = Path("data/raw/train.json")  # what stage synthesize makes


def given(path: Path = PATH) -> dict[str, list[Path]]:
    """The files that are not the pipeline's own, by key."""
    inputs = section("inputs", Inputs, path)
    found = {}
    for key in FILES:
        name = getattr(inputs, key)
        if name != getattr(OWN, key):
            found[key] = [Path(name), Path(f"{name}.db")] if key == "mindrecord" else [Path(name)]
    return found
