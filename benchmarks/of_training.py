"""Fine-tuning of the real training rows beside `transformers` and `peft`, and going on after a kill."""

import json
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from abacus.core.documents import read_json, read_yaml
from abacus.core.errors import InputError
from abacus.data.conversation import read_turns
from abacus.text.encode import encode as encoded
from abacus.text.encode import padded
from abacus.text.prompt import Prompter
from abacus.text.tokenizer import Tokenizer
from benchmarks.alternate import OURS, Competitor, Figures
from benchmarks.of_data import CONVERSATIONS, encode, timed
from benchmarks.process import Done, Watch
from benchmarks.workspace import GB, PEERS, PROFILE, SCRATCH, Tree, compared, current, needed, script

ROWS = 8  # problems of a step
STEPS, WARM = 16, 6  # steps of a run; the first ones are slower, and their time is no rate
PART, KILLED = (
    4,
    6,
)  # a run that is killed: steps of a checkpoint, of two, and the step after which it is killed
STEP_FILE = "*/steps.csv"  # in the scratch folder of stage finetune


def finetune(before: str | None) -> list[Competitor]:
    """Rows a second, warm; seconds until the first step; memory. The same rows, in steps of eight."""
    trees = compared(before)
    for tree in trees:
        ready(tree)
    model, rows = exported(None), token_rows(STEPS * ROWS)
    ours, *old = [Competitor(tree.name, partial(trained, tree)) for tree in trees]
    peers = [
        Competitor(f"peft, {kind}", partial(peft, model, rows, kind)) for kind in ("float32", "bfloat16")
    ]
    return [ours, *peers, *old]


def ready(tree: Tree) -> None:
    """Have the tree's own rows, and a profile whose steps take about ROWS of them."""
    if (tree.folder / "data/rows.json").exists():
        return
    encode(tree, needed(CONVERSATIONS))
    sequences = max(1, round(ROWS / rows_each(tree)))
    tree.change(f"profiles/{PROFILE}.yaml", {"abacus": {"finetune": {"batch_rows": sequences}}})


def rows_each(tree: Tree) -> float:
    """Training rows of a sequence, which is one where they are not packed."""
    made = read_json(tree.folder / "data/rows.json", "metrics of mindrecord")
    return made["written"] / made.get("sequences", made["written"])


def rows_of_a_step(tree: Tree) -> float:
    """Training rows of a step."""
    return rows_each(tree) * read_yaml(tree.folder / "data/profile/train.yaml")["abacus"]["batch_rows"]


def run(tree: Tree, until: int | None = None) -> Done:
    """Stage finetune in the tree, to its end or until it is killed after a step; the steps' times are its lines."""
    lines = Watch(tree.folder / "unfinished", STEP_FILE, until and until + 1)
    done = tree.stage("finetune", lines, **training())
    return Done(done.seconds, done.memory, done.lines[1:])  # the first line has the names


def training() -> dict[str, object]:
    """Options of stage finetune in a tree that is ready."""
    return {
        "train": "data/profile/train.yaml",
        "base": needed("data/base"),
        "mindrecord": "data/rows.mindrecord",
        "out": "made",
        "scratch": "unfinished",
        "log": "logs/train.log",
    }


def plan(tree: Tree, checkpoints: int, steps: int) -> None:
    """Have the next training be a new one of so many checkpoints, so many steps each."""
    numbers = {"checkpoints": [*range(checkpoints + 1)], "finetune": {"steps_per_checkpoint": steps}}
    tree.change("params.yaml", numbers)
    tree.configure()
    shutil.rmtree(tree.folder / "unfinished", ignore_errors=True)


def trained(tree: Tree) -> Figures:
    """One training from nothing."""
    plan(tree, 1, STEPS)
    return rates(run(tree), rows_of_a_step(tree))


def rates(done: Done, rows: float) -> Figures:
    """What a training costs whose steps take so many rows."""
    if len(done.lines) < STEPS - 1:  # the last one may be gone with its folder before it was seen
        raise InputError("steps", f"{len(done.lines)} were seen", f"{STEPS}")
    first, warm, last = done.lines[0], done.lines[WARM - 1], done.lines[-1]
    step = (last - warm) / (len(done.lines) - WARM)
    return {"rows_s": rows / step, "memory": done.memory / GB, "step": step, "until_first": first}


def parts(before: str | None) -> list[Competitor]:
    """What a step's time goes into, by MindSpore's profiler: one step of the same training."""
    trees = compared(before)
    for tree in trees:
        ready(tree)
    return [Competitor(tree.name, partial(looked_into, tree)) for tree in trees]


def looked_into(tree: Tree) -> Figures:
    """Seconds of a step in products with the weights, products of attention, and all other operators."""
    plan(tree, 1, STEPS)
    figures = tree.folder / "parts.json"
    shutil.rmtree(figures.with_suffix(""), ignore_errors=True)
    tree.work("parts", WARM, figures, "stages.finetune", **training())
    return read_json(figures, "figures of a worker")


def ranks(before: str | None) -> list[Competitor]:
    """The same training by two processes that share its batches, and this machine's cores."""
    one, two = current(), current(SCRATCH / "two")
    shared = {"use_parallel": True, "parallel_config": {"data_parallel": 2}}
    two.change(f"profiles/{PROFILE}.yaml", shared)
    for tree in (one, two):
        ready(tree)
    return [Competitor(OURS, partial(trained, one)), Competitor("two ranks", partial(trained, two))]


def peft(model: Path, rows: Path, kind: str) -> Figures:
    """The same by `transformers` and `peft`, padded to the longest row of each step."""
    (SCRATCH / "steps").unlink(missing_ok=True)
    words = [model, rows, SCRATCH / "steps", kind]
    done = script("lora", *words, python=PEERS, watch=Watch(SCRATCH, "steps"))
    return rates(done, ROWS)


def exported(adapter: Path | None) -> Path:
    """The base model as a Hugging Face directory, an adapter folded in."""
    out = SCRATCH / f"model-{adapter.name if adapter else 'base'}"
    if not out.exists():
        script("export", needed("data/base"), adapter or "-", out)
    return out


def token_rows(count: int) -> Path:
    """Ids and labels of the first rows, as ours are trained on, for whoever has no encoder of ours."""
    prompt = read_yaml(current().folder / "data/profile/prompt.yaml")
    prompter = Prompter(Tokenizer.load(needed("data/base")), prompt["template"], prompt["bos"])
    rows: Iterable = encoded(read_turns(needed(CONVERSATIONS))[:count], prompter)
    path = SCRATCH / "rows.json"
    whole = [{key: ids.tolist() for key, ids in padded(row, row.size, pad=0).items()} for row in rows]
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


def dropout(before: str | None) -> list[Competitor]:
    """The dropout of one step, forward and backward, that gives the same masks each time, beside MindSpore's own."""
    sides = ((OURS, "ours"), ("MindSpore", "peer"))
    return [Competitor(name, partial(timed, "dropout", which)) for name, which in sides]


def resume(before: str | None) -> list[Competitor]:
    """A training that is killed, and goes on when it is started again, beside one that is not."""
    tree = current()
    ready(tree)
    return [Competitor(OURS, lambda: killed(tree))]


def killed(tree: Tree) -> Figures:
    """Seconds more than without the kill, less those of the steps that were lost."""
    plan(tree, 2, PART)
    whole = run(tree)
    first, rest = run(tree, KILLED), run(tree)
    lost = first.lines[KILLED - 1] - first.lines[PART - 1]
    took = first.seconds + rest.seconds
    return {"whole": whole.seconds, "killed": took, "lost": lost, "extra": took - whole.seconds - lost}
