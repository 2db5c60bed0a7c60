"""The first screen: what was trained on what, the best checkpoint, the gate, the accuracy beside the base model's."""

from collections.abc import Iterator
from typing import Any

from abacus.report.figures import STRICT
from abacus.report.run import Run
from abacus.report.tables import BY_NAME, bounded, flat, number
from abacus.scoring import questions
from abacus.scoring.summary import GATE, GATED


def first_screen(run: Run, old: Run | None) -> dict[str, Any]:
    """What is seen first: texts, and the accuracies as bars on one scale."""
    best, source = run.best.number, run.profile.get("source.yaml", {})
    strict, base = BY_NAME[STRICT], run.metrics[0]
    pair = run.outcomes.get(0), run.outcomes.get(best)
    paired = dict(questions.pair(pair[0], pair[1])).get(STRICT) if pair[0] and pair[1] else None
    rows = [("base", "base model", run, 0), ("now", f"checkpoint {best}", run, best)]
    rows += [("now", f"checkpoint {run.last}, the last", run, run.last)] if run.last != best else []
    rows += [("old", f"{old.name}: checkpoint {old.best.number}", old, old.best.number)] if old else []
    bars = [bar(*row) for row in rows if row[2].score(row[3], STRICT) is not None]
    most = ceiling(max(one["high"] for one in bars))
    return {
        "profile": str(run.params.get("profile", source.get("profile", ""))),
        "lead": list(lead(run)),
        "problems": number(base.get("math_problems")),
        "steps": number(run.metrics[run.last].get("step")),
        "between": "{:.1f} to {:.1f}".format(*(run.metrics[best][end] for end in strict.bounds)),
        "was": bounded(strict, old.metrics[old.best.number]) if old else "",
        "base_strict": bounded(strict, base),
        "paired": paired,
        "bars": [one | placed(one, most) for one in bars],
        "scale": most,
        "gates": [
            {
                "title": title,
                "value": run.metrics[best][name],
                "least": GATE * base[name],
                "was": bounded(BY_NAME[name], old.metrics[old.best.number]) if old else "",
                "passes": run.metrics[best][name] >= GATE * base[name],
            }
            for title, name in GATED.items()
        ],
    }


def source_name(source: dict[str, Any]) -> str:
    """What the base model is called where it comes from."""
    base = source.get("base") or {}
    return next(
        (
            str(base[key]).rpartition("/")[2]
            for key in ("member", "file", "folder", "repository")
            if base.get(key)
        ),
        str(base.get("source", "")),
    )


def lead(run: Run) -> Iterator[str]:
    """What was trained on what, in a few phrases."""
    prepare = run.params.get("prepare") or {}
    yield source_name(run.profile.get("source.yaml", {})) or "base model not named"
    found = flat(run.config)
    if rank := found.get("model.model_config.pet_config.lora_rank"):
        yield f"LoRA rank {rank} on {found.get('model.model_config.pet_config.target_modules', 'its targets')}"
    steps, batch = run.metrics[run.last].get("step"), found.get("abacus.batch_rows")
    if steps and batch and run.records.get("sequences"):
        packed = run.records["written"] / run.records["sequences"]
        seen = int(steps * int(batch) * packed)
        rows = (
            f"about {number(round(seen, 2 - len(str(seen))))} rows seen of {number(run.records['written'])}"
        )
        yield f"{rows}, {batch} sequences a step"
    yield f"workings “{prepare.get('workings')}”, {prepare.get('decimals')} decimals, mix {prepare.get('mix')}"


def ceiling(value: float) -> float:
    """The end of a scale that holds a value: a whole number of percent, or of tens of them."""
    step = 1 if value <= 10 else 10
    return float(max(step * -(-value // step), step))


def placed(one: dict[str, Any], most: float) -> dict[str, str]:
    """Where a bar's band and mark stand, in percent of its track."""
    low, high, value = (100 * one[key] / most for key in ("low", "high", "value"))
    return {"left": f"{low:.2f}", "width": f"{high - low:.2f}", "at": f"{value:.2f}"}


def bar(kind: str, title: str, run: Run, number_: int) -> dict[str, Any]:
    """An accuracy with its bounds; one without an interval has a bar of no width."""
    value = run.score(number_, STRICT) or 0.0
    low, high = (run.score(number_, end) for end in BY_NAME[STRICT].bounds)
    shown = bounded(BY_NAME[STRICT], run.metrics[number_])
    return {
        "kind": kind,
        "title": title,
        "value": value,
        "low": value if low is None else low,
        "high": value if high is None else high,
        "shown": shown,
    }
