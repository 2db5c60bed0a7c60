"""One run of a grid, in its copy of the repository: data, number of steps, training, scores, an experiment of DVC's.

    python -m abacus.experiments.one --plan plan.json --out RUN-seed.json

Killed and started again it goes on: DVC takes what is done from its cache, a training begins at its last checkpoint.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from abacus.core.documents import read_json, write_json
from abacus.core.errors import InputError
from abacus.core.files import replacing
from abacus.core.params import PATH
from abacus.core.process import run
from abacus.core.typed import validated
from abacus.experiments.budget import Budget, Figures, budget
from abacus.experiments.results import sources
from abacus.pipeline import judge
from abacus.pipeline.mend import mend
from abacus.pipeline.reproduce import reproduce
from abacus.profile import load
from abacus.scoring import questions
from abacus.scoring.summary import FOLDER

MINDRECORD, SUMMARY = Path("metrics/mindrecord.json"), Path("metrics/summary.json")
# A clone has no name for its commits; DVC's experiments are commits.
WHO = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "abacus"), ("EMAIL", "abacus@localhost"))
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    plan = read_json(args.plan, "a run's plan")
    for line in mend():
        print(line, file=sys.stderr)
    _write(Path("profiles") / f"{plan['params']['profile']}.yaml", plan["profile"])
    _write(PATH, plan["params"])
    judge.everything()
    reproduce("mindrecord")
    figures = validated(Figures, read_json(MINDRECORD, "the rows' figures"), MINDRECORD)
    finetune = load.profile(load.chosen()).document.abacus.finetune
    (kind, amount), last = plan["budget"], plan["params"]["checkpoints"][-1]
    steps = budget(kind, amount, figures, finetune.batch_rows, last)
    plan["params"]["finetune"]["steps_per_checkpoint"] = steps.steps_per_checkpoint
    _write(PATH, plan["params"])
    print(f"{plan['name']}: {steps.steps} steps, {steps.trained_tokens:,} trained tokens", file=sys.stderr)
    judge.everything()
    reproduce("report")
    save(plan["experiment"])
    result(args.out, plan, steps, last)


def _write(path: Path, document: dict[str, Any]) -> None:
    with replacing(path) as part:
        part.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")


def save(name: str) -> None:
    """Make what the copy has now an experiment of DVC's, in the copy."""
    words = [sys.executable, "-m", "dvc", "exp", "save", "--quiet", "--force", "--name", name]
    done = subprocess.run(words, env=os.environ | WHO, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise InputError("dvc exp save", done.stderr.strip().removeprefix("ERROR: "))


def result(out: Path, plan: dict[str, Any], steps: Budget, last: int) -> None:
    """Write the run's result and, beside it, which questions its last checkpoint answered rightly."""
    document = {key: plan[key] for key in ("run", "seed", "key")}
    document |= {
        "sources": sources(),
        "budget": steps.document(),
        "data": read_json(MINDRECORD, "the rows' figures"),
        "base": read_json(FOLDER / "0.json", "the base model's metrics"),
        "last": read_json(FOLDER / f"{last}.json", "the last checkpoint's metrics"),
        "summary": read_json(SUMMARY, "the run's summary"),
    }
    with replacing(out.with_suffix(".csv")) as part:
        shutil.copyfile(questions.FOLDER / f"{last}.csv", part)
    write_json(out, document)


if __name__ == "__main__":
    run(main)
