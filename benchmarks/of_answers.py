"""Answers of a whole checkpoint, and decoding alone, beside `transformers.generate`; the reading metric beside MindFormers'."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from abacus.core.documents import read_json
from abacus.core.params import section
from abacus.data.squad import read_questions
from abacus.inference.answering import Predict, read_how, read_problems, sample_problems, sample_questions
from abacus.text.prompt import Prompter
from abacus.text.tokenizer import Tokenizer
from benchmarks.alternate import OURS, Competitor, Figures
from benchmarks.of_data import costs, timed
from benchmarks.of_training import exported
from benchmarks.workspace import GB, PEERS, READING, ROOT, SCRATCH, Tree, compared, current, needed, script

CHECKPOINT = "checkpoints/5"
NEW, BATCHES = 48, (1, 32)  # tokens that are decoded, and texts at a time
ALONE = 4  # texts that are decoded one by one
FIGURES = "figures.json"


def predict(before: str | None) -> list[Competitor]:
    """All questions that a checkpoint of the default run is asked, from the start of the process to its end."""
    trees = compared(before)
    asked = questions()
    model, path = exported(needed(CHECKPOINT)), written("asked.json", asked)
    ours, *old = [Competitor(tree.name, Asking(tree, len(asked)).figures) for tree in trees]
    peer = Competitor("transformers", partial(generated, model, path, len(asked)))
    return [ours, peer, *old]


def questions() -> list[dict[str, Any]]:
    """The prompts of a checkpoint's questions, and how many tokens may follow."""
    folder = current().folder
    how, params = read_how(folder / "data/profile"), section("predict", Predict, folder / "params.yaml")
    prompter = Prompter(Tokenizer.load(needed("data/base")), how.prompt.template, how.prompt.bos)
    rows = sample_problems(read_problems(needed("data/math-test.jsonl")), params.math_limit)
    passages = sample_questions(read_questions(ROOT / READING), params.squad_limit)
    math = prompter.problems([row.problem for row, _ in rows])
    reading = prompter.passages([(one.context, one.question) for one in passages])
    decode, least = how.decode, how.decode.min_new_tokens
    return [
        {"ids": ids, "most": most, "least": least}
        for prompts, most in ((math, decode.math_new_tokens), (reading, decode.reading_new_tokens))
        for ids in prompts
    ]


class Asking:
    """Stage predict in a tree; the first time its graphs are compiled, and that is not what is compared."""

    def __init__(self, tree: Tree, answers: int) -> None:
        self.tree, self.answers = tree, answers
        self.first: float | None = None

    def figures(self) -> Figures:
        """One checkpoint, its graphs compiled before."""
        if self.first is None:
            self.first = self.ask()["seconds"]
        figures = self.ask()
        compiling = self.first - figures["seconds"]
        return figures | {"answers_s": self.answers / figures["seconds"], "compiling": compiling}

    def ask(self) -> Figures:
        """What one checkpoint costs."""
        shutil.rmtree(self.tree.folder / "answers", ignore_errors=True)
        done = self.tree.stage(
            "predict",
            profile="data/profile",
            base=needed("data/base"),
            adapter=needed(CHECKPOINT),
            math=needed("data/math-test.jsonl"),
            squad=ROOT / READING,
            out="answers",
        )
        return costs(done)


def written(name: str, value: object) -> Path:
    """A JSON file in the scratch folder."""
    path = SCRATCH / name
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def generated(model: Path, asked: Path, answers: int) -> Figures:
    """The same questions by `transformers.generate`, batches of 32, sorted by length."""
    figures = costs(script("generate", model, asked, 32, 1, SCRATCH / FIGURES, python=PEERS))
    return figures | {"answers_s": answers / figures["seconds"]}


def decoding(before: str | None) -> list[Competitor]:
    """Tokens a second of greedy decoding, prompts included, once everything is compiled and loaded."""
    problems = questions()[: max(BATCHES)]  # the arithmetic comes first
    asked = {
        batch: written(f"decoded-{batch}.json", [one | {"most": NEW, "least": NEW} for one in some])
        for batch, some in ((1, problems[:ALONE]), (32, problems))
    }
    model, base = exported(needed(CHECKPOINT)), needed("data/base")
    return [
        Competitor(OURS, lambda: decoded("decode", asked, base, needed(CHECKPOINT))),
        Competitor("transformers", lambda: decoded("generate", asked, model)),
    ]


def decoded(worker: str, asked: dict[int, Path], *model: Path) -> Figures:
    """Tokens a second by batch."""
    python = {"python": PEERS} if worker == "generate" else {}
    figures: Figures = {"memory": 0.0}
    for batch, path in asked.items():
        done = script(worker, *model, path, batch, 2, SCRATCH / FIGURES, **python)
        figures["memory"] = max(figures["memory"], done.memory / GB)
        found = read_json(SCRATCH / FIGURES, "figures of a worker")
        figures[f"tokens_s_{batch}"] = found["tokens"] / found["seconds"]
    return figures


def em_f1(before: str | None) -> list[Competitor]:
    """F1 and exact match of 2 067 pairs, the questions that the contest asks."""
    sides = ((OURS, "ours"), ("MindFormers", "peer"))
    return [Competitor(name, partial(timed, "score", which)) for name, which in sides]
