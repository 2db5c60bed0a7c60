"""The checkpoints side by side: the best one, the gate, the contest's figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from abacus.core.documents import read_json, write_csv
from abacus.core.errors import InputError
from abacus.scoring.metrics import METRICS, PROMPT
from abacus.scoring.questions import EXACT, Outcomes, pair

GATE = 0.9  # of the base model's scores by MindFormers' definition
# What all checkpoints must have been asked alike.
ASKED = ("math_problems", "squad_questions", PROMPT)
GATED = {"F1": "mindformers_f1", "EM": "mindformers_em"}
# The contest divides the trainable parameters by this number, whatever the model.
FIXED_DENOMINATOR = 8_030_000_000
RATIO_WEIGHT, MATH_WEIGHT = 0.3, 0.7
# What the table shows, the summary needs: a checkpoint's metrics that have a column.
COLUMNS = tuple(metric for metric in METRICS if metric.title)
INTERVAL = {metric.name: metric.bounds for metric in METRICS}
LARGEST = 10**15
FOLDER = Path("metrics/checkpoints")


class Choice(NamedTuple):
    """The best checkpoint, and whether it passes the gate."""

    number: int
    passes: bool


def read_metrics(folder: Path, numbers: list[int]) -> dict[int, dict[str, Any]]:
    """Read the metrics of the checkpoints, by number; no other file that lies there counts."""
    found = {number: read_checkpoint(folder / f"{number}.json") for number in numbers}
    for key in ASKED:
        counts = {number: metrics[key] for number, metrics in found.items() if key in metrics}
        for number, count in counts.items():
            if count != (first := next(iter(counts.values()))):
                raise InputError(
                    folder / f"{number}.json", f"{key} is {count}", f"{first} as in the others; `make eval`"
                )
    return found


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read one checkpoint's metrics."""
    metrics = read_json(path, "a checkpoint's metrics (run `make eval`)")
    needed = [name for metric in COLUMNS for name in (metric.name, *metric.bounds)]
    missing = {key for key in needed if type(metrics.get(key)) not in (int, float)}
    if missing:
        raise InputError(path, f"no number for {', '.join(sorted(missing))}", advice="run `make eval`")
    for key in sorted(needed):
        if not -LARGEST <= metrics[key] <= LARGEST:  # NaN is not, either
            raise InputError(path, f"{key} is {metrics[key]}", f"a number from {-LARGEST} to {LARGEST}")
    return metrics


def passes(metrics: Mapping[str, Any], base: Mapping[str, Any]) -> bool:
    """Whether F1 and EM are both at least 90 % of the base model's."""
    return all(metrics[key] >= GATE * base[key] for key in GATED.values())


def final_score(ratio: float, accuracy: float) -> float:
    """Return the contest's final score of a low-parameter ratio and a math accuracy, both from 0 to 1."""
    return (1 - ratio) * RATIO_WEIGHT + accuracy * MATH_WEIGHT


def choose(metrics: dict[int, dict[str, Any]]) -> Choice:
    """The best checkpoint: of the highest strict accuracy among those that pass, else among all."""
    if 0 not in metrics:
        raise InputError("", "checkpoint 0, the base model, is not among those to compare")
    trained = {number: m for number, m in metrics.items() if number}
    if not trained:
        raise InputError("", "no checkpoint but the base model's has been evaluated")
    passing = {number: m for number, m in trained.items() if passes(m, metrics[0])}

    def merit(item: tuple[int, dict[str, Any]]) -> tuple[float, ...]:
        number, m = item
        return m["math_strict"], m["math_tolerant"], -m["math_nll"], -number

    best, _ = max((passing or trained).items(), key=merit)
    return Choice(best, best in passing)


def summarise(
    metrics: Mapping[int, dict[str, Any]],
    best: Choice,
    sizes: Mapping[str, int],
    outcomes: Mapping[int, Outcomes],
) -> dict[str, Any]:
    """Return the summary; `sizes` are the best checkpoint's `trainable_parameters` and `base_parameters`.

    `outcomes` are those of the base model, the best checkpoint and the last one; each `_p` is that of McNemar's exact
    test against the base model, on the questions that both were asked.
    """
    base, chosen, last = metrics[0], metrics[best.number], max(metrics)
    tests = {n: {name: one.p for name, one in pair(outcomes[0], outcomes[n])} for n in (best.number, last)}
    accuracies = [name for name in EXACT if name.startswith("math")]
    trainable = sizes["trainable_parameters"]
    ratio = trainable / FIXED_DENOMINATOR
    return {
        "best_checkpoint": best.number,
        "gate_passed": best.passes,
        "gate_f1": GATE * base["mindformers_f1"],
        "gate_em": GATE * base["mindformers_em"],
        "mindformers_f1": chosen["mindformers_f1"],
        "mindformers_em": chosen["mindformers_em"],
        "squad_f1": chosen["squad_f1"],
        "squad_em": chosen["squad_em"],
        **{key: chosen[key] for name in accuracies for key in (name, *INTERVAL[name])},
        **{f"{name}_p": tests[best.number].get(name, 1.0) for name in accuracies},
        "last_checkpoint": last,
        **{f"last_{key}": metrics[last][key] for name in accuracies for key in (name, *INTERVAL[name])},
        **{f"last_{name}_p": tests[last].get(name, 1.0) for name in accuracies},
        "trainable_parameters": trainable,
        "ratio_of_8_03e9": ratio,
        "ratio_of_base": trainable / sizes["base_parameters"],
        "final_score_strict": final_score(ratio, chosen["math_strict"] / 100),
        "final_score_tolerant": final_score(ratio, chosen["math_tolerant"] / 100),
    }


def write_table(path: Path, metrics: dict[int, dict[str, Any]]) -> None:
    """Write every metric of every checkpoint as CSV, for plots; a metric that one lacks is blank."""
    keys = dict.fromkeys(key for m in metrics.values() for key in m)
    write_csv(path, [{"checkpoint": number, **m} for number, m in metrics.items()], ["checkpoint", *keys])
