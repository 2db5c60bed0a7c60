"""Tasks of lm-evaluation-harness: they ask what stage predict asks, hold for right what it holds, and score as evaluate does."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from abacus.data.squad import read_questions
from abacus.inference.answering import (
    problem_predictions,
    problems_asked,
    question_predictions,
    questions_asked,
    read_problems,
    said,
    sample_questions,
)
from abacus.inference.cached import CachedDecoder
from abacus.neighbours import scored
from abacus.problems.recipe import Recipe
from abacus.profile import load
from abacus.scoring.checkpoint import judge, understand
from abacus.scoring.metrics import METRICS, Answers
from abacus.text.prompt import Prompter
from abacus.text.tokenizer import Tokenizer
from abacus.weights.checkpoint import load_checkpoint
from tests.exports import PROBLEMS, workspace, written_for_others
from tests.workspace import ROOT

RECIPE = Recipe(workings="reference", decimals=4)
TOKENS = {"abacus_math": 96, "abacus_reading": 20}


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A workspace with its base model as a Hugging Face directory, and the tasks."""
    folder = tmp_path_factory.mktemp("harness")
    written_for_others(folder, workspace(folder))
    return folder


@pytest.fixture(scope="module")
def predicted(work) -> dict[str, list[dict]]:
    """What stage predict makes of the base model, without its minimum of one new token."""
    made, base = load.profile("small", work / "profiles"), work / "data/base"
    tokenizer = Tokenizer.load(base)
    shape = made.llama.architecture
    decoder = CachedDecoder(
        load_checkpoint(base / "model.ckpt"), shape, eos_id=tokenizer.eos_id, batch_size=4
    )
    prompter = Prompter(tokenizer, "bare", False, "one_shot")
    problems = read_problems(work / "data/math-test.jsonl")
    questions = sample_questions(read_questions(work / "data/reading/reading-v1.1.json"), 4)
    sums, passages = (
        problems_asked(prompter, problems, RECIPE, "trained"),
        questions_asked(prompter, questions),
    )
    found = [
        said(tokenizer, asked, decoder.complete(asked, max_new_tokens=most))
        for asked, most in ((sums, 96), (passages, 20))
    ]
    return {
        "abacus_math": problem_predictions(problems, found[0]),
        "abacus_reading": question_predictions(questions, found[1]),
    }


def rows_of(work: Path, name: str) -> list[dict]:
    lines = (work / f"exported/lm-eval/{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_tasks_say_how_it_is_asked(work):
    class Loader(yaml.SafeLoader):
        """Takes `!function x` for x."""

    Loader.add_constructor("!function", lambda loader, node: node.value)
    folder = work / "exported/lm-eval"
    for name, metrics in (("abacus_math", scored.MATH_METRICS), ("abacus_reading", scored.READING_METRICS)):
        task = yaml.load((folder / f"{name}.yaml").read_text(encoding="utf-8"), Loader)
        assert task["task"] == name and task["num_fewshot"] == 0
        assert [one["metric"] for one in task["metric_list"]] == list(metrics)
        assert set(metrics) <= {metric.name for metric in METRICS}
        assert task["generation_kwargs"] == {"until": [], "do_sample": False, "max_gen_toks": TOKENS[name]}
        module, function = task["custom_dataset"].split(".")
        assert f"def {function}(" in (folder / f"{module}.py").read_text(encoding="utf-8")
    assert len(rows_of(work, "abacus_math")) == 3 and len(rows_of(work, "abacus_reading")) == 4


RIGHT = "计算过程：967.09 - -688.16 = 1655.25"
ANSWERS = [
    RIGHT,
    RIGHT.replace("5.25", "5.3"),
    "",
    "3/4",
    "计算过程：gcd(6, 8) = 2, 6 / 2 = 3, 8 / 2 = 4, 最简化的形式为：3/4",
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_scored_as_evaluate_scores_it(work, answer):
    for row in rows_of(work, "abacus_math"):
        said = {"question": row["problem"], "completion": answer, "ended": True}
        (ours,) = judge([said | {"reference_nll": 1.0, "reference_tokens": 1}], RECIPE)
        assert scored.math(row, [answer]) == {"math_strict": ours.strict, "math_tolerant": ours.tolerant}
    for row in rows_of(work, "abacus_reading"):
        for text in (answer, f" {row['gold']}\nmore", f"the {row['references'][-1]}."):
            said = {"id": row["id"], "question": "?", "completion": text, "reference": row["gold"]}
            said |= {"references": row["references"], "reference_nll": 1.0, "reference_tokens": 1}
            answers = Answers(0, understand([said]), [])
            ours = {m.name: m.score(answers)[0] / 100 for m in METRICS if m.name in scored.READING_METRICS}
            assert scored.reading(row, [text]) == ours


@pytest.mark.skipif(
    "ABACUS_LM_EVAL_PYTHON" not in os.environ,
    reason="ABACUS_LM_EVAL_PYTHON names no interpreter with lm-eval",
)
def test_the_real_harness_asks_and_scores_the_same(work, predicted, tmp_path):
    asked = {"base": str(work / "base"), "tasks": str(work / "exported/lm-eval")}
    (tmp_path / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    own = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    script = Path(__file__).with_name("harness.py")
    words = [os.environ["ABACUS_LM_EVAL_PYTHON"], script, tmp_path / "asked.json", tmp_path / "said.json"]
    done = subprocess.run(words, env=own, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads((tmp_path / "said.json").read_text(encoding="utf-8"))
    for name, ours in predicted.items():
        theirs = said["samples"][name]
        assert [one["prompt"] for one in theirs] == [row["prompt"] for row in rows_of(work, name)]
        assert [one["answer"] for one in theirs] == [one["completion"] for one in ours]
        assert all(one["how"]["until"] == [] for one in theirs)
    assert [one["gold"] for one in said["samples"]["abacus_reading"]] == [
        one["reference"] for one in predicted["abacus_reading"]
    ]
    golds = [one["gold"] for one in said["samples"]["abacus_math"]]
    assert golds[0] == RIGHT and len(golds) == len(PROBLEMS)
    answers = Answers(0, understand(predicted["abacus_reading"]), [])
    for metric in METRICS:
        if metric.name in scored.READING_METRICS:
            ours = sum(metric.score(answers)) / len(answers.reading) / 100
            assert said["results"]["abacus_reading"][f"{metric.name},none"] == pytest.approx(ours)
