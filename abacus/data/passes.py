"""Raw rows to judged ones in passes over parts, each a function of files that any process may run, twice if need be.

`deal` reads some of the raw file and deals its rows out to the parts by the hash of their problems; `judge` drops
duplicates, classifies and audits the rows of one part; `gather` puts rejected rows back into the order of their lines.
Nothing holds more than the rows of a part, or of as much of the raw file.
"""

import functools
import itertools
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tqdm import tqdm

from abacus.core.errors import InputError
from abacus.core.workers import Ordered
from abacus.data.audit import Verdict, audit
from abacus.data.columns import Group, Section, writing
from abacus.data.mixing import sizes
from abacus.data.rows import WHOLE, Row, Span, check_file, json_line, rows_of, write_lines
from abacus.data.selection import Prepare, check_enough, check_known, sift
from abacus.data.splitting import Part, ranked
from abacus.problems.sampling import digest

LEAST = 1 << 21  # bytes of raw rows that make a part, if MOST parts are enough for it
MOST = 400  # parts: each pass reads a section of every file of the one before
DEALING = 0.3  # of the time is dealing


class Dealt(NamedTuple):
    """The rows of a span, a section a part, and how many they are."""

    rows: int
    sections: list[Section]


class Hand(NamedTuple):
    """A part's rows: sections, each with the number of the line before its span, and where results go."""

    sections: list[tuple[int, Section]]
    right: Path
    rejected: Path


class Judged(NamedTuple):
    """A part's right rows, its counts, the first rows of no category, and the rejected rows, a section a span."""

    part: Part
    counts: Counter[tuple[str, str]]
    unknown: list[Verdict]
    rejected: list[Section]


def judged(raw: Path, parts: int, params: Prepare, folder: Path, ordered: Ordered) -> list[Judged]:
    """Deal a raw file out to so many parts and judge each, with files in `folder`; show how far it is.

    Raises InputError for the first line that is no row.
    """
    wanted = spans(raw, parts)
    with tqdm(
        desc="prepare", total=_about(raw), unit=" rows", unit_scale=True, mininterval=0.5, delay=0.5
    ) as bar:
        dealt: list[Dealt] = []
        deals = ((raw.absolute(), span, parts, folder / f"dealt-{n}") for n, span in enumerate(wanted))
        for span, one in zip(wanted, (ordered if raw.is_file() else map)(deal, deals), strict=True):
            if one is None:
                raise _refused(raw, span._replace(first=1 + sum(before.rows for before in dealt)))
            dealt.append(one)
            bar.update(DEALING * one.rows)
        starts = [0, *itertools.accumulate(one.rows for one in dealt)]
        bar.total = starts[-1]
        hands = (
            Hand(
                [(before, one.sections[n]) for before, one in zip(starts, dealt, strict=False)],
                folder / f"right-{n}",
                folder / f"rejected-{n}",
            )
            for n in range(parts)
        )
        found = []
        for one_judged in ordered(functools.partial(judge, params=params), hands):
            found.append(one_judged)
            bar.update((1 - DEALING) * one_judged.counts.total())
    for one in dealt:
        one.sections[0].path.unlink()  # room for what comes
    return found


def checked(found: Iterable[Judged], params: Prepare) -> Counter[tuple[str, str]]:
    """The counts of all parts; raises Unfit if the rows do not do."""
    found = list(found)
    counts: Counter[tuple[str, str]] = Counter()
    for one in found:
        counts += one.counts
    check_known((verdict for one in found for verdict in one.unknown), counts, params)
    check_enough(counts, params)
    return counts


def spans(raw: Path, count: int) -> list[Span]:
    """About so many spans of whole lines that make up a file."""
    check_file(raw)
    if not raw.is_file() or not raw.stat().st_size:
        return [WHOLE]
    size = raw.stat().st_size
    edges = {0, size}
    with raw.open("rb") as stream:
        for number in range(1, count):
            stream.seek(max(0, size * number // count - 1))
            stream.readline()
            edges.add(stream.tell())
    return [Span(start, end) for start, end in itertools.pairwise(sorted(edges))]


def parts_of(raw: Path) -> int:
    """How many parts a raw file is worth."""
    size = raw.stat().st_size if raw.is_file() else 0
    return min(MOST, max(1, size // LEAST))


def deal(asked: tuple[Path, Span, int, Path]) -> Dealt | None:
    """Deal the rows of a span out; None if one of its lines is no row."""
    raw, span, parts, out = asked
    hands: list[list[tuple[int, str, str]]] = [[] for _ in range(parts)]
    try:
        for row in rows_of(raw, span):
            # In the order of the hashes.
            hands[int.from_bytes(digest(row[1])[:4], "big") * parts >> 32].append(row)
    except InputError:
        return None
    with writing(out) as writer:
        sections = [writer.add(*Group.of(rows).columns) for rows in hands]
    return Dealt(sum(map(len, hands)), sections)


def _refused(raw: Path, span: Span) -> InputError:
    """What is wrong with a span: read again here, where the file has its name and the line its number."""
    for _ in rows_of(raw, span):
        pass
    return InputError(raw, "is not the same to all processes")


def judge(hand: Hand, params: Prepare) -> Judged:
    """Drop duplicates, classify and audit the rows of a part."""
    gone: tuple[list[int], list[str]] = ([], [])
    rejected: list[Section] = []

    def reject(row: dict[str, Any]) -> None:
        gone[0].append(row["line"])
        gone[1].append(json_line(row))

    def rows() -> Iterator[Row]:
        """In the order of their lines; after each span what was rejected of it is written."""
        for before, section in hand.sections:
            numbers, texts = section.columns()
            yield from map(Row, [before + number for number in numbers], *texts)
            rejected.append(writer.add(*gone))
            for column in gone:
                column.clear()

    with writing(hand.rejected) as writer:
        kept, counts, unknown = sift(audit(rows()), params.labels, reject)
    right = ranked(kept)
    with writing(hand.right) as out:
        groups = {name: out.add(*group.columns) for name, group in right.items()}
    categories = {name: len(group) for name, group in right.items()}
    part = Part(groups, categories, sizes(right, params.mix, params.leave_out))
    return Judged(part, counts, unknown, rejected)


def write_rejected(stream: BinaryIO, found: Iterable[Judged], folder: Path, ordered: Ordered) -> None:
    """Write all rejected rows as lines of JSON, in the order of the raw file."""
    of_spans = zip(*(one.rejected for one in found), strict=True)
    for path in ordered(gather, ((sections, folder / f"gone-{n}") for n, sections in enumerate(of_spans))):
        with path.open("rb") as part:
            shutil.copyfileobj(part, stream)
        path.unlink()


def gather(asked: tuple[tuple[Section, ...], Path]) -> Path:
    """Write the rejected rows of a span."""
    sections, out = asked
    found: list[tuple[int, str]] = []
    for section in sections:
        numbers, (lines,) = section.columns()
        found += zip(numbers, lines, strict=True)
    write_lines(out, (text for _, text in sorted(found)))
    return out


def _about(raw: Path) -> int | None:
    """About how many lines a file has, by its first ones."""
    if not raw.is_file():
        return None
    with raw.open("rb") as stream:
        some = stream.read(1 << 17)
    return raw.stat().st_size * some.count(b"\n") // max(1, len(some)) or None
