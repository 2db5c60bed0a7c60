"""Fuzz targets: the readers of data and parameter files."""

import dataclasses
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from stages import report
from stages.answer import fault_of, parse
from stages.command import read_json
from stages.evaluate import MATH, READING, read_about, read_predictions, score_math, score_reading
from stages.finetune import Finetune
from stages.mindrecord import read_turns
from stages.model import config, schema
from stages.params import read_yaml, section
from stages.predict import Predict
from stages.prepare import Prepare
from stages.problems.categories import CATEGORIES
from stages.problems.workings import working
from stages.reading import read_questions
from stages.recipe import Recipe, read_recipe
from stages.rows import read_rows
from stages.synthesize import Synthesize
from tests.fuzz.contract import REFUSED, Finding, Target, check_line, check_text, outcome
from tests.fuzz.edits import edited, edited_json, edited_yaml

ROOT = Path(__file__).parents[2]


def good_row(random: Random) -> dict[str, str]:
    """Draw a row in the published format."""
    category = random.choice(CATEGORIES)
    problem = category.draw(random)
    return {"problem": category.text(problem), "solution": problem.published}


def make_rows(random: Random) -> bytes:
    """Draw good rows, one damaged one among them; the first byte tells how many stand before it."""
    rows = [json.dumps(good_row(random), ensure_ascii=random.random() < 0.2).encode() for _ in range(4)]
    bad = edited(random, rows.pop()) if random.random() < 0.6 else edited_json(random, good_row(random))
    before = random.randint(0, 3)
    after = rows[before : random.randint(before, 3)]
    return bytes([before]) + b"\n".join([*rows[:before], bad, *after]) + random.choice((b"", b"\n"))


def check_rows(data: bytes, folder: Path) -> bool:
    """The rows before the damaged line are read as they are; an error names that line, or one inside the damage."""
    before, content = data[0] if data else 0, data[1:]
    path = folder / "rows.jsonl"
    path.write_bytes(content)
    found = []
    done = outcome(lambda: found.extend(read_rows(path)) or True)
    whole = [line for line in content.split(b"\n")[:before] if line]
    if [json.loads(line)["problem"] for line in whole] != [row.problem for row in found[:before]]:
        raise Finding(f"of {before} good rows before the damage {len(found)} were read")
    check_text(*(text for row in found for text in (row.problem, row.solution)))
    if done is not REFUSED and len(found) != content.removesuffix(b"\n").count(b"\n") + 1:
        raise Finding(f"{len(found)} rows of {content.count(10)} lines")
    if done is REFUSED and content:
        check_named_line(path, before)
    return done is not REFUSED


def check_named_line(path: Path, before: int) -> None:
    """The error names a line after the good ones that stand first."""
    try:
        list(read_rows(path))
    except ValueError as error:
        named = re.search(r"line (\d+)", str(error))
        if not named or int(named[1]) <= before:
            raise Finding(f"the damage is in line {before + 1}, the error says: {error}") from error


def make_line(random: Random) -> bytes:
    """Draw one line of a file for `make predict`."""
    row = {"problem": good_row(random)["problem"], "id": 7, "more": {"a": [1, 2.5]}}
    return edited_json(random, row) if random.random() < 0.5 else edited(random, json.dumps(row).encode())


