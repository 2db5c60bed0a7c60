"""The stages that make data: each by its own command, beside a plain script and `datasets.map`."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

from abacus.core.documents import read_json
from abacus.core.files import check_room
from abacus.data.conversation import read_turns
from abacus.data.rows import json_line
from benchmarks.alternate import OURS, Competitor, Figures
from benchmarks.process import Done
from benchmarks.workspace import GB, PEERS, ROOT, SCRATCH, Tree, current, needed, script

CONVERSATIONS = "data/train-v2-conversation.json"
PREPARED = {name: f"data/{name}" for name in ("train", "test", "rejected", "metrics", "categories")}
SIZES = {"10k": 10_000, "100k": 100_000, "810k": 810_000, "10m": 10_000_000}  # rows
ROOM = 500  # bytes of disk a row: the raw file, and what prepare writes on the way


def costs(done: Done) -> Figures:
    """What every process costs."""
    return {"seconds": done.seconds, "memory": done.memory / GB}


def timed(worker: str, which: str) -> Figures:
    """What a worker costs, but that its seconds are those that it has measured itself."""
    figures = SCRATCH / f"{worker}.json"
    done = script(worker, which, figures)
    return costs(done) | {"seconds": read_json(figures, "figures of a worker")["seconds"]}


def prepare(before: str | None) -> list[Competitor]:
    """All raw rows to training rows; the plain script audits nothing and is one process."""
    tree, raw = current(), needed("data/raw/train.json")
    return [
        Competitor(OURS, lambda: costs(tree.stage("prepare", raw=raw, **PREPARED))),
        Competitor("plain script", lambda: costs(script("plain_prepare", raw, SCRATCH / "plain.json"))),
    ]


def growth(before: str | None) -> list[Competitor]:
    """Stage prepare on four numbers of rows, by processes of this machine and by a Dask cluster on it."""
    check_room(SCRATCH, ROOM * max(SIZES.values()))
    tree = current()
    raws = {count: of_size(tree, count) for count in SIZES.values()}
    return [
        Competitor(name, lambda engine=engine: grown(tree, raws, engine))
        for name, engine in ((OURS, "local"), ("dask", "dask"))
    ]


def of_size(tree: Tree, count: int) -> Path:
    """A raw file of so many rows, of as many seeds as that takes."""
    path, left = SCRATCH / f"raw-{count}.json", count
    with path.open("wb") as out:
        for seed in itertools.count(1):
            tree.change("params.yaml", {"synthesize": {"seed": seed, "scale": 1}})
            tree.stage("synthesize", out="data/seed.json")
            with (tree.folder / "data/seed.json").open("rb") as made:
                lines = list(itertools.islice(made, left))
            out.writelines(lines)
            left -= len(lines)
            if not left:
                return path


def grown(tree: Tree, raws: dict[int, Path], engine: str) -> Figures:
    """What each of the raw files costs."""
    figures = {}
    for name, count in SIZES.items():
        asked = {"train_size": min(100_000, count // 2), "test_size": min(2_000, count // 20)}
        tree.change("params.yaml", {"prepare": {"engine": engine, **asked}})
        cost = costs(tree.stage("prepare", raw=raws[count], **PREPARED))
        figures |= {f"{key}_{name}": value for key, value in cost.items()}
    return figures


def synthesize(before: str | None) -> list[Competitor]:
    """The raw rows from a seed."""
    tree = current()
    return [Competitor(OURS, lambda: costs(tree.stage("synthesize", out="data/made.json")))]


def converse(before: str | None) -> list[Competitor]:
    """Training rows to conversations."""
    tree, train = current(), needed("data/train-v2.json")
    return [Competitor(OURS, lambda: costs(tree.stage("converse", train=train, out="data/made.json")))]


def mindrecord(before: str | None) -> list[Competitor]:
    """Conversations to tokens, all of them and the first half, which says how memory grows."""
    tree, whole = current(), needed(CONVERSATIONS)
    half = first_half(whole)
    return [
        Competitor(OURS, lambda: growing(lambda rows: encode(tree, rows), whole, half)),
        Competitor("datasets.map", lambda: growing(mapped, whole, half)),
    ]


def first_half(path: Path) -> Path:
    """A conversation file of the first half of the rows of one."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    half = SCRATCH / "half.json"
    half.write_text(json.dumps(rows[: len(rows) // 2], ensure_ascii=False, indent=2), encoding="utf-8")
    return half


def growing(work: Callable[[Path], Done], whole: Path, half: Path) -> Figures:
    """What the whole costs, and its memory over that of the half."""
    small, done = work(half), work(whole)
    return costs(done) | {"half_memory": small.memory / GB, "growth": done.memory / small.memory}


def encode(tree: Tree, conversations: Path) -> Done:
    """Stage mindrecord; it leaves data/rows.mindrecord and data/rows.json in the tree."""
    return tree.stage(
        "mindrecord",
        profile="data/profile",
        base=needed("data/base"),
        conversations=conversations,
        test=needed("data/math-test.jsonl"),
        squad=ROOT / "data/reading/reading-v1.1.json",
        out="data/rows.mindrecord",
        metrics="data/rows.json",
    )


def mapped(conversations: Path) -> Done:
    """The same rows by `datasets.map` in two processes."""
    lines = SCRATCH / f"{conversations.stem}.jsonl"
    if not lines.exists():  # as `datasets` wants them; made before the clock runs
        turns = read_turns(conversations)
        text = "".join(json_line({"problem": turn.problem, "solution": turn.solution}) for turn in turns)
        lines.write_text(text, encoding="utf-8")
    words = [lines, needed("data/base/tokenizer.json"), SCRATCH / "mapped"]
    return script("map_tokens", *words, python=PEERS)
