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

from abacus.commands.predict import fault_of, parse
from abacus.core.documents import KeyTwice, laid_out, not_json, parse_json, read_json, read_yaml
from abacus.core.params import checkpoints, section
from abacus.core.typed import Model
from abacus.data.conversation import read_turns
from abacus.data.inputs import Inputs
from abacus.data.rows import read_rows
from abacus.data.selection import Prepare
from abacus.data.squad import read_questions
from abacus.inference.answering import How, Predict, how_of, read_how
from abacus.pipeline.lock import read_lock
from abacus.problems.categories import CATEGORIES
from abacus.problems.recipe import Recipe, read_recipe
from abacus.problems.workings import working
from abacus.profile import concerns, load
from abacus.profile.model import Compute, Decode, Live, Llama, Prompt
from abacus.scoring import questions, summary, tables
from abacus.scoring.checkpoint import MATH, READING, judge, read_about, read_predictions, understand
from abacus.scoring.graded import Graded
from abacus.scoring.metrics import METRICS as TABLE
from abacus.scoring.metrics import Answers, Judged, Reading, scores
from abacus.synthesis.rows import Synthesize
from abacus.training.configuration import Finetune, Training, read_training, training_of
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


def check_json(data: bytes, folder: Path) -> bool:
    """Our parser gives what Python's gives, unless a key stands twice; a fault is one line with a place in the text."""
    text = data.decode("utf-8", "replace")
    text = text.replace('"c"', '"a"') if len(text) % 3 == 0 else text
    check_line(laid_out(text) or "neither")
    try:
        plain: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        plain = type(error)
    try:
        found = parse_json(text)
    except KeyTwice as error:
        check_line(not_json(error))
        if not 0 <= error.pos < len(text) or text[error.pos] != '"':
            raise Finding(f"no key stands at character {error.pos + 1}") from error
        return False
    except (ValueError, RecursionError) as error:
        found = type(error)
    if found is RecursionError:  # our parser has fewer levels; both have more than a document may
        return False
    if repr(found) != repr(plain):
        raise Finding(f"parsed as {str(found)[:80]}, by Python as {str(plain)[:80]}")
    return not isinstance(found, type)


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Model) or dataclasses.is_dataclass(value):
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
        said = {"question": category.text(problem), "completion": working(problem, "exact", 4), "ended": True}
        rows.append(
            said | {"reference_nll": 3.25, "reference_tokens": 9, "reference": "a", "references": ["a", "b"]}
        )
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    at = random.randrange(3)
    lines[at] = edited_json(random, rows[at])
    return b"\n".join(lines)


RECIPE = Recipe(workings="exact", decimals=4)


def check_predictions(data: bytes, folder: Path) -> bool:
    """Predictions give scores that are JSON, or are refused."""
    path = folder / "predictions.jsonl"
    path.write_bytes(data)
    recipe = Recipe(workings="exact", decimals=4)
    math = outcome(lambda: scores(Answers(20, READ, judge(read_predictions(path, MATH), recipe))))
    reading = outcome(lambda: scores(Answers(20, understand(read_predictions(path, READING)), RIGHT)))
    for found in (math, reading):
        if found is not REFUSED:
            outcome(lambda found=found: json.dumps(found, allow_nan=False))
    return math is not REFUSED and reading is not REFUSED


GRADED = Graded(True, True, True, 1.0)
READ = [Reading("q", "a", "a", ["a"], 3.25, 9)]
RIGHT = [Judged("p", "direct", True, True, GRADED, 3.25, 9)]
METRICS = {name: 50.0 for metric in TABLE for name in (metric.name, *metric.bounds)} | {
    "step": 20,
    "math_problems": 14,
}
SIZES = {"trainable_parameters": 3407872, "base_parameters": 8030261248}


def check_metrics(path: Path) -> Any:
    """A checkpoint's metrics give a summary that is JSON, and a row of the table."""
    metrics = {0: METRICS, 1: summary.read_checkpoint(path)}
    found = summary.summarise(metrics, summary.choose(metrics), SIZES, {0: {}, 1: {}})
    return json.dumps(found, allow_nan=False), tables.table(metrics), tables.finer(metrics)


ANSWERS = ",".join(questions.COLUMNS) + "\na,root,1,1,,\nb,mean,0,1,,\nc,reading,,,0,1\n"


def make_answers(random: Random) -> bytes:
    """Draw a damaged file of answers."""
    return edited(random, ANSWERS.encode("ascii"))


def check_answers(data: bytes, folder: Path) -> bool:
    """Answers are refused, or compared with good ones on the questions that both have."""
    path = folder / "answers.csv"
    path.write_bytes(data)
    found = outcome(lambda: questions.read(path))
    if found is REFUSED:
        return False
    good = questions.parse(ANSWERS, "good")
    for _, one in questions.pair(good, found):
        if not 0 < one.p <= 1 or one.before + one.gained - one.lost != one.now or one.questions > 2:
            raise Finding(f"compared as {one}")
    check_text(*texts(questions.comparison({"1": (good, found)})))
    return True


SECTIONS = {
    "synthesize": Synthesize,
    "prepare": Prepare,
    "inputs": Inputs,
    "finetune": Finetune,
    "predict": Predict,
}


@cache
def params_text() -> str:
    """The committed params.yaml."""
    return (ROOT / "params.yaml").read_text(encoding="utf-8")


def check_params(data: bytes, folder: Path) -> bool:
    """Every section is refused, or a model whose texts and numbers can be written."""
    path = folder / "params.yaml"
    path.write_bytes(data)
    found = [outcome(lambda n=name, i=into: section(n, i, path)) for name, into in SECTIONS.items()]
    found += [outcome(lambda read=read: read(path)) for read in (read_recipe, load.chosen, checkpoints)]
    good = [value for value in found if value is not REFUSED]
    check_text(*texts(good))
    return len(good) == len(found)


