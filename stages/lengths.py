"""How long training rows are in tokens: what a batch wastes on padding, and which rows are too long."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from stages.audit import audit
from stages.command import InputError
from stages.mindrecord import Encoded, Turn, encode
from stages.model.prompt import IGNORED, Prompter
from stages.params import read_yaml, section
from stages.prepare import Prepare, sift, taught
from stages.rows import Row
from stages.synthesize import Synthesize, synthesize

SAMPLE = 0.02  # of the raw rows: 10 800 different ones at full size


class Lengths(NamedTuple):
    """Numbers of rows, and of tokens with EOS (and BOS, if the profile's prompt has one)."""

    rows: int
    mean: float
    mean_learned: float
    longest: int
    longest_id: str
    too_long: int  # rows
    padding: float  # share of a batch; the rows that are too long are not in it


def measure(
    turns: list[Turn], prompter: Prompter, length: int, progress: Callable[[Iterable], Iterable] = iter
) -> Lengths:
    """Measure rows that are padded to `length` tokens; `progress` wraps the walk over them (tqdm does)."""
    sizes = [(len(row.input_ids), learned(row)) for row in progress(encode(turns, prompter))]
    longest = max(range(len(sizes)), key=lambda row: sizes[row][0])
    fitting = [size for size, _ in sizes if size <= length]
    return Lengths(
        rows=len(sizes),
        mean=sum(size for size, _ in sizes) / len(sizes),
        mean_learned=sum(count for _, count in sizes) / len(sizes),
        longest=sizes[longest][0],
        longest_id=turns[longest].id,
        too_long=len(sizes) - len(fitting),
        padding=1 - sum(fitting) / (len(fitting) * length) if fitting else 0.0,
    )


def learned(row: Encoded) -> int:
    """Return how many tokens of a row have a loss."""
    return sum(label != IGNORED for label in row.labels)


def sample(params: Path) -> list[Turn]:
    """Return rows as the recipe in `params` would teach them, made and worked out in memory.

    The mix is proportional, so all right rows of a small raw file stand for the training rows of a large one.
    Raises InputError if the recipe's raw rows are not synthetic.
    """
    recipe = section("prepare", Prepare, params)
    made = {f"data/raw/{name}.json" for name in read_yaml(params).get("synthetic") or []}
    if recipe.raw not in made:
        raise InputError(f"{params}: prepare.raw is {recipe.raw}, whose rows are not synthetic")
    source = section("synthesize", Synthesize, params)
    raw = synthesize(Synthesize(source.seed, min(source.scale, SAMPLE)))
    verdicts = audit(Row(line, **row) for line, row in enumerate(raw, 1))
    kept, _ = sift(verdicts, "the sample", lambda rejected: None)
    rows = [taught(row, recipe) for group in kept.values() for row in group]
    return [Turn(str(number), row["problem"], row["solution"]) for number, row in enumerate(rows, 1)]
