"""A checkpoint's metrics and answers as stage evaluate writes them, for what reads them."""

from collections.abc import Iterable
from pathlib import Path

from abacus.core.documents import write_csv
from abacus.scoring.questions import COLUMNS as QUESTION
from abacus.scoring.questions import EXACT, READING
from abacus.scoring.summary import COLUMNS


def nothing_else(folder: Path) -> list[object]:
    """The other arguments of stage report, places where nothing is."""
    names = ("checkpoints", "profile", "prepared", "kinds", "records", "test")
    return [word for name in names for word in (f"--{name}", folder / "none" / name)]


def checkpoint(**known: float) -> dict[str, float]:
    """What a checkpoint's table shows: 50 where nothing else is said, each interval a point to either side."""
    found = {metric.name: 50.0 for metric in COLUMNS} | known
    ends = [(end, found[m.name]) for m in COLUMNS for end in m.bounds]
    return found | {end: value + (1 if end.endswith("_high") else -1) for end, value in ends}


def write_answers(folder: Path, numbers: Iterable[int], problems: int = 8) -> Path:
    """Write a file of answers a checkpoint: as many roots right as its number says, and a question read rightly."""
    for number in numbers:
        rows = [{"question": f"q{n}", "category": "root"} | dict.fromkeys(EXACT, "") for n in range(problems)]
        for n, row in enumerate(rows):
            row |= dict.fromkeys((name for name, part in EXACT.items() if part != READING), int(n < number))
        read = {"question": "r", "category": READING} | {n: 1 for n, part in EXACT.items() if part == READING}
        write_csv(folder / f"{number}.csv", [*rows, read], QUESTION)
    return folder