def make_profile(random: Random) -> bytes:
    """Draw a damaged profile."""
    name = random.choice(("tiny", "tiny", "llama3-8b"))
    return edited_yaml(random, (load.PROFILES / f"{name}.yaml").read_text(encoding="utf-8"))


@cache
def base() -> dict[str, Any]:
    """base.yaml: read once, for reading it takes longer than all the rest."""
    return read_yaml(load.PROFILES / load.BASE)


def check_profile(data: bytes, folder: Path) -> bool:
    """A profile is refused, or what stages read of it is what it says, and a run of it is YAML."""
    path = folder / "own.yaml"
    path.write_bytes(data)
    found = outcome(lambda: lay_over(path))
    if found is REFUSED:
        return False
    training = outcome(lambda: training_of(found, checkpoints=5, steps_per_checkpoint=2, seed=1))
    files = {**concerns.documents(found), concerns.TRAIN: training.document()}
    outcome(lambda: concerns.write(folder / "profile", files))
    again = outcome(
        lambda: (read_how(folder / "profile"), read_training(folder / "profile" / concerns.TRAIN))
    )
    if said(*again) != said(how_of(found), training):
        raise Finding("what stages read is not what the profile says")
    run = outcome(lambda: training.resolve(base=folder, mindrecord=folder, rows=10**7, output=folder))
    outcome(lambda: yaml.safe_dump(run.document()))
    return True


class Plain(yaml.SafeDumper):
    """A dumper that writes a value out wherever it stands."""

    def ignore_aliases(self, data: Any) -> bool:
        """None are made."""
        return True


def said(how: How, training: Training) -> str:
    """What a profile says to stages, as text: a NaN is none to itself, and YAML knows pairs only as lists."""
    parts = [part.model_dump() for part in vars(how).values()]
    return yaml.dump([*parts, training.document()], Dumper=Plain, sort_keys=False)


def lay_over(path: Path) -> load.Profile:
    """`load.load` with base.yaml read once; tests/journeys/test_fuzz.py holds the two to each other."""
    over = load.overlay(path)
    load._check_fit(over, base(), str(path))
    return load.parsed(load.merge(base(), over), path.stem, str(path))


@cache
def concern_texts() -> dict[Path, str]:
    """What stage configure writes of the profile tiny, by file."""
    tiny = load.profile("tiny")
    training = training_of(tiny, checkpoints=5, steps_per_checkpoint=2, seed=1)
    files = {**concerns.documents(tiny), concerns.TRAIN: training.document()}
    return {name: yaml.safe_dump(document, sort_keys=False) for name, document in files.items()}


def make_concern(random: Random) -> bytes:
    """Draw one damaged file of data/profile; its name stands in the first line."""
    name, text = random.choice(list(concern_texts().items()))
    return f"{name}\n".encode() + edited_yaml(random, text)


def check_concern(data: bytes, folder: Path) -> bool:
    """A file of data/profile is refused, or a model whose texts can be written."""
    name, _, content = data.partition(b"\n")
    path = folder / name.decode()
    path.write_bytes(content)
    if path.name == concerns.TRAIN.name:
        return outcome(lambda: yaml.safe_dump(read_training(path).document())) is not REFUSED
    found = outcome(lambda: concerns.read(path, CONCERNS[path.name]))
    if found is not REFUSED:
        check_text(*texts(found))
    if path.name == concerns.SOURCE.name and found is not REFUSED:
        return outcome(lambda: found.source) is not REFUSED
    return found is not REFUSED


CONCERNS = {
    "source.yaml": concerns.Origin,
    "architecture.yaml": Llama,
    "prompt.yaml": Prompt,
    "decode.yaml": Decode,
    "compute.yaml": Compute,
    "live.yaml": Live,
}


@cache
def lock_text() -> str:
    """The beginning of the committed dvc.lock: stages whole, with what they read and wrote."""
    stages = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    kept = {name: stages[name] for name in ("base", "finetune")}
    return yaml.safe_dump({"schema": "2.0", "stages": kept}, sort_keys=False)


def check_lock(data: bytes, folder: Path) -> bool:
    """A lock is refused, or what it says can be compared with parameters and with itself."""
    path = folder / "dvc.lock"
    path.write_bytes(data)
    found = outcome(lambda: read_lock(path))
    if found is REFUSED:
        return False
    outcome(found.check_deps)
    outcome(lambda: found.check_params({"finetune": {"seed": 1}}))
    check_text(*texts(found.outs))
    return True


TARGETS = (
    Target("row reader", 150, make_rows, check_rows),
    Target("predict input", 60, make_line, check_line_of_input),
    json_target("conversations", 50, [TURN, {**TURN, "id": "2"}], read_turns),
    Target(
        "parse_json", 40, lambda random: edited_json(random, {"a": [1, {"b": None}], "c": "{"}), check_json
    ),
    json_target("squad reader", 50, SQUAD, read_questions),
    json_target("json reader", 30, {"a": [1, {"b": None}]}, lambda path: read_json(path, "a thing")),
    json_target("checkpoint metrics", 10, METRICS, check_metrics),
    json_target("about.json", 20, {"step": 20, "trainable_parameters": 7, "base_parameters": 99}, read_about),
    Target("answers", 10, make_answers, check_answers),
    Target("predictions", 30, make_predictions, check_predictions),
    Target("params.yaml", 25, lambda random: edited_yaml(random, params_text()), check_params),
    Target("profiles", 20, make_profile, check_profile),
    Target("profile files", 10, make_concern, check_concern),
    Target("dvc.lock", 10, lambda random: edited_yaml(random, lock_text()), check_lock),
)
