"""Ask a checkpoint a problem: its working as it writes it, beside the base model's and the true answer.

    make ask [CHECKPOINT=5] [Q="计算 12.00 + 8.00 等于多少？"] [JSON=1]
    make ask CHECKPOINT=5 < questions.txt

Without Q the questions come from the terminal, until Ctrl-D, or from a pipe, one a line. Without CHECKPOINT the best of
metrics/summary.json is asked, or else the last one that is there. The true answer is what the recipe of params.yaml
teaches, of a question in one of the published forms; any other is answered too. JSON prints an object a question.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from abacus.asking.answers import opened
from abacus.asking.conversation import Shown, Written, converse
from abacus.core.documents import read_json
from abacus.core.errors import InputError
from abacus.core.params import PATH
from abacus.core.process import Stopped
from abacus.core.quiet import framework_log
from abacus.inference.answering import How, how_of, read_how
from abacus.others.adapters import CONFIG, OURS
from abacus.pipeline.lock import BASE, CHECKPOINTS, PROFILE, check_base, checkpoint_folder
from abacus.problems.recipe import read_recipe
from abacus.profile.load import profile

SUMMARY = Path("metrics/summary.json")
ALONE = "base model"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=int, help="number of one in checkpoints/, 0 is the base model")
    parser.add_argument("--adapter", type=Path, help="folder of one that lies elsewhere")
    parser.add_argument("--q", help="the question; without it they are read line by line")
    parser.add_argument("--json", action="store_true", help="an object a question, for a program")
    parser.add_argument("--profile", help="by default what stage configure has left in data/profile")
    parser.add_argument("--base", type=Path, default=BASE, help="folder of the base model")
    parser.add_argument("--params", type=Path, default=PATH)


def main(args: argparse.Namespace) -> int:
    """Answer, and let Ctrl-C end it without a word."""
    try:
        return ask(args)
    except (KeyboardInterrupt, Stopped) as ended:  # while MindSpore computes it makes a SIGTERM of Ctrl-C
        # At once, as `run` does it: a library that was interrupted while it was imported fails when Python ends.
        number = ended.number if isinstance(ended, Stopped) else signal.SIGINT
        print(file=sys.stderr, flush=True)
        os._exit(0 if sys.stdin.isatty() and not args.q else 128 + number)


def ask(args: argparse.Namespace) -> int:
    """Open the models, and answer what is asked; return 1 if a question could not be."""
    number = default() if args.checkpoint is None and args.adapter is None else args.checkpoint
    if number is None and args.adapter is None:
        raise InputError(CHECKPOINTS, "holds no checkpoint", "one to ask", "`make repro` makes them")
    adapter = checkpoint_folder(args.adapter, number)
    if (adapter / CONFIG).is_file() and not (adapter / OURS).is_file():
        raise InputError(adapter, "is PEFT's", "a checkpoint of ours", "`make score ADAPTER=` takes both")
    check_base(args.base, adapter)
    how, recipe = how_asked(args.profile), read_recipe(args.params)
    models = {ALONE: None} if number == 0 else {f"checkpoint {adapter.name}": adapter, ALONE: None}
    # What is printed to descriptor 1 below goes to the log, so answers need another one.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out, framework_log(Path("logs/ask.log")) as screen:
        voices = opened(how, args.base, models, screen)
        shown = Written(out) if args.json else Shown(out)
        return converse(voices, recipe, shown, out, screen, args.q)


def default() -> int | None:
    """The best checkpoint of the last report, if it is there; else the last one that is; None if there is none."""
    found = [int(path.name) for path in CHECKPOINTS.glob("*") if path.name.isdecimal()]
    best = (
        read_json(SUMMARY, "the output of stage report").get("best_checkpoint") if SUMMARY.is_file() else None
    )
    return best if best in found else max(found, default=None)


def how_asked(name: str | None) -> How:
    """How the profile that is named asks, or the one that the pipeline has run with."""
    return how_of(profile(name)) if name else read_how(PROFILE)
