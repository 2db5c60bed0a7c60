"""What must not be compared with what: always, of this run, and between two runs."""

from collections.abc import Iterator

from abacus.report.answers import PARTS
from abacus.report.run import Run
from abacus.report.tables import NONE, Cell, Table, flat
from abacus.scoring.questions import LIMIT

ALWAYS = (
    "MindFormers’ F1 and EM and SQuAD’s F1 and EM are different measures of the same answers. The gate is defined by MindFormers’.",
    "An interval says what other questions of the same kind might have given. It does not say what another seed of the training would.",
    f"Of twenty comparisons without any difference at most one is to be expected below p = {LIMIT}.",
    "Sign, magnitude and form are high for whoever writes a number in the taught form; they are to be read beside the base model’s.",
    "Figures of one base model say nothing of another’s: a model of 135 M parameters, or one dequantised from 4 bits, is not an 8B model.",
)
# A difference of parameters, and what it makes of the figures.
MATTERS = {
    "profile": "another model or machine: only the differences to its own base model can be compared",
    "prepare.decimals": "answers are judged at other decimals: math strict is another measure",
    "prepare.workings": "other workings are taught: math form, digits and math NLL are other measures",
    "synthesize.seed": "other raw rows are made: other problems are held out",
    "synthesize.scale": "another number of raw rows is made: other problems are held out",
    "prepare.raw": "other raw rows: the held-out problems may be others",
    "prepare.labels": "other rows count as right: the held-out problems may be others",
    "prepare.test_size": "other problems are held out",
    "prepare.seed": "the training rows are drawn anew; the held-out problems stay the same",
    "inputs.overlap": "one may be trained on problems that it was asked: its scores are not those of unseen problems",
    "prepare.train_size": "trained on another number of rows: that may be the effect that is measured",
    "predict.math_limit": "another number of problems: compare on those that both were asked",
    "predict.squad_limit": "another number of reading questions: compare on those that both were asked",
    "predict.squad": "other reading questions: F1, EM and answer NLL cannot be compared",
    "predict.template": "problems were put by another prompt",
}
# Of MindFormers' configuration: what may be the very effect that is looked for.
TRAINED = {
    "lr_schedule.total_steps": "trained for another number of steps",
    "lr_schedule.learning_rate": "trained at another rate",
    "abacus.batch_rows": "trained by other batches",
    "abacus.seq_length": "trained on sequences of another length",
    "abacus.seed": "trained from another seed",
    "model.model_config.pet_config.lora_rank": "trained with another rank of LoRA",
}
ASKED = {
    "reading": "reading questions were put by another prompt: F1, EM and the gate cannot be compared",
    "min_new_tokens": "another least number of new tokens: empty answers are counted otherwise",
}


def of_run(run: Run) -> Iterator[str]:
    """What is to be known of this run alone."""
    prepare = run.params.get("prepare") or {}
    decimals, workings = prepare.get("decimals"), prepare.get("workings")
    asked = run.metrics[0].get("math_problems"), run.metrics[0].get("squad_questions")
    yield (
        f"Math is judged at {decimals} decimals as the recipe “{workings}” teaches it. A run with other decimals"
        " has another strict accuracy for the same skill; the tolerant one is nearer to a common measure."
    )
    yield (
        f"{asked[0]} problems and {asked[1]} reading questions were asked, the latter of {run.about.get('squad', 'a file')}"
        f" by the prompt “{run.about.get('reading', 'contest')}”. Shares of other questions, or by another prompt, are other measures."
    )
    yield (
        f"Checkpoint {run.best.number} was chosen by the accuracy that is compared, so its p is too small; that of the last,"
        f" {run.last}, is not."
    )
    if 0 in (run.score(0, "mindformers_em"), run.score(0, "mindformers_f1")):
        yield "A score of the base model is 0, so that half of the gate is empty."
    for key, name in run.foreign.items():
        yield f"inputs.{key} is {name}: what prepare counted is not what was trained on."


def between(run: Run, old: Run) -> Table:
    """What differs between two runs, and what that means for their figures."""
    here, there = flat(run.params), flat(old.params)
    rows = [
        [Cell(key), Cell(here.get(key, NONE)), Cell(there.get(key, NONE)), Cell(meaning)]
        for key, meaning in MATTERS.items()
        if here.get(key) != there.get(key)
    ]
    for key, meaning in ASKED.items():
        pair = [str(side.about.get(key, NONE)) for side in (run, old)]
        if pair[0] != pair[1]:
            rows.append([Cell(key), Cell(pair[0]), Cell(pair[1]), Cell(meaning)])
    trained = flat(run.config), flat(old.config)
    for key, meaning in TRAINED.items() if run.config and old.config else ():
        values = [one.get(key, NONE) for one in trained]
        if values[0] != values[1]:
            rows.append([Cell(key), *map(Cell, values), Cell(meaning)])
    for part, (mine, theirs, both) in shared(run, old).items():
        if mine != theirs or both != mine:
            said = f"{both} were asked in both; only these are compared question by question"
            rows.append([Cell(f"{part} questions"), Cell(str(mine)), Cell(str(theirs)), Cell(said)])
    if not rows:
        rows = [
            [
                Cell("nothing"),
                Cell(NONE),
                Cell(NONE),
                Cell("the same questions, prompts and precision: compare freely"),
            ]
        ]
    return Table(f"What differs from {old.name}", ["what", "this run", old.name, "so"], rows)


def shared(run: Run, old: Run) -> dict[str, tuple[int, int, int]]:
    """How many questions of each part either run asked, and both, where both kept their answers."""
    keys = [
        {
            part: {
                key
                for key, one in (side.outcomes.get(0) or {}).items()
                if (one.category == "reading") == (part == "reading")
            }
            for part in PARTS
        }
        for side in (run, old)
    ]
    if not all(any(side.values()) for side in keys):
        return {}
    return {
        part: (len(keys[0][part]), len(keys[1][part]), len(keys[0][part] & keys[1][part])) for part in PARTS
    }
