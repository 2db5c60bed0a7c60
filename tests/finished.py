"""A small finished run in a folder, scored as the pipeline scores: what the report is made of."""

import json
from pathlib import Path

import yaml

from abacus.core.documents import write_csv, write_json
from abacus.data.counted import COUNTED
from abacus.problems.categories import CATEGORIES
from abacus.problems.recipe import Recipe
from abacus.report.run import Places
from abacus.scoring import questions
from abacus.scoring.checkpoint import read_answers
from abacus.scoring.metrics import scores
from tests.stages.test_evaluate import ABOUT, perfect, prediction
from tests.workspace import ROOT

NUMBERS = (0, 1, 2)
# What a model may say: none of it may become more than text.
HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<!--<script>",
    '"><svg onload=window.hacked=1> {{ 7 * 7 }} \u2028 &lt;b&gt;',
)
READ = (
    ("Who counts?", "the clerk"),
    ("What is it?", "an abacus"),
    ("Where?", "in Rome"),
    ("When?", "in 1202"),
)


def lines(path: Path, rows: list[dict]) -> None:
    """Write JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def predicted(folder: Path, number: int) -> None:
    """A checkpoint's answers: the base model talks, checkpoint n has n of three problems right, and of four questions."""
    math = perfect("reference", 4, count=3)
    for place, row in enumerate(math):
        row |= {"reference": row["completion"], "prompt_tokens": 30}
        if place % 3 >= number:
            row |= {"completion": HOSTILE[place % len(HOSTILE)], "ended": place % 2 == 0}
    lines(folder / "math.jsonl", math)
    read = [
        prediction(
            asked, answer if n < number else HOSTILE[n], id=f"r{n}", reference=answer, references=[answer]
        )
        for n, (asked, answer) in enumerate(READ)
    ]
    lines(folder / "squad.jsonl", read)
    about = ABOUT | {"step": 4 * number, "reading": "one_shot", "squad": "data/reading/reading-v1.1.json"}
    write_json(folder / "about.json", about)


def finished(folder: Path) -> Places:
    """Write a run's files below a folder; return their places."""
    places = Places().below(folder)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")) | {"checkpoints": [*NUMBERS]}
    folder.mkdir(parents=True, exist_ok=True)
    places.params.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    for number in NUMBERS:
        predicted(places.predictions / str(number), number)
        answers = read_answers(places.predictions / str(number), Recipe(workings="reference", decimals=4))
        write_json(places.metrics / f"{number}.json", scores(answers))
        places.answers.mkdir(parents=True, exist_ok=True)
        write_csv(places.answers / f"{number}.csv", questions.rows(answers), questions.COLUMNS)
    counts = {"rows": 1000, "unique": 800, "duplicate": 200, "english": 10, "wrong": 1, "unknown": 0}
    write_json(
        places.prepared, counts | {"verified": 789, "variants": 2, "train": 600, "test": 24, "replay": 0}
    )
    kinds = [
        {"category": kind.name} | dict.fromkeys(COUNTED[1:], 9 - n % 3) for n, kind in enumerate(CATEGORIES)
    ]
    write_csv(places.kinds, kinds, COUNTED)
    write_json(
        places.records, {"rows": 600, "written": 600, "sequences": 200, "mean_tokens": 61.5, "longest": 90}
    )
    curve = [{"step": n, "loss": 2 / n, "learning_rate": 0.001 / n} for n in range(1, 9)]
    places.checkpoints.mkdir()
    write_csv(places.checkpoints / "training.csv", curve)
    (places.checkpoints / "config.yaml").write_text("abacus: {batch_rows: 2}\n", encoding="utf-8")
    places.profile.mkdir(parents=True)
    (places.profile / "source.yaml").write_text("base: {member: wheel/model.gguf}\n", encoding="utf-8")
    return places
