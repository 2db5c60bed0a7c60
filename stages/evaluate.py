"""Score one checkpoint's predictions.

    python -m stages.evaluate --predictions data/predictions/N --out metrics/checkpoint-N.json

Percentages but for `answer_nll` and `math_nll`: the mean negative log-likelihood, in nats a token, of the
reference answers (SQuAD) and of the recipe's workings (math), given the prompt.
"""

import argparse
import json
from pathlib import Path
from statistics import fmean
from typing import Any

from stages.command import InputError, read_json, run, write_json
from stages.params import PATH
from stages.problems.categories import CATEGORIES
from stages.problems.workings import recognise
from stages.recipe import Recipe, read_recipe
from stages.rows import clip, read_objects
from stages.scoring import arithmetic, em_f1, squad

ABOUT = ("step", "trainable_parameters", "base_parameters")
LARGEST = 10**15  # nats or tokens; beyond it, and for NaN, a mean is no number that JSON has
MATH = {"question": str, "completion": str, "reference_nll": (int, float), "reference_tokens": int}
READING = MATH | {"reference": str, "references": list}


def score_math(
    predictions: list[dict[str, Any]], recipe: Recipe, place: str = "math.jsonl"
) -> dict[str, float]:
    """Return strict and tolerant accuracy, in all and by category, and the counts; errors name `place` and the line."""
    judged: dict[str, list[tuple[bool, bool]]] = {category.name: [] for category in CATEGORIES}
    for line, prediction in enumerate(predictions, 1):
        shown = clip(prediction["question"])
        try:
            problem = recognise(prediction["question"])
            case = (problem, prediction["completion"], recipe.workings, recipe.decimals)
            judged[problem.category.name].append((arithmetic.strict(*case), arithmetic.tolerant(*case)))
        except ValueError as error:
            raise InputError(f"{place}, line {line}: the question {error}: {shown}") from None
        except ArithmeticError:
            raise InputError(f"{place}, line {line}: the question has no answer: {shown}") from None
    everything = [pair for pairs in judged.values() for pair in pairs]
    scores: dict[str, float] = {
        "math_strict": percent(pair[0] for pair in everything),
        "math_tolerant": percent(pair[1] for pair in everything),
        "math_nll": per_token(predictions),
        "math_problems": len(everything),
    }
    for name, pairs in judged.items():
        if pairs:
            scores[f"math_strict_{name}"] = percent(pair[0] for pair in pairs)
            scores[f"math_tolerant_{name}"] = percent(pair[1] for pair in pairs)
            scores[f"math_problems_{name}"] = len(pairs)
    return scores


def score_reading(predictions: list[dict[str, Any]]) -> dict[str, float]:
    """Return both definitions of F1 and EM, over the first line of each completion."""
    lines = [(first_line(p["completion"]), p["reference"], p["references"]) for p in predictions]
    return {
        "squad_f1": fmean(squad.f1(line, every) for line, _, every in lines),
        "squad_em": fmean(squad.exact_match(line, every) for line, _, every in lines),
        "mindformers_f1": fmean(em_f1.f1(line, first) for line, first, _ in lines),
        "mindformers_em": fmean(em_f1.exact_match(line, first) for line, first, _ in lines),
        "answer_nll": per_token(predictions),
        "squad_questions": len(lines),
        "squad_empty": sum(not line for line, _, _ in lines),
    }


def first_line(completion: str) -> str:
    """Return what the reading metrics see of a completion."""
    stripped = completion.strip()
    return stripped.split("\n", 1)[0].strip()


def percent(values: Any) -> float:
    """Return the share of true values, in percent."""
    return 100.0 * fmean(values)


def per_token(predictions: list[dict[str, Any]]) -> float:
    """Return the mean negative log-likelihood a reference token, in nats."""
    tokens = sum(prediction["reference_tokens"] for prediction in predictions)
    if tokens <= 0:
        raise InputError(f"the references of {len(predictions)} predictions have {tokens} tokens in all")
    return sum(prediction["reference_nll"] for prediction in predictions) / tokens


def read_predictions(path: Path, keys: dict[str, Any]) -> list[dict[str, Any]]:
    """Read a file of predictions that has these keys, of these types, in every row."""
    rows = []
    for line, row in read_objects(path):
        for key, wanted in keys.items():
            if key not in row:
                raise InputError(f"{path}, line {line}: key '{key}' is missing")
            if not isinstance(row[key], wanted):
                found = clip(json.dumps(row[key], ensure_ascii=False))
                raise InputError(f"{path}, line {line}: '{key}' is {found}, as predict does not write it")
            if (
                wanted is not str and wanted is not list and not abs(row[key]) <= LARGEST
            ):  # NaN is not, either
                found = clip(json.dumps(row[key]))
                raise InputError(f"{path}, line {line}: '{key}' is {found}, expected a finite number")
        references = row["references"] if "references" in keys else [""]
        if not references or not all(isinstance(reference, str) for reference in references):
            raise InputError(f"{path}, line {line}: 'references' must be a list of texts, not empty")
        rows.append(row)
    return rows


def read_about(path: Path) -> dict[str, Any]:
    """Read what predict says of the checkpoint that answered."""
    wanted = f"a JSON object with {', '.join(ABOUT)}"
    about = read_json(path, wanted)
    if not all(type(about.get(key)) is int for key in ABOUT):
        raise InputError(f"{path}: found {clip(json.dumps(about))}, expected {wanted}")
    return {key: about[key] for key in ABOUT}


def main() -> None:
    parser = argparse.ArgumentParser(description="Score one checkpoint's predictions.")
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    to = parser.parse_args()
    recipe = read_recipe(to.params)
    about = read_about(to.predictions / "about.json")
    place = to.predictions / "math.jsonl"
    math = read_predictions(place, MATH)
    reading = read_predictions(to.predictions / "squad.jsonl", READING)
    write_json(to.out, about | score_reading(reading) | score_math(math, recipe, str(place)))


if __name__ == "__main__":
    run(main)
