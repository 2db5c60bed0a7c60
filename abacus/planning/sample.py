"""The rows that will be trained on, as far as they are known before the pipeline has run."""

from pathlib import Path
from random import Random
from typing import NamedTuple

from abacus.core.errors import InputError
from abacus.core.params import section
from abacus.data.audit import audit
from abacus.data.conversation import Turn, read_turns
from abacus.data.inputs import OWN, RAW, given
from abacus.data.lessons import taught
from abacus.data.mixing import draw, groups, members
from abacus.data.rows import Row, read_rows
from abacus.data.selection import Prepare, sift
from abacus.synthesis.reading import rows as passages
from abacus.synthesis.rows import Synthesize, synthesize

SAMPLE = 0.02  # of the raw rows: 10 800 different ones at full size


class Sampled(NamedTuple):
    """Rows, what they are, and whether they are all that will be trained on."""

    turns: list[Turn]
    what: str
    whole: bool


def trained_on(params: Path, made: bool = True) -> Sampled:
    """The rows that `inputs` names, or that the pipeline has made, or else a sample made by the recipe.

    What has been made counts only where the recipe is that of the pipeline: not `made` for another one.
    Raises InputError if they are of one's own and not there, or a MindRecord, which holds no text.
    """
    own = given(params)
    if "mindrecord" in own:
        raise InputError(
            params, f"inputs.mindrecord is {own['mindrecord'][0]}, whose rows are tokens already"
        )
    for key in ("conversations", "train"):
        if key in own:
            path = own[key][0]
            turns = read_turns(path) if key == "conversations" else _turns(read_rows(path))
            return Sampled(turns, f"all rows of {path}", whole=True)
    written = Path(OWN.conversations)
    if made and written.is_file():
        return Sampled(read_turns(written), f"all rows of {written}", whole=True)
    turns = sample(params)
    return Sampled(turns, f"a sample of {len(turns):,} rows made by the recipe in {params.name}", whole=False)


def _turns(rows: object) -> list[Turn]:
    return [Turn(str(number), row.problem, row.solution) for number, row in enumerate(rows, 1)]


def sample(params: Path) -> list[Turn]:
    """Return rows as the recipe in `params` would teach them, made and worked out in memory.

    The right rows of a small raw file are drawn as those of a large one are: all of them where the mix is proportional.
    Raises InputError if the recipe's raw rows are not synthetic.
    """
    recipe = section("prepare", Prepare, params)
    if Path(recipe.raw) != RAW:
        raise InputError(
            params,
            f"prepare.raw is {recipe.raw}, whose rows are not synthetic",
            f"{OWN.conversations} to be there, to measure their length in",
            "`dvc repro converse` makes it",
        )
    source = section("synthesize", Synthesize, params)
    scale = min(source.scale, SAMPLE)
    raw = synthesize(Synthesize(seed=source.seed, scale=scale))
    verdicts = audit(Row(line, **row) for line, row in enumerate(raw, 1))
    kept = sift(verdicts, recipe.labels, lambda rejected: None).rows
    there = {name: members(kept, taken) for name, taken in groups(recipe.mix, recipe.leave_out).items()}
    counts = {name: len(rows) for name, rows in there.items()}
    all_of_it = sum(counts.values())
    size = all_of_it if recipe.mix == "proportional" else min(all_of_it, int(recipe.problems * scale))
    drawn = draw(counts, counts, recipe.mix, size, Random(recipe.seed))
    replayed = int(len(drawn.places) * recipe.replay / (1 - recipe.replay))
    taken = (there[name][number] for name, number in drawn.places)
    rows = [*(taught(row, recipe) for row in taken), *passages(replayed, recipe.seed)]
    return [Turn(str(number), row["problem"], row["solution"]) for number, row in enumerate(rows, 1)]
