"""Put a finished run together as the contest wants it: report, configuration, logs, scores, answers, code.

    python -m stages.submission [--out submission] [--with-weights]      (make submission [OUT=submission])

Where the form comes from: the public repository mindspore-courses/competition (now mindspore-lab/competition), folder
2024-ascend-innovation-contest/topic2-finetune. Its README.md says what a work consists of (for the second round):
the algorithm, the hyper-parameters, the code, five merged checkpoints at equal distances of which the best one
counts, own results with log, accuracy and low-parameter ratio, and what the environment needs beyond the given
one. The first round's own list stands in a manual that was not found; the prize winners' reports
(first-phase/*/README.md) share one order: algorithm with size and preparation of the data, hyper-parameters, weights,
environment, reading scores and ratio, how answers were made, then log and YAML, sources, evaluation log. `report.md`
keeps that order, in Chinese, as all of these are.

Everything comes from the workspace; what is missing or does not belong together is one line. `--with-weights` puts
the merged checkpoints in, linked to those of `make export` where the disk allows it, else copied.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from stages import report, submission_report
from stages.command import InputError, redacted, replacing, run, write_json
from stages.finished import CHECKPOINTS, EXPORTS, PREDICTIONS, Finished, check_out, read_run

LOGS = Path("logs")
ANSWERS = ("math.jsonl", "squad.jsonl", "about.json")
MARKS = ("report.md", "checkpoints.json")  # by which an earlier submission is known
# The folder part of an absolute path; not of an address, nor of a relative path.
ABSOLUTE = re.compile(r"(?<![\w./~:-])/(?:[\w.+@-]+/)+")


def git(*words: str) -> str:
    """Return what a git command says of the current folder; InputError if that is no clone."""
    done = subprocess.run(["git", *words], capture_output=True, check=False, encoding="utf-8")
    if done.returncode:
        raise InputError("no commit of git here, expected a clone: the code is part of the work")
    return done.stdout


def anonymous(text: str) -> str:
    """Return a log without keys and absolute paths: the workspace is `.`, home is `~`, any other folder `...`."""
    text = redacted(text)
    home = os.path.expanduser("~")  # noqa: PTH111 (Path.home raises where there is none)
    for place, short in ((str(Path.cwd()), "."), (home, "~")):
        if place != "/":
            text = text.replace(place, short)
    return ABSOLUTE.sub(".../", text)


def copy(source: Path, target: Path) -> None:
    """Copy a file of the run."""
    if not source.is_file():
        raise InputError(f"{source}: no such file, expected the output of a finished run: `make repro`")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def copy_logs(folder: Path) -> None:
    """Copy the logs that are there, without absolute paths."""
    for log in (LOGS / "finetune.log", *LOGS.glob("finetune/*.log"), *LOGS.glob("predict-*.log")):
        if log.is_file():
            target = folder / log.relative_to(LOGS)
            target.parent.mkdir(parents=True, exist_ok=True)
            said = log.read_text(encoding="utf-8", errors="replace")
            target.write_text(anonymous(said), encoding="utf-8")


def write(folder: Path, finished: Finished) -> None:
    """Write all but the weights."""
    commit = git("rev-parse", "HEAD").strip()
    clean = not git("status", "--porcelain", "--untracked-files=no")
    folder.mkdir()
    text = submission_report.text(finished, commit, clean)
    (folder / "report.md").write_text(text, encoding="utf-8")
    write_json(
        folder / "checkpoints.json", {"profile": finished.profile, "checkpoints": finished.checkpoints}
    )
    write_json(folder / "scores.json", finished.summary)
    report.write_table(folder / "checkpoints.csv", finished.metrics)
    copy(CHECKPOINTS / "config.yaml", folder / "config.yaml")
    copy(CHECKPOINTS / "training.csv", folder / "logs" / "training.csv")
    copy_logs(folder / "logs")
    for name in ANSWERS:
        best = PREDICTIONS / str(finished.summary["best_checkpoint"])
        copy(best / name, folder / "predictions" / name)
    for name in filter(None, git("ls-files", "-z").split("\0")):
        if Path(name).is_file():
            copy(Path(name), folder / "code" / name)


def check_weights(checkpoints: list[dict[str, Any]]) -> None:
    """Raise InputError unless every checkpoint has been exported."""
    missing = [str(entry["checkpoint"]) for entry in checkpoints if entry["merged"] is None]
    if missing:
        raise InputError(
            f"{EXPORTS}: no model.ckpt of checkpoint {', '.join(missing)}; "
            f"`make export CHECKPOINT={missing[0]}` makes one"
        )


def add_weights(folder: Path, checkpoints: list[dict[str, Any]]) -> None:
    """Put the merged checkpoints in, linked where the disk allows it."""
    folder.mkdir()
    for entry in checkpoints:
        source, target = EXPORTS / str(entry["checkpoint"]) / "model.ckpt", folder / entry["file"]
        try:
            target.hardlink_to(source.resolve())
        except OSError:
            shutil.copyfile(source, target)


def main() -> None:
    parser = argparse.ArgumentParser(description="Put a finished run together for the contest.")
    parser.add_argument("--out", type=Path, default=Path("submission"))
    parser.add_argument("--with-weights", action="store_true", help="put the five merged checkpoints in")
    to = parser.parse_args()
    check_out(to.out, MARKS, "a submission")
    finished = read_run()
    if to.with_weights:
        check_weights(finished.checkpoints)
    with replacing(to.out) as part:
        write(part, finished)
        if to.with_weights:
            add_weights(part / "weights", finished.checkpoints)
    best = finished.summary["best_checkpoint"]
    print(f"{to.out}: {len(finished.checkpoints)} checkpoints, the best is {best}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
