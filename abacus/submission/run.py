"""A finished run, as its files tell it: what `submission` hands in, checked to belong together."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tqdm import tqdm

from abacus.core.documents import read_csv, read_json, read_yaml
from abacus.core.errors import InputError
from abacus.core.params import PATH, checkpoints
from abacus.core.typed import Model, Open, validated, whole
from abacus.data.counted import COUNTED
from abacus.pipeline.lock import CHECKPOINTS, EXPORTS, METRICS, PROFILE, Lock, read_lock
from abacus.profile import concerns
from abacus.profile.model import Decode, Prompt
from abacus.scoring import questions
from abacus.scoring.checkpoint import ABOUT
from abacus.scoring.metrics import BY_CATEGORY
from abacus.scoring.questions import Outcomes
from abacus.scoring.summary import FOLDER as SCORES
from abacus.scoring.summary import choose, read_metrics, summarise
from abacus.training.configuration import CONFIG, Run
from abacus.training.configuration import read_run as read_training_run
from abacus.weights.lora import Adapter, read_adapter

PREDICTIONS = Path("data/predictions")
CATEGORIES = Path("metrics/categories")


class Prepared(Open):
    """`metrics/prepare.json`: numbers of rows."""

    rows: int
    unique: int
    duplicate: int
    english: int
    verified: int
    wrong: int
    train: int
    replay: int = 0
    test: int


class Records(Open):
    """`metrics/mindrecord.json`: rows, and tokens of the longest.

    Of a MindRecord that was made elsewhere nobody knows what overlaps.
    """

    written: int
    longest: int
    too_long: int
    overlap_left_out: int | None = None


class DataRecipe(Open):
    """Section `prepare` of params.yaml, as far as the report names it."""

    workings: str
    decimals: int
    mix: str | dict[str, int | float]
    leave_out: list[str] | None = None


class Asked(Open):
    """`about.json` of the answers."""

    step: int
    trainable_parameters: Annotated[int, whole(0)]
    base_parameters: Annotated[int, whole(1)]
    squad: str
    template: str
    reading: Literal["contest", "one_shot"] = "contest"


class Optimizer(Open):
    type: str
    betas: list[float]
    eps: float
    weight_decay: float


class Schedule(Open):
    type: str
    learning_rate: float
    warmup_ratio: float
    lr_end: float
    total_steps: int


class Runner(Open):
    epochs: int


class Wrapper(Open):
    max_grad_norm: float


class Trained(Open):
    """What the report names of MindFormers' configuration."""

    seed: int
    optimizer: Optimizer
    lr_schedule: Schedule
    runner_config: Runner
    runner_wrapper: Wrapper


class Checkpoint(Model):
    """A checkpoint: names, step, hashes; `merged` is that of the whole weights, if they were exported."""

    checkpoint: int
    best: bool
    file: str
    shard: str
    step: int
    trainable_parameters: int
    adapter: dict[str, int | str]
    merged: dict[str, int | str] | None


@dataclass(frozen=True)
class Finished:
    """A run: what trained it, what its files say, and its checkpoints."""

    profile: str
    recipe: DataRecipe
    run: Run
    trained: Trained
    prompt: Prompt
    decode: Decode
    lock: Lock
    prepared: Prepared
    records: Records
    metrics: dict[int, dict[str, Any]]
    kinds: list[dict[str, str]]  # rows of the data, by category
    categories: list[dict[str, str]]  # the best checkpoint's accuracies
    summary: dict[str, Any]
    outcomes: dict[int, Outcomes]
    asked: Asked
    checkpoints: list[Checkpoint]


