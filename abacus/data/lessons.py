"""Training rows as their recipe teaches them."""

import functools
import heapq
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from abacus.core.files import replacing
from abacus.core.workers import Ordered
from abacus.data.mixing import spread
from abacus.data.rows import Row, json_line
from abacus.data.selection import Prepare, pair
from abacus.data.splitting import Chosen, Picks, picked
from abacus.problems.workings import recognise, working

SOME = 1000  # rows that are read at a time
Lesson = list[int | str]  # what it is ordered by, two numbers, and a line of JSON


def taught(row: Row, params: Prepare) -> dict[str, str]:
    """Return a row as the recipe teaches it."""
    solution = working(recognise(row.problem), params.workings, params.decimals)
    return {"problem": row.problem, "solution": solution}


def lessons(chosen: Chosen, params: Prepare, folder: Path, ordered: Ordered = map) -> Iterator[str]:
    """Yield the training rows as the recipe teaches them, reading rows among them, in lines of JSON.

    Each part's are worked out in a file of their own in `folder`, in their order.
    """
    outs = [folder / f"lessons-{number}" for number in range(len(chosen.picks))]
    some = ordered(functools.partial(_teach, params=params), zip(chosen.picks, outs, strict=True))
    merged = heapq.merge(*map(_read, list(some)))
    lines = (str(line) for *_, line in merged)
    return spread(lines, chosen.trained.total(), [json_line(pair(row)) for row in chosen.reading])


def _teach(asked: tuple[Picks, Path], params: Prepare) -> Path:
    """Work out what is trained on of a part."""
    picks, out = asked
    found = [(first, then, json_line(taught(row, params))) for first, then, row in picked(picks, params)]
    with replacing(out) as part, part.open("w", encoding="utf-8", newline="\n") as stream:
        for at in range(0, len(found), SOME):
            stream.write(json.dumps(found[at : at + SOME], ensure_ascii=False) + "\n")
    return out


def _read(path: Path) -> Iterable[Lesson]:
    with path.open(encoding="utf-8", newline="\n") as stream:
        for line in stream:
            yield from json.loads(line)
