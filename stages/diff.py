"""Print what `dvc metrics diff --json` says as a sorted table: file, metric, old, new, change.

dvc metrics diff --json HEAD | python -m stages.diff      (make diff)
"""

import json
import sys
from typing import Any

from stages.command import InputError, run
from stages.report import aligned


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


def main() -> None:
    try:
        document = json.load(sys.stdin)
    except ValueError:
        raise InputError("standard input: expected the output of `dvc metrics diff --json`") from None
    if not isinstance(document, dict):
        raise InputError("standard input: expected the output of `dvc metrics diff --json`, a JSON object")
    rows = lines(document)
    print(aligned(rows) if len(rows) > 1 else "no metric has changed")


if __name__ == "__main__":
    run(main)
