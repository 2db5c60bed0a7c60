"""The data of a run for everybody else: rows and a card for `datasets`, the same LoRA run elsewhere, evaluation tasks."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from abacus.core.documents import read_yaml, write_json
from abacus.core.errors import InputError
from abacus.core.files import check_room, replacing
from abacus.core.params import PATH, section
from abacus.data.conversation import Turn, read_turns
from abacus.data.inputs import Inputs, given
from abacus.data.overlap import Asked, without
from abacus.data.rows import Row, write_rows
from abacus.data.squad import read_questions
from abacus.inference.answering import Predict, read_problems, sample_problems, sample_questions
from abacus.neighbours import card, harness, trainers
from abacus.neighbours.texts import Texts
from abacus.problems.recipe import read_recipe
from abacus.profile.load import Profile
from abacus.profile.model import Prompt
from abacus.text.encode import Fitting, encode
from abacus.text.prompt import Prompter
from abacus.text.tokenizer import Tokenizer
from abacus.training.configuration import asked, training_of

MARK = "export.json"
TEST = Path("data/math-test.jsonl")
FOLDERS = (trainers.FACTORY, trainers.AXOLOTL, harness.FOLDER)


class Read(NamedTuple):
    """What a training reads, what stage mindrecord says of it, and what the evaluation asks."""

    turns: list[Turn]
    said: list[str]
    problems: list[tuple[Row, Any]]
    other: str  # what is trained on in their place, if anything is


def read(prompt: Prompt, base: Path, params: Path = PATH, test: Path = TEST) -> Read:
    """The rows that stage mindrecord writes for training, as params.yaml says, and the held-out problems.

    They are no others than those that are trained on, unless params.yaml names a MindRecord of one's own.
    """
    inputs, squad = section("inputs", Inputs, params), Path(section("predict", Predict, params).squad)
    for path, stage in ((Path(inputs.conversations), "converse"), (test, "prepare")):
        if not path.is_file():
            raise InputError(path, "no such file", f"the output of stage {stage}", "`make repro`")
    problems = read_problems(test)
    questions = Asked((row.problem for row, _ in problems), read_questions(squad))
    turns, overlap = without(read_turns(Path(inputs.conversations)), questions, inputs.overlap == "drop")
    if not turns:
        raise InputError(inputs.conversations, "all rows ask what the evaluation asks", "other rows")
    prompter = Prompter(Tokenizer.load(base), prompt.template, prompt.bos)
    learned = prompt.packing.learned if prompt.packing else None
    rows = Fitting(prompt.seq_length + 1, learned)
    encoded = zip(turns, encode(turns, prompter), strict=True)
    kept = [turn for turn, row in encoded if rows.fits(row, turn.id)]
    rows.check(Path(inputs.conversations))
    foreign = given(params).get("mindrecord")
    other = f"{foreign[0]} (inputs.mindrecord), not these rows but tokens, is trained on" if foreign else ""
    said = f"overlap: not known, {other}" if other else str(overlap)
    return Read(kept, [said, *rows.left_out()], problems, other)


def write(out: Path, profile: Profile, base: Path, base_name: str, params: Path = PATH) -> Read:
    """Write the folder `out`, all or nothing: what it holds stands in its README.md."""
    training = training_of(profile, **asked(profile, params))
    trainers.check(training, f"profile {profile.name!r}")
    found, texts = read(profile.prompt, base, params), Texts.load(profile.prompt, base)
    predict, recipe = section("predict", Predict, params), read_recipe(params)
    check_room(out, 6 * sum(len(turn.problem) + len(turn.solution) for turn in found.turns) * 4)
    counts = {"train": len(found.turns), "test": len(found.problems)}
    with replacing(out) as part:
        part.mkdir()
        train = ({"problem": turn.problem, "solution": turn.solution} for turn in found.turns)
        held_out = ({"problem": row.problem, "solution": row.solution} for row, _ in found.problems)
        write_rows(part / "train.jsonl", train)
        write_rows(part / "test.jsonl", held_out)
        said = yaml.safe_dump(read_yaml(params)["prepare"], sort_keys=False, allow_unicode=True)
        (part / "README.md").write_text(card.data(counts, said, found.other), encoding="utf-8")
        trainers.write(part, out, found.turns, texts, training, base_name)
        sample = sample_problems(found.problems, predict.math_limit)
        math = harness.problems(sample, texts, recipe, predict.template)
        reading = sample_questions(read_questions(Path(predict.squad)), predict.squad_limit)
        harness.write(part, math, harness.questions(reading, texts), profile.decode)
        write_json(part / MARK, {"source": "data", "profile": profile.name, **counts})
    return found
