"""The folder of a submission: report, configuration, logs, scores, answers, code, weights."""

import os
import re
import shutil
from pathlib import Path

from abacus.core.documents import write_json
from abacus.core.errors import InputError, redacted
from abacus.core.git import git
from abacus.pipeline.lock import CHECKPOINTS
from abacus.scoring import summary
from abacus.submission import report as submission_report
from abacus.submission.run import CATEGORIES, EXPORTS, PREDICTIONS, Checkpoint, Finished

LOGS = Path("logs")
ANSWERS = ("math.jsonl", "squad.jsonl", "about.json")
MARKS = ("report.md", "checkpoints.json")  # by which an earlier submission is known
# The folder part of an absolute path; not of an address, nor of a relative path.
ABSOLUTE = re.compile(r"(?<![\w./~:-])/(?:[\w.+@-]+/)+")


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
        raise InputError(source, "no such file", "the output of a finished run: `make repro`")
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
    try:
        commit = git("rev-parse", "HEAD").strip()
    except InputError as error:
        why = "a clone with a commit: the code is part of the work"
        raise InputError(error.place, error.found, why) from None
    clean = not git("status", "--porcelain", "--untracked-files=no")
    folder.mkdir()
    text = submission_report.text(finished, commit, clean)
    (folder / "report.md").write_text(text, encoding="utf-8")
    write_json(
        folder / "checkpoints.json",
        {"profile": finished.profile, "checkpoints": [entry.model_dump() for entry in finished.checkpoints]},
    )
    write_json(folder / "scores.json", finished.summary)
    summary.write_table(folder / "checkpoints.csv", finished.metrics)
    for number in finished.metrics:
        copy(CATEGORIES / f"{number}.csv", folder / "categories" / f"{number}.csv")
    copy(CHECKPOINTS / "config.yaml", folder / "config.yaml")
    copy(CHECKPOINTS / "training.csv", folder / "logs" / "training.csv")
    copy_logs(folder / "logs")
    for name in ANSWERS:
        best = PREDICTIONS / str(finished.summary["best_checkpoint"])
        copy(best / name, folder / "predictions" / name)
    for name in filter(None, git("ls-files", "-z").split("\0")):
        if Path(name).is_file():
            copy(Path(name), folder / "code" / name)


def check_weights(checkpoints: list[Checkpoint]) -> None:
    """Raise InputError unless every checkpoint has been exported."""
    missing = [str(entry.checkpoint) for entry in checkpoints if entry.merged is None]
    if missing:
        raise InputError(
            EXPORTS,
            f"no model.ckpt of checkpoint {', '.join(missing)}",
            advice=f"`make export CHECKPOINT={missing[0]}` makes one",
        )


def add_weights(folder: Path, checkpoints: list[Checkpoint]) -> None:
    """Put the merged checkpoints in, linked where the disk allows it."""
    folder.mkdir()
    for entry in checkpoints:
        source, target = EXPORTS / str(entry.checkpoint) / "model.ckpt", folder / entry.file
        try:
            target.hardlink_to(source.resolve())
        except OSError:
            shutil.copyfile(source, target)
