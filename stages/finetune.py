"""Fine-tune the base model with LoRA; leave equally spaced adapters, the configuration and the loss curve.

python -m stages.finetune --profile tiny --base data/base --mindrecord data/train-v2.mindrecord --out checkpoints
"""

import argparse
import csv
import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import yaml

from stages import params
from stages.command import InputError, read_json, replacing, run, write_json
from stages.model import config as configs
from stages.model import launch, weights
from stages.model.progress import STEPS, Progress, Step, read_steps
from stages.model.quiet import framework_log
from stages.model.resume import Files, last_step

KEY = 16  # hexadecimal digits in the name of a run's folder
# A run that was begun by other code is not gone on with.
CODE = sorted(Path(configs.__file__).parent.glob("*.py"))


@dataclass(frozen=True)
class Finetune:
    """Section `finetune` of params.yaml."""

    seed: Annotated[int, params.Range(1, 2**31 - 1)]  # 0 means "no seed" in places of MindSpore
    steps_per_checkpoint: Literal["profile"] | Annotated[int, params.Range(1, 10**6)]


def main() -> None:
    """Check what can be checked without MindSpore, then train and export."""
    args = arguments()
    chosen = params.section("finetune", Finetune, args.params)
    profile = configs.profile(args.profile)
    check_inputs(profile, args.base, args.mindrecord)
    steps = chosen.steps_per_checkpoint
    if steps == "profile":
        steps = profile["abacus"]["finetune"]["steps_per_checkpoint"]
    with framework_log(args.log) as user:
        fine_tune(args, profile, steps, chosen.seed, user)


def fine_tune(args: argparse.Namespace, profile: dict[str, Any], steps: int, seed: int, user: TextIO) -> None:
    """Train in a scratch folder named for the run; put the checkpoints in place when all went well."""
    from stages.model import trainer

    model = profile["model"]["model_config"]
    checkpoint = args.base / "model.ckpt"
    rows = trainer.count_rows(args.mindrecord, profile["abacus"]["prompt"]["seq_length"], model["vocab_size"])
    configs.check_run(profile, f"profile {args.profile}", rows, steps)
    weights.check(weights.load_checkpoint(checkpoint), weights.shape_of(model), str(checkpoint))
    numbers = {"rows": rows, "steps_per_checkpoint": steps, "seed": seed}
    # Without folders it is the same in every clone: this one is saved, and names the scratch folder.
    portable = configs.resolve(
        profile,
        base=Path(args.base.name),
        mindrecord=Path(args.mindrecord.name),
        output=Path(),
        **numbers,
    )
    scratch = args.scratch / run_key(portable, [args.mindrecord, checkpoint, *CODE])
    clear(args.scratch, scratch)  # what killed runs of another kind have left
    resolved = configs.resolve(profile, base=args.base, mindrecord=args.mindrecord, output=scratch, **numbers)
    files = Files(profile, scratch, rows, steps)
    total = resolved["lr_schedule"]["total_steps"]
    if done := last_step(files):
        resolved["abacus"]["resume"] = files.resume(done)
    if done < total:
        progress = Progress(total, user)
        if configs.ranks(profile) > 1:
            run = args.scratch / launch.RUN.name
            launch.train(resolved, args.log, progress, run, args.log.with_suffix(""))
        else:
            trainer.train(resolved, progress)
    saved = adapters(profile, files)
    history = read_steps(scratch / STEPS)
    export(args.out, portable, saved, history)
    print(f"{args.out}: {len(saved)} adapters after {history[-1].step} steps", file=user)
    clear(args.scratch)


def adapters(profile: dict[str, Any], files: Files) -> dict[int, Path]:
    """Step and file of every adapter of a run, whole: with tensor parallel the ranks' parts are joined."""
    if profile["parallel_config"]["model_parallel"] == 1:
        return {step: files.adapter(step, 0) for step in files.steps}
    from stages.model.shards import join

    whole = {}
    for step in files.steps:
        whole[step] = files.folder / f"whole-{step}.ckpt"
        parts = {rank: files.adapter(step, rank) for rank in files.ranks}
        joined = join(parts, files.folder / "strategy", files.folder / "joined")
        weights.save_checkpoint(whole[step], joined)
    return whole


def clear(scratch: Path, kept: Path | None = None) -> None:
    """Remove the folders of runs, and nothing else, from the scratch folder."""
    for left in scratch.glob("[0-9a-f]" * KEY):
        if left != kept:
            shutil.rmtree(left)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", required=True, help=", ".join(configs.names()))
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--mindrecord", type=Path, required=True, help="training rows")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoints")
    parser.add_argument("--params", type=Path, default=params.PATH)
    parser.add_argument("--scratch", type=Path, default=Path(".scratch/finetune"))
    parser.add_argument("--log", type=Path, default=Path("logs/finetune.log"))
    return parser.parse_args()


def check_inputs(profile: dict[str, Any], base: Path, mindrecord: Path) -> None:
    """InputError unless the files are there and the base model is the profile's."""
    index = mindrecord.with_name(mindrecord.name + ".db")
    for path, stage in (
        (mindrecord, "mindrecord"),
        (index, "mindrecord"),
        (base / "model.ckpt", "base"),
    ):
        if not path.is_file():
            raise InputError(f"{path}: no such file, expected the output of stage {stage}")
    path = base / "model.json"
    found = read_json(path, "the output of stage base")
    weights.check_same(found, weights.shape_of(profile["model"]["model_config"]), path)


def run_key(resolved: dict[str, Any], files: Iterable[Path]) -> str:
    """A name for a run: equal exactly when its configuration and the contents of `files` are equal."""
    digest = hashlib.sha256(json.dumps(resolved, sort_keys=True).encode())
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:KEY]


def export(out: Path, resolved: dict[str, Any], saved: dict[int, Path], history: list[Step]) -> None:
    """Write the folder `out`: 0 (the base model), 1.. (an adapter each), config.yaml, training.csv."""
    pet = resolved["model"]["model_config"]["pet_config"]
    with replacing(out) as part:
        (part / "0").mkdir(parents=True)
        write_json(part / "0" / "adapter.json", {"step": 0, "trainable_parameters": 0})
        for number, (step, path) in enumerate(saved.items(), 1):
            (part / str(number)).mkdir()
            shutil.copyfile(path, part / str(number) / "adapter.ckpt")
            about = {
                "step": step,
                "trainable_parameters": sum(array.size for array in weights.load_checkpoint(path).values()),
                "rank": pet["lora_rank"],
                "alpha": pet["lora_alpha"],
                "dropout": pet["lora_dropout"],
                "targets": pet["target_modules"],
            }
            write_json(part / str(number) / "adapter.json", about)
        (part / "config.yaml").write_text(
            yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )
        with (part / "training.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(Step._fields[:-1])
            writer.writerows(step[:-1] for step in history)


if __name__ == "__main__":
    run(main)
