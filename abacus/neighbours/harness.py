"""The evaluation's own questions as tasks of lm-evaluation-harness: the same prompts, the same golds, the same scores.

A folder of two tasks and the questions as JSON Lines; how an answer is scored is asked of this package (`scored.py`).
Format: https://github.com/EleutherAI/lm-evaluation-harness/blob/main/docs/task_guide.md
"""

from pathlib import Path
from typing import Any

from abacus.data.rows import Row, write_rows
from abacus.data.squad import Question
from abacus.neighbours.texts import Texts, composed
from abacus.problems.recipe import Recipe
from abacus.problems.workings import working
from abacus.profile.model import Decode

FOLDER = Path("lm-eval")
SCORES = "abacus_scores.py"
MATH, READING = "abacus_math", "abacus_reading"
# What `!function` names must lie beside the YAML; it holds no scoring of its own.
CODE = '''\
"""Scores of Abacus for lm-evaluation-harness; needs the package `abacus`: PYTHONPATH=<clone>, or its wheel."""

from pathlib import Path

import datasets

from abacus.neighbours.scored import math, reading  # noqa: F401


def questions(name, **_):
    """The questions of a task, from the file beside this one."""
    return {"test": datasets.Dataset.from_json(str(Path(__file__).with_name(f"{name}.jsonl")))}


def abacus_math(**_):
    return questions("abacus_math")


def abacus_reading(**_):
    return questions("abacus_reading")
'''
TASK = """\
task: {task}
tag: abacus
custom_dataset: !function abacus_scores.{task}
test_split: test
output_type: generate_until
num_fewshot: 0
doc_to_text: prompt
doc_to_target: gold
process_results: !function abacus_scores.{function}
generation_kwargs: {{until: [], do_sample: false, max_gen_toks: {tokens}}}
metric_list:
{metrics}metadata: {{version: 1.0}}
"""


def problems(
    rows: list[tuple[Row, Any]], texts: Texts, recipe: Recipe, template: str
) -> list[dict[str, Any]]:
    """A row a problem, `template` as in section `predict`; its gold is the recipe's working."""
    return [
        {
            "problem": row.problem,
            "prompt": texts.row(row.problem, "")[0] if template == "trained" else composed(row.problem),
            "gold": working(problem, recipe.workings, recipe.decimals),
            "workings": recipe.workings,
            "decimals": recipe.decimals,
        }
        for row, problem in rows
    ]


def questions(found: list[Question], texts: Texts) -> list[dict[str, Any]]:
    """A row a reading question; its gold is the first of its answers."""
    return [
        {
            "id": one.id,
            "prompt": texts.passage(one.context, one.question),
            "gold": one.answers[0],
            "references": list(one.answers),
        }
        for one in found
    ]


def task(name: str, function: str, metrics: tuple[str, ...], tokens: int) -> str:
    """A task's YAML."""
    lines = (f"  - {{metric: {metric}, aggregation: mean, higher_is_better: true}}\n" for metric in metrics)
    return TASK.format(task=name, function=function, metrics="".join(lines), tokens=tokens)


def write(part: Path, math: list[dict[str, Any]], reading: list[dict[str, Any]], decode: Decode) -> None:
    """Write the folder of tasks into `part`."""
    from abacus.neighbours.scored import MATH_METRICS, READING_METRICS

    folder = part / FOLDER
    folder.mkdir()
    (folder / SCORES).write_text(CODE, encoding="utf-8")
    for name, function, metrics, tokens, rows in (
        (MATH, "math", MATH_METRICS, decode.math_new_tokens, math),
        (READING, "reading", READING_METRICS, decode.reading_new_tokens, reading),
    ):
        (folder / f"{name}.yaml").write_text(task(name, function, metrics, tokens), encoding="utf-8")
        write_rows(folder / f"{name}.jsonl", rows)
