"""Training rows as their recipe teaches them."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from abacus.core.workers import Ordered
from abacus.data.mixing import spread
from abacus.data.rows import Row, json_line, write_rows
from abacus.data.selection import Prepare, pair
from abacus.data.splitting import Chosen, Picks, picked
from abacus.problems.workings import recognise, working


def taught(row: Row, params: Prepare) -> dict[str, str]:
    """Return a row as the recipe teaches it."""
    solution = working(recognise(row.problem), params.workings, params.decimals)
    return {"problem": row.problem, "solution": solution}


def lessons(chosen: Chosen, params: Prepare, folder: Path, ordered: Ordered = map) -> Iterator[str]:
    """Yield the training rows as the recipe teaches them, reading rows among them, in lines of JSON.

    Each part's are worked out in a file of their own in `folder`, in their order.
    """
    outs = [folder / f"lessons-{number}" for number in range(len(chosen.picks))]
    asked = zip(chosen.picks, outs, strict=True)
    keys = list(ordered(functools.partial(_teach, params=params), asked))
    lines = _merged(outs, keys)
    return spread(lines, chosen.trained.total(), [json_line(pair(row)) for row in chosen.reading])


def _teach(asked: tuple[Picks, Path], params: Prepare) -> list[tuple[int, int]]:
    """Work out what is trained on of a part: lines of JSON in a file; what they are ordered by."""
    picks, out = asked
    found = picked(picks, params)
    write_rows(out, (taught(row, params) for *_, row in found))
    return [(first, then) for first, then, _ in found]


def _merged(paths: Sequence[Path], keys: Sequence[list[tuple[int, int]]]) -> Iterator[str]:
    """The lines of several files in the order of their keys, in which those of each file are already."""
    owners = sorted((key, number) for number, some in enumerate(keys) for key in some)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(path.open(encoding="utf-8", newline="\n")) for path in paths]
        for _, number in owners:
            yield next(files[number])
