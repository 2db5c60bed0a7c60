"""Check a file's published solutions: read, classify, recompute every unique Chinese row, compare.

    make audit RAW=rows.jsonl

Prints one JSON object. Exit code 0 if nothing is wrong or unknown, else 1.
"""

import argparse
import json
import sys
from pathlib import Path

from abacus.data.audit import audit, complaint, summary
from abacus.data.rows import progress, read_rows


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--raw", type=Path, required=True, help="rows in JSON Lines")


def main(args: argparse.Namespace) -> int:
    path = args.raw
    with progress(read_rows(path), path, "audit") as rows:
        found = summary(audit(rows))
    print(json.dumps(found, ensure_ascii=False, indent=2))
    for offending in found["offenders"]:
        print(f"{path}, line {offending['line']}: {complaint(offending)}", file=sys.stderr)
    return 1 if found["wrong"] or found["unknown"] else 0
