"""Score what others have made as ours is scored: answers of any system, or an adapter of another run.

    make score PREDICTIONS=answers.jsonl [NAME=gpt] [PARTIAL=1] [JSON=1]
    make score ADAPTER=folder [NAME=peft] [ALPHA=16] [JSON=1]
    make score QUESTIONS=questions.jsonl

QUESTIONS writes what every checkpoint is asked: `question`, and `id` and `context` of a reading question. PREDICTIONS has
an object a line: `question` (the text) or `id` (a reading question's), `completion`, and `ended: false` if it was cut.
ADAPTER is a folder that peft has saved, a checkpoint of ours, or a MindSpore .ckpt with LoRA's weights by MindFormers'
names; it is asked by stage predict. The scores go to metrics/others/NAME.json, an adapter's answers to
data/others/NAME; what DVC keeps is not touched.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from abacus.core.documents import read_json, write_json
from abacus.core.errors import InputError
from abacus.core.params import PATH, checkpoints, section
from abacus.core.process import TOLD
from abacus.core.quiet import framework_log
from abacus.data.rows import write_rows
from abacus.inference.answering import Predict
from abacus.others import adapters, scored
from abacus.others.asked import MATH, read_given, read_test
from abacus.pipeline.lock import BASE, PROFILE
from abacus.problems.recipe import read_recipe
from abacus.profile import load
from abacus.scoring import questions

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Options, and what each of them is of.
OPTIONS = {
    "name": ("predictions", "adapter"),
    "partial": ("predictions",),
    "alpha": ("adapter",),
    "replace": ("predictions", "adapter"),
    "json": ("predictions", "adapter"),
}
ANSWERS, SCRATCH = Path("data/others"), Path(".scratch/others")


def arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--predictions", type=Path, help="answers in JSON Lines")
    what.add_argument("--adapter", type=Path, help="folder or .ckpt of an adapter")
    what.add_argument("--questions", type=Path, help="a file to write the test's questions to")
    parser.add_argument("--name", help="by default that of the file or folder")
    parser.add_argument("--partial", action="store_true", help="score the answered questions alone")
    parser.add_argument("--alpha", type=float, help="of a MindSpore .ckpt; the profile's if not given")
    parser.add_argument("--replace", action="store_true", help="in the place of scores of something else")
    parser.add_argument("--json", action="store_true", help="numbers for a program")
    parser.add_argument("--params", type=Path, default=PATH)


def main(args: argparse.Namespace) -> int:
    """Score, write and print; the exit code of the stage that failed, if one did."""
    check_words(args)
    if args.questions:
        test = read_test(args.params)
        write_rows(args.questions, (dict(one) for one in test.questions()))
        print(f"{args.questions}: {len(test.math)} problems, {len(test.reading)} reading questions")
        return 0
    source = args.predictions or args.adapter
    name = args.name or (source.stem if source.is_file() else source.resolve().name)
    if not source.exists():
        raise InputError(source, "no such file or folder", "what PREDICTIONS or ADAPTER names")
    if not args.name and name.isdecimal():
        name = f"{'adapter' if args.adapter else 'answers'}-{name}"
    if not NAME.fullmatch(name) or name.isdecimal():  # numbers are the checkpoints'
        where = "NAME" if args.name else f"the name of {source}"
        advice = "" if args.name else "give it one: NAME=other"
        raise InputError(
            "", f"{where} is {name!r}", "letters, digits, '.', '_' and '-', and no number", advice
        )
    to = scored.places(name)
    scored.check_free(to, str(source), args.replace)
    if args.adapter:
        if code := evaluated(args, name, to):
            return code
        found = read_json(to.scores, "what stage evaluate has written")
        foreign = {} if (source / adapters.OURS).is_file() else {"step": None}
        found |= {**foreign, scored.SOURCE: str(source)}
        write_json(to.scores, found)
    else:
        test = read_test(args.params)
        given = read_given(source, test)
        answers, found = scored.score(test, given, read_recipe(args.params), args.partial)
        found |= {scored.SOURCE: str(source)}
        scored.write(to, answers, found)
        for line in scored.answered(given, test, args.partial):
            print(f"{source}: {line}", file=sys.stderr)
    show(args, name, found, to)
    return 0


def check_words(args: argparse.Namespace) -> None:
    """Raise InputError for an option that says nothing here."""
    for name, sources in OPTIONS.items():
        given = getattr(args, name)
        if given not in (None, False) and not any(getattr(args, source) for source in sources):
            of = " and ".join(source.upper() for source in sources)
            expected = f"{of if len(sources) == 1 else 'one of them'} with it"
            raise InputError("", f"{name.upper()} is of {of}", expected)


def evaluated(args: argparse.Namespace, name: str, to: scored.Places) -> int:
    """Have the stages predict and evaluate ask and score an adapter; the exit code of the one that failed, or 0."""
    with framework_log(Path("logs/score.log")):
        lora = load.profile(load.chosen(args.params)).lora
        folder = adapters.folder_of(args.adapter, BASE, lora, args.alpha, SCRATCH / name)
    squad = section("predict", Predict, args.params).squad
    answers = ANSWERS / name
    predict = ["predict", "--profile", PROFILE, "--base", BASE, "--adapter", folder]
    predict += ["--math", MATH, "--squad", squad, "--out", answers]
    evaluate = ["evaluate", "--predictions", answers, "--out", to.scores]
    evaluate += ["--categories", to.categories, "--answers", to.answers]
    for stage, *words in (predict, evaluate):
        command = [sys.executable, "-m", f"stages.{stage}", *map(str, words), "--params", str(args.params)]
        done = subprocess.run(command, check=False, env={**os.environ, TOLD: "1"})
        if done.returncode:
            return 1
    return 0


def show(args: argparse.Namespace, name: str, found: dict[str, Any], to: scored.Places) -> None:
    """Print the scores: as JSON, or as tables beside ours."""
    if args.json:
        print(json.dumps({"name": name, **found}, ensure_ascii=False, indent=2))
        return
    theirs = questions.read(to.answers)
    print(scored.printed(name, found, theirs, scored.read_ours(checkpoints(args.params), theirs)))
    print(f"{to.scores}: the scores; {to.answers}: each question", file=sys.stderr)
