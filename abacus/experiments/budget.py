"""How many steps a run makes so that it sees as many tokens as the others, counted in the MindRecord it trains on."""

from typing import Annotated, Any, NamedTuple

from pydantic import Field

from abacus.core.errors import InputError
from abacus.core.typed import Open, whole

Mean = Annotated[int | float, Field(gt=0, description="a number above 0")]


class Figures(Open):
    """metrics/mindrecord.json, as far as it counts: rows, tokens of a row, and the sequences that packed rows share."""

    written: Annotated[int, whole(1)]
    mean_tokens: Mean
    mean_learned: Mean
    sequences: Annotated[int, whole(1)] | None = None


class Budget(NamedTuple):
    """Steps of a run, and the tokens that it sees in them: places that are not padding, and those that are learned."""

    steps_per_checkpoint: int
    steps: int
    trained_tokens: int
    learned_tokens: int

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return self._asdict()


def a_step(figures: Figures, batch_rows: int) -> tuple[float, float]:
    """Trained and learned tokens of a step, on average over the MindRecord.

    A row of T tokens takes T - 1 places, for its last one is only ever a target.
    """
    rows = batch_rows * (figures.written / figures.sequences if figures.sequences else 1)
    return rows * (figures.mean_tokens - 1), rows * figures.mean_learned


def budget(kind: str, amount: int, figures: Figures, batch_rows: int, checkpoints: int) -> Budget:
    """The steps that see `amount` of a `kind` (trained_tokens, learned_tokens, steps), to half a step a checkpoint.

    Raises InputError if that is half a step a checkpoint or less, which is nearer to none.
    """
    trained, learned = a_step(figures, batch_rows)
    each = {"trained_tokens": trained, "learned_tokens": learned, "steps": 1.0}[kind]
    every = round(amount / each / checkpoints)
    if every < 1:
        least = int(each * checkpoints / 2) + 1
        raise InputError(kind, f"is {amount}", f"at least {least}, more than half a step a checkpoint")
    steps = every * checkpoints
    return Budget(every, steps, round(steps * trained), round(steps * learned))