def read_run() -> Finished:
    """Read the run in the current folder; InputError for what is missing, damaged or stale."""
    lock, params = read_lock(), read_yaml(PATH)
    lock.check_params(params)
    lock.check_deps()
    metrics = read_metrics(SCORES, checkpoints())
    for number, found in metrics.items():
        check_step(SCORES / f"{number}.json", found, number)
    outcomes = questions.read_all(questions.FOLDER, list(metrics))
    best = choose(metrics)
    about = PREDICTIONS / str(best.number) / ABOUT
    said = read_json(about, "the output of stage predict")
    asked = validated(Asked, said, about)
    check_step(about, said, best.number)
    place, prepared, records = CHECKPOINTS / CONFIG, METRICS / "prepare.json", METRICS / "mindrecord.json"
    run, name = read_training_run(place), str(params["profile"])
    rows = validated(Records, read_json(records, "the output of stage mindrecord"), records)
    return Finished(
        profile=name,
        recipe=validated(DataRecipe, params.get("prepare"), PATH, "prepare"),
        run=run,
        trained=validated(Trained, run.framework, place),
        prompt=concerns.read(PROFILE / concerns.PROMPT, Prompt),
        decode=concerns.read(PROFILE / concerns.DECODE, Decode),
        lock=lock,
        prepared=validated(Prepared, read_json(prepared, "the output of stage prepare"), prepared),
        kinds=read_csv(METRICS / "prepare.csv", COUNTED, "the output of stage prepare"),
        records=rows,
        metrics=metrics,
        categories=read_csv(CATEGORIES / f"{best.number}.csv", BY_CATEGORY, "the output of stage evaluate"),
        summary=summarise(metrics, best, asked.model_dump(), outcomes),
        outcomes=outcomes,
        asked=asked,
        checkpoints=list_checkpoints(run, name, rows.written, best.number),
    )


def check_step(path: Path, found: dict[str, Any], number: int) -> None:
    """Raise InputError unless a file about checkpoint `number` is about the adapter that is there now."""
    folder = CHECKPOINTS / str(number)
    for key, value in read_adapter(folder / "adapter.json"):
        if found.get(key, value) != value:
            raise InputError(path, f"{key} is {found[key]}, but {value} in {folder}", advice="`make eval`")


def list_checkpoints(run: Run, name: str, rows: int, best: int) -> list[Checkpoint]:
    """Return names, step and hashes of every checkpoint.

    Merged ones are named as the reference run named its own (`lr4_v2_781_0.ckpt`): after the calls of the device,
    of two steps each there, and after the one rank that is left. `shard` is the file of rank 0 as MindFormers
    writes it.
    """
    runner = run.typed.runner_config
    call = runner.sink_size if runner.sink_mode else 1
    listed = []
    for number, (step, shard) in enumerate(run.checkpoint_files(rows).items(), 1):
        folder = CHECKPOINTS / str(number)
        found: Adapter = read_adapter(folder / "adapter.json")
        if found.step != step:
            raise InputError(
                folder / "adapter.json", f"step is {found.step}, but {step} by {CHECKPOINTS / CONFIG}"
            )
        adapter = measure(folder / "adapter.ckpt")
        listed.append(
            Checkpoint(
                checkpoint=number,
                best=number == best,
                file=f"{name.replace('-', '_')}_{step // call}_0.ckpt",
                shard=shard,
                step=found.step,
                trainable_parameters=found.trainable_parameters,
                adapter=adapter,
                merged=exported(number, str(adapter["sha256"])),
            )
        )
    return listed


def exported(number: int, adapter_sha256: str) -> dict[str, int | str] | None:
    """SHA-256 and size of a checkpoint's whole weights, if they were exported; InputError if from another adapter."""
    folder = EXPORTS / str(number)
    if not (folder / "model.ckpt").is_file():
        return None
    about = read_json(folder / "export.json", "what `make export` writes")
    if about.get("adapter_sha256") != adapter_sha256:
        raise InputError(
            folder,
            f"was made of another adapter than {CHECKPOINTS / str(number)}",
            advice=f"`make export CHECKPOINT={number} REPLACE=1` makes it anew",
        )
    return measure(folder / "model.ckpt")


def measure(path: Path) -> dict[str, int | str]:
    """Return SHA-256 and size in bytes of a file, with a bar if it takes long."""
    if not path.is_file():
        raise InputError(path, "no such file", "the output of stage finetune")
    digest, size = hashlib.sha256(), path.stat().st_size
    bar = tqdm(desc=f"hashing {path}", total=size, unit="B", unit_scale=True, delay=1)
    with path.open("rb") as stream, bar:
        while block := stream.read(1 << 24):
            digest.update(block)
            bar.update(len(block))
    return {"sha256": digest.hexdigest(), "bytes": size}
