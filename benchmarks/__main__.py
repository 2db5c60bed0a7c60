"""Measure speed and memory beside what a user would pick instead, and write the tables: make bench.

    make bench [ONLY=name,...] [PAIRS=n] [BEFORE=commit]

Needs what `make repro` leaves. Writes metrics/bench.json and the tables of docs/performance.md and both README; of a part
(ONLY), the others' figures stay. With BEFORE an earlier commit trains and answers too. All work is done in
.scratch/bench, which is removed at the end.
"""

import argparse
import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tqdm import tqdm

from abacus.core.documents import read_json, write_json
from abacus.core.errors import InputError
from abacus.core.files import alone, replacing
from abacus.core.process import run
from benchmarks import limits, of_answers, of_data, of_starting, of_training, table
from benchmarks.alternate import Competitor, alternate, rounded
from benchmarks.workspace import ROOT, SCRATCH

METRICS = ROOT / "metrics/bench.json"
LIMITED = ("decoding", "finetune")
LEARNING = 2  # times a forward pass: the way back through frozen weights costs one more


class Comparison(NamedTuple):
    """What prepares a comparison and gives its competitors, and how many pairs are enough."""

    competitors: Callable[[str | None], list[Competitor]]
    pairs: int


COMPARISONS = {
    "prepare": Comparison(of_data.prepare, 3),
    "growth": Comparison(of_data.growth, 1),
    "synthesize": Comparison(of_data.synthesize, 3),
    "converse": Comparison(of_data.converse, 3),
    "mindrecord": Comparison(of_data.mindrecord, 2),
    "em_f1": Comparison(of_answers.em_f1, 2),
    "start": Comparison(of_starting.start, 5),
    "repro": Comparison(of_starting.repro, 5),
    "decoding": Comparison(of_answers.decoding, 2),
    "predict": Comparison(of_answers.predict, 2),
    "dropout": Comparison(of_training.dropout, 2),
    "finetune": Comparison(of_training.finetune, 2),
    "parts": Comparison(of_training.parts, 1),
    "ranks": Comparison(of_training.ranks, 1),
    "resume": Comparison(of_training.resume, 1),
}


def main() -> int:
    """Run the comparisons; 1 if one of them, or a competitor, has failed."""
    args = arguments().parse_args()
    chosen = chosen_of(args.only)
    if args.pairs is not None and args.pairs < 1:
        raise InputError("PAIRS", str(args.pairs), "at least 1")
    with scratch(), tqdm(total=len(chosen), desc="bench", unit="comparison") as bar:
        bar.set_description("bench: what the machine can do")
        found = {"machine": limits.machine(), "versions": limits.versions(), "comparisons": {}}
        if METRICS.exists():
            found["comparisons"] = read_json(METRICS, "what make bench has written")["comparisons"]
        failed = 0
        for name in chosen:
            made = compared(name, args, found["machine"], bar)
            failed += told(name, made, bar)
            if "values" in made:
                save(found, name, made)
            bar.update()
    print(table.long(found))
    return 1 if failed else 0


def save(found: dict[str, Any], name: str, made: dict[str, Any]) -> None:
    """Add a comparison to what was found, and write the file and the tables: a run that is stopped keeps what it has."""
    known = found["comparisons"] | {name: made}
    found["comparisons"] = {each: known[each] for each in COMPARISONS if each in known}
    with replacing(METRICS) as part:
        write_json(part, found)
    table.render(found, ROOT)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(COMPARISONS), help="comparisons, with commas between them")
    parser.add_argument("--pairs", type=int, help="of each comparison, instead of its own number")
    parser.add_argument("--before", help="a commit that trains and answers too")
    return parser


def chosen_of(only: str) -> list[str]:
    """The names in a text; InputError for one that is no comparison."""
    chosen = only.split(",")
    for name in chosen:
        if name not in COMPARISONS:
            raise InputError("ONLY", f"{name!r} is no comparison", ", ".join(COMPARISONS))
    return chosen


@contextlib.contextmanager
def scratch() -> Iterator[None]:
    """An empty scratch folder, removed at the end."""
    SCRATCH.parent.mkdir(exist_ok=True)
    with alone(SCRATCH.with_suffix(".lock")) as free:
        if free is False:
            raise InputError(".scratch/bench", "another `make bench` is at work here", "its end")
        shutil.rmtree(SCRATCH, ignore_errors=True)
        SCRATCH.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(SCRATCH, ignore_errors=True)


def compared(name: str, args: argparse.Namespace, machine: dict[str, Any], bar: tqdm) -> dict[str, Any]:
    """A comparison's record: every value of each competitor, or why it could not be made."""
    comparison, before = COMPARISONS[name], args.before
    count = args.pairs or comparison.pairs
    bar.set_description(f"bench: {name}, getting ready")
    try:
        competitors = comparison.competitors(before)
    except InputError as error:
        return {"failed": {name: str(error)}}
    found = alternate(
        competitors, count, lambda who, pair: bar.set_description(f"bench: {name}, {who}, {pair} of {count}")
    )
    made: dict[str, Any] = {"values": found.values}
    if found.failed:
        made["failed"] = found.failed
    if before and any(who == f"commit {before}" for who, _ in competitors):
        made["before"] = before
    return made | ({"limits": fastest(name, machine)} if name in LIMITED else {})


def fastest(name: str, machine: dict[str, Any]) -> dict[str, float]:
    """Rows or tokens a second, were nothing done but the products of float32, or the reading of the weights."""
    token, products = limits.work(), machine["mindspore_float32_gflops"]
    if name == "decoding":
        bounds = {
            "products": products / token["gflop_a_token"],
            "memory": machine["memory_gb_s"] / token["gb_of_weights"],
        }
    else:
        tokens = read_json(SCRATCH / "abacus/data/rows.json", "metrics of mindrecord")["mean_tokens"]
        bounds = {"products": products / (LEARNING * tokens * token["gflop_a_token"])}
    return {kind: rounded(bound) for kind, bound in bounds.items()}


def told(name: str, made: dict[str, Any], bar: tqdm) -> int:
    """Say what was measured and what has failed; how many have."""
    for who, figures in made.get("values", {}).items():
        shown = ", ".join(f"{key} {'/'.join(f'{v:g}' for v in values)}" for key, values in figures.items())
        bar.write(f"{name}: {who}: {shown}", file=sys.stderr)
    for who, why in made.get("failed", {}).items():
        bar.write(f"{name}: {who} failed: {why}", file=sys.stderr)
    return len(made.get("failed", {}))


if __name__ == "__main__":
    run(main)
