"""One checkpoint's predictions, read and judged."""

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from abacus.core.documents import read_json
from abacus.core.errors import InputError
from abacus.core.typed import Open, Text, validated, whole
from abacus.data.rows import clip, read_objects
from abacus.problems.recipe import Recipe
from abacus.problems.workings import recognise
from abacus.scoring import arithmetic
from abacus.scoring.metrics import Answers, Judged, Reading

ABOUT = "about.json"
LARGEST = 10**15  # nats or tokens; beyond it, and for NaN, a mean is no number that JSON has
KEY = 12  # hexadecimal digits: two of 10 000 questions share them once in five million runs
MATH = {
    "question": str,
    "completion": str,
    "ended": bool,
    "reference_nll": (int, float),
    "reference_tokens": int,
}
READING = MATH | {"reference": str, "references": list}


class About(Open):
    """What answered, and by which reading prompt."""

    step: Annotated[int, whole(0, LARGEST)]
    trainable_parameters: Annotated[int, whole(0, LARGEST)]
    base_parameters: Annotated[int, whole(1, LARGEST)]
    reading: Text = "contest"


def judge(predictions: list[dict[str, Any]], recipe: Recipe, place: str = "math.jsonl") -> list[Judged]:
    """Judge answers to problems; errors name `place` and the line."""
    found = []
    for line, (key, prediction) in enumerate(zip(keys(predictions), predictions, strict=True), 1):
        shown = clip(prediction["question"])
        try:
            problem = recognise(prediction["question"])
            said = prediction["completion"], recipe.workings, recipe.decimals, prediction["ended"]
            case = (problem, *said)
            right = arithmetic.strict(*case), arithmetic.tolerant(*case), arithmetic.graded(*case)
        except ValueError as error:
            raise InputError(f"{place}, line {line}", f"the question {error}: {shown}") from None
        except ArithmeticError:
            raise InputError(f"{place}, line {line}", f"the question has no answer: {shown}") from None
        likelihood = prediction["reference_nll"], prediction["reference_tokens"]
        found.append(Judged(key, problem.category.name, *right, *likelihood))
    return found


def understand(predictions: list[dict[str, Any]]) -> list[Reading]:
    """Answers to reading questions as they are scored."""
    scored = ("reference", "references", "reference_nll", "reference_tokens")
    return [
        Reading(key, first_line(one["completion"]), *(one[name] for name in scored))
        for key, one in zip(keys(predictions), predictions, strict=True)
    ]


def keys(predictions: list[dict[str, Any]]) -> list[str]:
    """A short name of each question, the same in every run that asks it: a hash of its id, if it has one, and text.

    A text that is asked several times without an id, as of several passages, is told apart by its turn.
    """
    turns: Counter[tuple[str, str]] = Counter()
    found = []
    for one in predictions:
        asked = str(one.get("id", "")), one["question"]
        turns[asked] += 1
        said = "\n".join((*asked, str(turns[asked])))
        found.append(sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:KEY])
    return found


def first_line(completion: str) -> str:
    """Return what the reading metrics see of a completion."""
    stripped = completion.strip()
    return stripped.split("\n", 1)[0].strip()


def read_answers(folder: Path, recipe: Recipe) -> Answers:
    """What stage predict has left in a folder, judged."""
    about = read_about(folder / ABOUT)
    place = folder / "math.jsonl"
    math = judge(read_predictions(place, MATH, "question"), recipe, str(place))
    reading = understand(read_predictions(folder / "squad.jsonl", READING, "id"))
    return Answers(about.step, reading, math, about.reading)


def read_predictions(path: Path, keys: dict[str, Any], name: str = "") -> list[dict[str, Any]]:
    """Read a file of predictions that has these keys, of these types, in every row, and no question twice by `name`."""
    rows = []
    seen: dict[str, int] = {}
    for line, row in read_objects(path):
        for key, wanted in keys.items():
            if key not in row:
                raise InputError(f"{path}, line {line}", f"key '{key}' is missing")
            if not isinstance(row[key], wanted):
                found = clip(json.dumps(row[key], ensure_ascii=False))
                raise InputError(f"{path}, line {line}", f"'{key}' is {found}, as predict does not write it")
            if wanted not in (str, bool, list) and not abs(row[key]) <= LARGEST:  # NaN is not, either
                found = clip(json.dumps(row[key]))
                raise InputError(f"{path}, line {line}", f"'{key}' is {found}", "a finite number")
        references = row["references"] if "references" in keys else [""]
        if not references or not all(isinstance(reference, str) for reference in references):
            raise InputError(f"{path}, line {line}", "'references' must be a list of texts, not empty")
        if name in row and (first := seen.setdefault(str(row[name]), line)) != line:
            found = f"asks what line {first} asks: {clip(str(row[name]))}"
            raise InputError(f"{path}, line {line}", found, "it once")
        rows.append(row)
    return rows


def read_about(path: Path) -> About:
    """Read what predict says of the checkpoint that answered."""
    return validated(About, read_json(path, "what predict says of the answers"), path)
