"""Compare the checkpoints: the best one, the gate, the contest's figures.

    python -m stages.report --metrics metrics --summary metrics/summary.json --table metrics/checkpoints.csv
    python -m stages.report --metrics metrics --print

Checkpoint 0 is the base model; the gate is 90 % of its F1 and EM (MindFormers' definition).
"""

import argparse
import csv
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stages.command import InputError, read_json, replacing, run, write_json

GATE = 0.9
# The contest divides the trainable parameters by this number, whatever the model.
FIXED_DENOMINATOR = 8_030_000_000
RATIO_WEIGHT, MATH_WEIGHT = 0.3, 0.7
# Title and key of each column of the table.
COLUMNS = (
    ("checkpoint", "checkpoint"),
    ("step", "step"),
    ("SQuAD F1", "squad_f1"),
    ("SQuAD EM", "squad_em"),
    ("MF F1", "mindformers_f1"),
    ("MF EM", "mindformers_em"),
    ("answer NLL", "answer_nll"),
    ("math strict", "math_strict"),
    ("math tolerant", "math_tolerant"),
    ("math NLL", "math_nll"),
    ("gate", "gate"),
)
# Of the columns these two are not read but found out; the summary needs two metrics more.
NEEDED = {key for _, key in COLUMNS} - {"checkpoint", "gate"} | {"trainable_parameters", "base_parameters"}
LARGEST = 10**15
CHECKPOINTS = [0, 1, 2, 3, 4, 5]


def read_metrics(folder: Path, numbers: list[int]) -> dict[int, dict[str, Any]]:
    """Read metrics/checkpoint-N.json of the checkpoints, by N; no other file that lies there counts."""
    return {number: read_checkpoint(folder / f"checkpoint-{number}.json") for number in numbers}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read one checkpoint's metrics."""
    metrics = read_json(path, "a checkpoint's metrics (run `make eval`)")
    missing = {key for key in NEEDED if type(metrics.get(key)) not in (int, float)}
    if missing:
        raise InputError(f"{path}: no number for {', '.join(sorted(missing))}; run `make eval`")
    for key in sorted(NEEDED):
        low = 1 if key == "base_parameters" else -LARGEST
        if not low <= metrics[key] <= LARGEST:  # NaN is not, either
            raise InputError(f"{path}: {key} is {metrics[key]}, expected a number from {low} to {LARGEST}")
    return metrics


def passes(metrics: Mapping[str, Any], base: Mapping[str, Any]) -> bool:
    """Whether F1 and EM are both at least 90 % of the base model's."""
    return all(metrics[key] >= GATE * base[key] for key in ("mindformers_f1", "mindformers_em"))


def final_score(ratio: float, accuracy: float) -> float:
    """Return the contest's final score of a low-parameter ratio and a math accuracy, both from 0 to 1."""
    return (1 - ratio) * RATIO_WEIGHT + accuracy * MATH_WEIGHT


def summarise(metrics: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Return the summary. Best is the highest strict accuracy among those that pass, else among all."""
    if 0 not in metrics:
        raise InputError("checkpoint 0, the base model, is not among those to compare")
    base = metrics[0]
    trained = {number: m for number, m in metrics.items() if number}
    if not trained:
        raise InputError("no checkpoint but the base model's has been evaluated")
    passing = {number: m for number, m in trained.items() if passes(m, base)}

    def merit(item: tuple[int, dict[str, Any]]) -> tuple[float, ...]:
        number, m = item
        return m["math_strict"], m["math_tolerant"], -m["math_nll"], -number

    best, chosen = max((passing or trained).items(), key=merit)
    ratio = chosen["trainable_parameters"] / FIXED_DENOMINATOR
    return {
        "best_checkpoint": best,
        "gate_passed": best in passing,
        "gate_f1": GATE * base["mindformers_f1"],
        "gate_em": GATE * base["mindformers_em"],
        "mindformers_f1": chosen["mindformers_f1"],
        "mindformers_em": chosen["mindformers_em"],
        "squad_f1": chosen["squad_f1"],
        "squad_em": chosen["squad_em"],
        "math_strict": chosen["math_strict"],
        "math_tolerant": chosen["math_tolerant"],
        "trainable_parameters": chosen["trainable_parameters"],
        "ratio_of_8_03e9": ratio,
        "ratio_of_base": chosen["trainable_parameters"] / chosen["base_parameters"],
        "final_score_strict": final_score(ratio, chosen["math_strict"] / 100),
        "final_score_tolerant": final_score(ratio, chosen["math_tolerant"] / 100),
    }


def table(metrics: dict[int, dict[str, Any]]) -> list[list[str]]:
    """Return the table's rows, titles first; numbers with two decimals, NLL with three."""
    rows = [[title for title, _ in COLUMNS]]
    for number, m in metrics.items():
        gate = "base" if number == 0 else "passed" if passes(m, metrics[0]) else "missed"
        values = {**m, "checkpoint": number, "gate": gate}
        rows.append([cell(key, values[key]) for _, key in COLUMNS])
    return rows


def cell(key: str, value: Any) -> str:
    """Print one value of the table."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3f}" if key.endswith("nll") else f"{value:.2f}"


def aligned(rows: list[list[str]]) -> str:
    """Lay rows out in columns, as Markdown."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    return "\n".join(lines)


def write_table(path: Path, metrics: dict[int, dict[str, Any]]) -> None:
    """Write every metric of every checkpoint as CSV, for plots; a metric that one lacks is blank."""
    keys = list(dict.fromkeys(key for m in metrics.values() for key in m))
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["checkpoint", *keys], lineterminator="\n")
        writer.writeheader()
        for number, m in metrics.items():
            writer.writerow({"checkpoint": number, **m})


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the checkpoints.")
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--checkpoints", type=int, nargs="+", default=CHECKPOINTS, help="0 is the base model")
    parser.add_argument("--summary", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--print", action="store_true", help="print the table")
    to = parser.parse_args()
    metrics = read_metrics(to.metrics, to.checkpoints)
    summary = summarise(metrics)
    with ExitStack() as stack:  # both are in place or none
        parts = {path: stack.enter_context(replacing(path)) for path in (to.summary, to.table) if path}
        if to.summary:
            write_json(parts[to.summary], summary)
        if to.table:
            write_table(parts[to.table], metrics)
    if to.print:
        print(aligned(table(metrics)))
        gate = "passes" if summary["gate_passed"] else "does not pass"
        print(
            f"best: checkpoint {summary['best_checkpoint']}, which {gate} the gate"
            f" (F1 >= {summary['gate_f1']:.2f}, EM >= {summary['gate_em']:.2f})"
        )


if __name__ == "__main__":
    run(main)
