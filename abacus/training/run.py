"""One fine-tuning from its inputs to the folder of checkpoints: checked, begun or gone on with, exported."""

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TextIO

import yaml

from abacus.core.documents import write_json
from abacus.core.errors import InputError
from abacus.core.files import alone, check_room, replacing
from abacus.training import launch
from abacus.training.configuration import CONFIG, Run, Seen, Training
from abacus.training.progress import STEPS, Progress, Step, read_steps
from abacus.training.resume import Files, last_step
from abacus.weights.architecture import check, check_same, lora_parameters, read_architecture
from abacus.weights.checkpoint import load_checkpoint, save_checkpoint

KEY = 16  # hexadecimal digits in the name of a run's folder
# A run that was begun by other code is not gone on with.
CODE = sorted(
    path for folder in ("training", "weights") for path in (Path(__file__).parents[1] / folder).glob("*.py")
)


class Places(NamedTuple):
    """Where a fine-tuning reads and writes: base model, rows, checkpoints, unfinished runs, MindSpore's words."""

    base: Path
    mindrecord: Path
    out: Path
    scratch: Path
    log: Path


def fine_tune(training: Training, places: Places, seen: Seen | None, user: TextIO) -> None:
    """Train in a scratch folder named for the run; put the checkpoints in place when all went well.

    Two trainings in one scratch folder would remove each other's files: the second is an InputError.
    """
    places.scratch.mkdir(parents=True, exist_ok=True)
    with alone(places.scratch / "lock") as free:
        if free is False:
            raise InputError(places.scratch, "another training is at work here", "its end, or another folder")
        _fine_tune(training, places, seen, user)


def _fine_tune(training: Training, places: Places, seen: Seen | None, user: TextIO) -> None:
    from abacus.training import trainer

    weights = places.base / "model.ckpt"
    rows = trainer.count_rows(
        places.mindrecord,
        training.settings.seq_length,
        training.architecture.vocab_size,
        training.settings.learned,
    )
    training.check(places.mindrecord, rows)
    # Without folders it is the same in every clone: this one is saved, and names the scratch folder.
    portable = training.resolve(
        base=Path(places.base.name), mindrecord=Path(places.mindrecord.name), rows=rows, output=Path()
    )
    scratch = places.scratch / run_key(portable, [places.mindrecord, weights, *CODE])
    # It is named for what the weights hold too, and the run that has begun there has judged them.
    if not scratch.is_dir():
        check(load_checkpoint(weights), training.architecture, str(weights))
    clear(places.scratch, scratch)  # what killed runs of another kind have left
    run = training.resolve(base=places.base, mindrecord=places.mindrecord, rows=rows, output=scratch)
    run = replace(run, seen=seen)
    files = Files(training, scratch, rows)
    check_disk(places, training)
    if done := last_step(files):
        run = replace(run, resumed=files.resumed(done))
    if done < training.steps:
        progress = Progress(training.steps, user)
        if training.ranks > 1:
            ranks_read = places.scratch / launch.RUN.name
            launch.train(run, places.log, progress, ranks_read, places.log.with_suffix(""))
        else:
            trainer.train(run, progress)
    saved = adapters(training, files)
    history = read_steps(scratch / STEPS)
    export(places.out, portable, saved, history)
    print(f"{places.out}: {len(saved)} adapters after {history[-1].step} steps", file=user)
    clear(places.scratch)


def check_disk(places: Places, training: Training) -> None:
    """InputError unless there is room for a run's files: the adapters, and with two states each to go on from."""
    lora, checkpoints = training.model.pet_config, training.settings.checkpoints
    adapter = 4 * lora_parameters(training.architecture, lora.lora_rank, lora.target_modules)
    check_room(places.scratch, checkpoints * training.ranks * 4 * adapter)
    check_room(places.out, checkpoints * adapter)


def adapters(training: Training, files: Files) -> dict[int, Path]:
    """Step and file of every adapter of a run, whole: with tensor parallel the ranks' parts are joined."""
    if training.typed.parallel_config.model_parallel == 1:
        return {step: files.adapter(step, 0) for step in files.steps}
    from abacus.training.shards import join

    whole = {}
    for step in files.steps:
        whole[step] = files.folder / f"whole-{step}.ckpt"
        parts = {rank: files.adapter(step, rank) for rank in files.ranks}
        joined = join(parts, files.folder / "strategy", files.folder / "joined")
        save_checkpoint(whole[step], joined)
    return whole


def clear(scratch: Path, kept: Path | None = None) -> None:
    """Remove the folders of runs, and nothing else, from the scratch folder."""
    for left in scratch.glob("[0-9a-f]" * KEY):
        if left != kept:
            shutil.rmtree(left)


def check_inputs(training: Training, base: Path, mindrecord: Path) -> None:
    """InputError unless the files are there and the base model is the profile's."""
    index = mindrecord.with_name(mindrecord.name + ".db")
    for path, stage in (
        (mindrecord, "mindrecord"),
        (index, "mindrecord"),
        (base / "model.ckpt", "base"),
    ):
        if not path.is_file():
            raise InputError(path, "no such file", f"the output of stage {stage}")
    check_same(read_architecture(base), training.architecture, base / "model.json")


def run_key(run: Run, files: Iterable[Path]) -> str:
    """A name for a run: equal exactly when its configuration and the contents of `files` are equal."""
    digest = hashlib.sha256(json.dumps(run.document(), sort_keys=True).encode())
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:KEY]


def export(out: Path, run: Run, saved: dict[int, Path], history: list[Step]) -> None:
    """Write the folder `out`: 0 (the base model), 1.. (an adapter each), config.yaml, training.csv."""
    lora = run.model.pet_config
    with replacing(out) as part:
        (part / "0").mkdir(parents=True)
        write_json(part / "0" / "adapter.json", {"step": 0, "trainable_parameters": 0})
        for number, (step, path) in enumerate(saved.items(), 1):
            (part / str(number)).mkdir()
            shutil.copyfile(path, part / str(number) / "adapter.ckpt")
            about = {
                "step": step,
                "trainable_parameters": sum(array.size for array in load_checkpoint(path).values()),
                "rank": lora.lora_rank,
                "alpha": lora.lora_alpha,
                "dropout": lora.lora_dropout,
                "targets": lora.target_modules,
            }
            write_json(part / str(number) / "adapter.json", about)
        (part / CONFIG).write_text(
            yaml.safe_dump(run.document(), sort_keys=False, allow_unicode=True), encoding="utf-8"
        )
        with (part / "training.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(Step._fields[:-1])
            writer.writerows(step[:-1] for step in history)