def check_line_of_input(data: bytes, folder: Path) -> bool:
    """A line has a fault in one line, or an object with a problem; either can be written as JSON again."""
    line = outcome(lambda: parse(1, data))
    json.dumps(line.row, ensure_ascii=False, allow_nan=False).encode("utf-8")
    if line.fault:
        check_line(line.fault)
    elif fault_of(line.row):
        raise Finding(f"a fault went unsaid: {fault_of(line.row)}")
    return not line.fault


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif dataclasses.is_dataclass(value):
        yield from texts(list(vars(value).values()))
    elif isinstance(value, dict):
        yield from texts([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts(one)


def json_target(name: str, share: int, document: Any, check: Any) -> Target:
    """A target that reads one JSON file; `check` gets its path and returns a value, which must be writable."""

    def make(random: Random) -> bytes:
        if random.random() < 0.2:
            return edited(random, json.dumps(document, ensure_ascii=False, indent=2).encode())
        return edited_json(random, document)

    def run(data: bytes, folder: Path) -> bool:
        path = folder / "document.json"
        path.write_bytes(data)
        found = outcome(lambda: check(path))
        if found is not REFUSED:
            check_text(*texts(found))
        return found is not REFUSED

    return Target(name, share, make, run)


TURN = {
    "id": "1",
    "conversations": [{"from": "human", "value": "计算"}, {"from": "gpt", "value": "计算过程：1"}],
}
ANSWER = {"answer_start": 4, "text": "Rome"}
QUESTION = {"id": "q1", "question": "Where?", "answers": [ANSWER, {"text": "in Rome"}]}
PARAGRAPH = {"context": "In Rome.", "qas": [QUESTION, {"id": "q3"}]}
SQUAD = {
    "version": "1.1",
    "data": [{"title": "a", "paragraphs": [PARAGRAPH, {**PARAGRAPH, "qas": [{**QUESTION, "id": "q2"}]}]}],
}


def make_predictions(random: Random) -> bytes:
    """Draw a file of predictions as stage predict writes it, damaged in one row."""
    rows = []
    for _ in range(3):
        category = random.choice(CATEGORIES)
        problem = category.draw(random)
        said = {"question": category.text(problem), "completion": working(problem, "exact", 4)}
        rows.append(
            said | {"reference_nll": 3.25, "reference_tokens": 9, "reference": "a", "references": ["a", "b"]}
        )
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    at = random.randrange(3)
    lines[at] = edited_json(random, rows[at])
    return b"\n".join(lines)


def check_predictions(data: bytes, folder: Path) -> bool:
    """Predictions give scores that are JSON, or are refused."""
    path = folder / "predictions.jsonl"
    path.write_bytes(data)
    math = outcome(lambda: score_math(read_predictions(path, MATH), Recipe("exact", 4)))
    reading = outcome(lambda: score_reading(read_predictions(path, READING)))
    for scores in (math, reading):
        if scores is not REFUSED:
            outcome(lambda scores=scores: json.dumps(scores, allow_nan=False))
    return math is not REFUSED and reading is not REFUSED


METRICS = {
    **dict.fromkeys(report.NEEDED, 50.0),
    **{"step": 20, "trainable_parameters": 3407872, "base_parameters": 8030261248, "math_problems": 14},
}


def check_metrics(path: Path) -> Any:
    """A checkpoint's metrics give a summary that is JSON, and a row of the table."""
    metrics = {0: METRICS, 1: report.read_checkpoint(path)}
    return json.dumps(report.summarise(metrics), allow_nan=False), report.table(metrics)


SECTIONS = {"synthesize": Synthesize, "prepare": Prepare, "finetune": Finetune, "predict": Predict}


@cache
def params_text() -> str:
    """The committed params.yaml."""
    return (ROOT / "params.yaml").read_text(encoding="utf-8")


def check_params(data: bytes, folder: Path) -> bool:
    """Every section is refused or a dataclass whose texts and numbers can be written."""
    path = folder / "params.yaml"
    path.write_bytes(data)
    found = [outcome(lambda n=name, i=into: section(n, i, path)) for name, into in SECTIONS.items()]
    found += [outcome(lambda: read_recipe(path)), outcome(lambda: config.chosen(path))]
    good = [value for value in found if value is not REFUSED]
    outcome(lambda: [str(value) for value in good])
    return len(good) == len(found)


def make_profile(random: Random) -> bytes:
    """Draw a damaged profile."""
    name = random.choice(("tiny", "tiny", "llama3-8b"))
    return edited_yaml(random, (config.PROFILES / f"{name}.yaml").read_text(encoding="utf-8"))


@cache
def base() -> dict[str, Any]:
    """base.yaml: read once, for reading it takes longer than all the rest."""
    return read_yaml(config.PROFILES / config.BASE)


def check_profile(data: bytes, folder: Path) -> bool:
    """A profile is refused, or it resolves to a configuration that is YAML."""
    path = folder / "own.yaml"
    path.write_bytes(data)
    found = outcome(lambda: lay_over(path))
    if found is REFUSED:
        return False
    where = {"base": folder, "mindrecord": folder / "rows", "output": folder}
    run = {"rows": 10**7, "steps_per_checkpoint": 2, "seed": 1}
    whole = outcome(lambda: config.resolve(found, **where, **run))
    outcome(lambda: yaml.safe_dump(whole))
    return True


def lay_over(path: Path) -> dict[str, Any]:
    """`config.profile` with base.yaml read once; tests/test_fuzz.py holds the two to each other."""
    under, over = base(), read_yaml(path)
    config._check_fit(over, under, str(path))
    merged = config.merge(under, over)
    schema.check(merged, str(path))
    return merged


TARGETS = (
    Target("row reader", 150, make_rows, check_rows),
    Target("predict input", 60, make_line, check_line_of_input),
    json_target("conversations", 50, [TURN, {**TURN, "id": "2"}], read_turns),
    json_target("squad reader", 50, SQUAD, read_questions),
    json_target("json reader", 30, {"a": [1, {"b": None}]}, lambda path: read_json(path, "a thing")),
    json_target("checkpoint metrics", 10, METRICS, check_metrics),
    json_target("about.json", 20, {"step": 20, "trainable_parameters": 7, "base_parameters": 99}, read_about),
    Target("predictions", 40, make_predictions, check_predictions),
    Target("params.yaml", 25, lambda random: edited_yaml(random, params_text()), check_params),
    Target("profiles", 20, make_profile, check_profile),
)
