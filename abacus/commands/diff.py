"""Compare metrics, sorted, and the answers to the same questions by McNemar's exact test.

    make diff [FROM=HEAD] [TO=revision] [JSON=1]

Without TO the workspace is compared, with FROM or with the last commit. A revision is git's, or an experiment of DVC.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from abacus.core.documents import read_json, read_text
from abacus.core.errors import InputError
from abacus.core.git import git
from abacus.pipeline.mend import check_conflicts
from abacus.scoring import questions
from abacus.scoring.questions import Outcomes
from abacus.scoring.tables import aligned, interval


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="old", default="HEAD", help="a revision, by default HEAD")
    parser.add_argument("--to", dest="new", help="a revision, by default the workspace")
    parser.add_argument("--json", action="store_true", help="numbers for a program")


def main(args: argparse.Namespace) -> None:
    check_conflicts()
    found = changes(args.old, args.new)
    if args.json:
        both = counted(answers(args.old), answers(args.new))
        print(json.dumps({"metrics": found, "answers": both}, ensure_ascii=False, indent=2))
        return
    rows = lines(found)
    if len(rows) == 1:
        print("no metric has changed")
        return
    print(aligned(rows))
    print(paired(answers(args.old), answers(args.new), args.old, args.new or "the workspace"))


def answers(revision: str | None) -> dict[int, Outcomes]:
    """What each checkpoint answered in a revision, or in the workspace; empty where no answers are kept."""
    if revision is None:
        texts = {path.name: read_text(path) for path in questions.FOLDER.glob("*.csv")}
    else:
        commit = commit_of(revision)
        names = git("ls-tree", "--name-only", commit, f"{questions.FOLDER}/").splitlines()
        texts = {Path(name).name: git("show", f"{commit}:./{name}") for name in names}
    numbered = {int(Path(name).stem): text for name, text in texts.items() if Path(name).stem.isdecimal()}
    place = f"{revision}:{questions.FOLDER}" if revision else str(questions.FOLDER)
    return {n: questions.parse(text, f"{place}/{n}.csv") for n, text in sorted(numbered.items())}


def commit_of(revision: str) -> str:
    """The hash of a revision of git's, or else of DVC's last experiment of that name."""
    with contextlib.suppress(InputError):
        return git("rev-parse", "--verify", f"{revision}^{{commit}}").strip()
    how = "--sort=committerdate", "--format=%(objectname)"
    found = git("for-each-ref", *how, f"refs/exps/**/{revision}").split()
    if not found:
        raise InputError(revision, "is known neither to git nor as an experiment", "a revision")
    return found[-1]


def counted(old: dict[int, Outcomes], new: dict[int, Outcomes]) -> dict[str, Any]:
    """Of each checkpoint in both, by exact metric: on how many questions, what was gained and lost, and McNemar's p."""
    return {
        str(n): {
            name: one._asdict() | {"p": one.p, "verdict": one.verdict}
            for name, one in questions.pair(old[n], new[n])
        }
        for n in new
        if n in old
    }


def paired(old: dict[int, Outcomes], new: dict[int, Outcomes], *names: str) -> str:
    """The table of what changed on the same questions, or a line that says why there is none."""
    lacking = [name for name, found in zip(names, (old, new), strict=True) if not found]
    if lacking:
        return f"\nanswers are not compared: none in {questions.FOLDER} of {' and '.join(lacking)}"
    both = {str(n): (old[n], new[n]) for n in new if n in old and old[n] != new[n]}
    rows = questions.comparison(both)
    if not both:
        return "\nthe answers are right and wrong as they were"
    if len(rows) == 1:
        return "\nanswers are not compared: no question was asked in both"
    return f"\nOn the same questions (McNemar's exact test):\n\n{aligned(rows)}"


def changes(old: str, new: str | None) -> dict[str, Any]:
    """What DVC says has changed between two revisions, or since one, by file and metric.

    Raises InputError with DVC's reason: an unknown revision, metrics that cannot be read.
    """
    words = [sys.executable, "-m", "dvc", "metrics", "diff", "--json", old, *([new] if new else [])]
    done = subprocess.run(words, capture_output=True, check=False, encoding="utf-8", errors="replace")
    said = [line.removeprefix("ERROR: ").rstrip(".") for line in done.stderr.splitlines() if line.strip()]
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = None
    if done.returncode or not isinstance(found, dict):
        asked = f"FROM={old}" + (f" TO={new}" if new else "")
        raise InputError(asked, said[0] if said else "no reason given", "metrics to compare")
    if said:  # DVC goes on without what it could not read, and does not say which file that is
        for path in sorted(Path("metrics").rglob("*.json")):
            read_json(path, "metrics")
        raise InputError("dvc metrics diff", said[0], "metrics that can be read")
    return found


def lines(document: dict[str, Any]) -> list[list[str]]:
    """Return the table's rows, titles first, in the order of file and metric; an interval stands beside its value."""
    rows = [["file", "metric", "old", "new", "change"]]
    for path, metrics in sorted(document.items()):
        bounds = {name: [f"{name}_{end}" for end in ("low", "high")] for name in metrics}
        bounds = {name: ends for name, ends in bounds.items() if all(end in metrics for end in ends)}
        shown = metrics.keys() - {end for ends in bounds.values() for end in ends}
        for name in sorted(shown):
            ends = [metrics[end] for end in bounds.get(name, ())]
            cells = (beside(metrics[name].get(key), [end.get(key) for end in ends]) for key in ("old", "new"))
            rows.append([path, name, *cells, show(metrics[name].get("diff"))])
    return rows


def beside(value: Any, bounds: list[Any]) -> str:
    """A value with its bounds behind it, if it has any."""
    numbers = value is not None and all(isinstance(bound, int | float) for bound in bounds)
    return interval(show(value), *bounds) if numbers else show(value)


def show(value: Any) -> str:
    """Print a value, a float with five digits after the point; nothing where there is none."""
    if value is None:
        return "-"
    return f"{value:.5f}" if isinstance(value, float) else str(value)
