"""Clean, audit, split and write out the raw rows as training rows with their workings.

    python -m stages.prepare --raw data/raw/train.json --train data/train-v2.json
        --test data/math-test.jsonl --rejected data/rejected.jsonl --metrics metrics/prepare.json

English rows, duplicates and rows whose published solution is wrong are rejected, each with its reason; a
Chinese row that is of no category stops the stage. The test problems are held out by a hash of their text.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Literal

from stages.audit import NAMES, Verdict, audit, tally
from stages.command import InputError, replacing, run, write_json
from stages.params import PATH, Range, section
from stages.problems.sampling import exact_shares, floor_shares, rank
from stages.problems.workings import Workings, recognise, working
from stages.recipe import Decimals
from stages.rows import Row, clip, progress, read_rows, write_rows, writer_to


@dataclass(frozen=True)
class Prepare:
    """Section `prepare` of params.yaml: the recipe of a data version."""

    raw: str
    workings: Workings
    decimals: Decimals
    mix: Literal["proportional"]
    train_size: Annotated[int, Range(1, 10**9)]
    test_size: Annotated[int, Range(1, 10**9)]
    multiple_of: Annotated[int, Range(1, 10**6)]
    seed: Annotated[int, Range(1, 2**31)]


def sift(verdicts: Iterable[Verdict], place: str, reject: Callable[[dict], object]):
    """Split judged rows into those that stay, by category, and those that go: `reject` gets each of these.

    Returns the verified rows by category and the counts by (kind, category). Raises InputError, naming
    `place` and the line, for a row of no category.
    """
    rows: dict[str, list[Row]] = {name: [] for name in NAMES}
    counts: Counter[tuple[str, str]] = Counter()
    reasons = {
        "english": lambda verdict: "english",
        "duplicate": lambda verdict: f"duplicate of {verdict.expected}",
        "wrong": lambda verdict: f"wrong label: expected {verdict.expected}",
    }
    for verdict in verdicts:
        row, kind = verdict.row, verdict.kind
        counts[kind, verdict.category] += 1
        if kind == "unknown":
            raise InputError(f"{place}, line {row.line}: the problem {verdict.expected}: {clip(row.problem)}")
        if kind == "verified":
            rows[verdict.category].append(row)
        else:
            reject({"line": row.line, "reason": reasons[kind](verdict), **pair(row)})
    return rows, counts


def split(rows: dict[str, list[Row]], params: Prepare) -> tuple[list[Row], list[Row]]:
    """Return training and test rows, both in their final order.

    Of each category the problems with the smallest hashes are held out, in proportion; of the rest the
    reference's floor share is drawn. Raises InputError if there are too few rows.
    """
    counts = {name: len(group) for name, group in rows.items()}
    total = sum(counts.values())
    if params.train_size + params.test_size > total:
        raise InputError(
            f"params.yaml: prepare.train_size {params.train_size} and test_size {params.test_size}"
            f" ask for more than the {total} different right rows of {params.raw}"
        )
    try:
        held = exact_shares(counts, params.test_size)
    except ValueError as error:
        raise InputError(f"params.yaml: prepare.test_size: {error}") from None
    shares = floor_shares(counts, params.train_size)
    random = Random(params.seed)
    train, test = [], []
    for name, group in rows.items():
        # Ordered by hash first, so that the draw does not depend on the order of the raw file.
        ranked = sorted(group, key=lambda row: rank(row.problem))
        kept = ranked[held.get(name, 0) :]
        test += ranked[: held.get(name, 0)]
        train += random.sample(kept, min(shares[name], len(kept)))
    random.shuffle(train)
    del train[len(train) - len(train) % params.multiple_of :]
    if not train:
        raise InputError(
            f"params.yaml: prepare.train_size {params.train_size} and multiple_of {params.multiple_of} leave no row"
        )
    return train, sorted(test, key=lambda row: rank(row.problem))


def figures(counts: Counter, train: list[Row], test: list[Row]) -> dict[str, object]:
    """Return what metrics/prepare.json says: rows, drops, audit, and each category's share of all unique rows."""
    kinds: Counter[str] = Counter()
    by_category = {name: Counter() for name in NAMES}
    for (kind, name), count in counts.items():
        kinds[kind] += count
        if name:
            by_category[name][kind] += count
    unique = kinds.total() - kinds["duplicate"]
    used = {
        "train": Counter(recognise(row.problem).category.name for row in train),
        "test": Counter(recognise(row.problem).category.name for row in test),
    }
    proportions = {name: by_category[name].total() / unique for name in NAMES}
    return {
        "rows": kinds.total(),
        "unique": unique,
        "duplicate": kinds["duplicate"],
        "english": kinds["english"],
        "verified": kinds["verified"],
        "wrong": kinds["wrong"],
        "train": len(train),
        "test": len(test),
        "by_category": {
            name: tally(by_category[name]) | {part: used[part][name] for part in used} for name in NAMES
        },
        "proportions": proportions | {"english": kinds["english"] / unique},
    }


def pair(row: Row) -> dict[str, str]:
    """Return a row as it is written in the published format."""
    return {"problem": row.problem, "solution": row.solution}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make training and test rows of the raw rows.")
    for name in ("raw", "train", "test", "rejected", "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    to = parser.parse_args()
    params = section("prepare", Prepare, to.params)
    # All four are in place or none: nothing moves before everything is written.
    with (
        replacing(to.train) as train_part,
        replacing(to.test) as test_part,
        replacing(to.metrics) as metrics_part,
        replacing(to.rejected) as rejected_part,
    ):
        with (
            rejected_part.open("w", encoding="utf-8", newline="\n") as stream,
            progress(read_rows(to.raw), to.raw, "prepare") as raw,
        ):
            rows, counts = sift(audit(raw), str(to.raw), writer_to(stream).write)
        train, test = split(rows, params)
        write_rows(train_part, (taught(row, params) for row in train))
        write_rows(test_part, (pair(row) for row in test))
        write_json(metrics_part, figures(counts, train, test))


def taught(row: Row, params: Prepare) -> dict[str, str]:
    """Return a row as the recipe teaches it."""
    return {
        "problem": row.problem,
        "solution": working(recognise(row.problem), params.workings, params.decimals),
    }


if __name__ == "__main__":
    run(main)
