"""Compare metrics, sorted: file, metric, old, new, change.

    make diff [FROM=HEAD] [TO=revision]

Without TO the workspace is compared, with FROM or with the last commit.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from abacus.core.documents import read_json
from abacus.core.errors import InputError
from abacus.pipeline.mend import check_conflicts
from abacus.scoring.summary import aligned


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="old", default="HEAD", help="a revision, by default HEAD")
    parser.add_argument("--to", dest="new", help="a revision, by default the workspace")


def main(args: argparse.Namespace) -> None:
    check_conflicts()
    rows = lines(changes(args.old, args.new))
    print(aligned(rows) if len(rows) > 1 else "no metric has changed")


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
    """Return the table's rows, titles first, in the order of file and metric."""
    rows = [["file", "metric", "old", "new", "change"]]
    for path, metrics in sorted(document.items()):
        for name, values in sorted(metrics.items()):
            rows.append([path, name, *(show(values.get(key)) for key in ("old", "new", "diff"))])
    return rows


def show(value: Any) -> str:
    """Print a value, a float with five digits after the point; nothing where there is none."""
    if value is None:
        return "-"
    return f"{value:.5f}" if isinstance(value, float) else str(value)
