"""A finished run, as its files tell it: what `submission` hands in, checked to belong together."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stages import report
from stages.command import InputError, read_json
from stages.model import config as configs
from stages.params import PATH, read_yaml
from stages.predict import read_adapter
from stages.rows import clip

LOCK, CHECKPOINTS, METRICS = Path("dvc.lock"), Path("checkpoints"), Path("metrics")
BASE = Path("data/base")
PREDICTIONS, EXPORTS = Path("data/predictions"), Path("exports")
# What is taken from each file: the keys that must be there, below a section, and of what kind.
NUMBER = (int, float)
CONFIG: dict[str, dict[str, Any]] = {
    "": {"seed": int, "callbacks": list},
    "abacus.prompt": {"template": str, "bos": bool, "seq_length": int},
    "abacus.decode": {"math_new_tokens": int, "reading_new_tokens": int, "min_new_tokens": int},
    "abacus.finetune": {"checkpoints": int, "steps_per_checkpoint": int, "batch_rows": int},
    "runner_config": {"sink_mode": bool, "epochs": int},
    "runner_wrapper": {"max_grad_norm": NUMBER},
    "optimizer": {"type": str, "betas": list, "eps": NUMBER, "weight_decay": NUMBER},
    "lr_schedule": {
        "type": str, "learning_rate": NUMBER, "warmup_ratio": NUMBER, "lr_end": NUMBER, "total_steps": int
    },
    "parallel_config": {"data_parallel": int, "model_parallel": int},
    "context": {"device_target": str},
    "model.model_config": {
        **{"num_layers": int, "hidden_size": int, "num_heads": int, "n_kv_heads": int},
        **{"intermediate_size": int, "vocab_size": int, "compute_dtype": str, "param_init_type": str},
    },
    "model.model_config.pet_config": {
        "lora_rank": int, "lora_alpha": NUMBER, "lora_dropout": NUMBER, "target_modules": str
    },
}  # fmt: skip
COUNTS = ("rows", "unique", "duplicate", "english", "verified", "wrong", "train", "test")
PREPARED = {"": {**dict.fromkeys(COUNTS, int), "by_category": dict}}
RECORDS = {"": {"written": int, "longest": int, "too_long": int}}
RECIPE = {"prepare": {"workings": str, "decimals": int, "mix": str}}
SCORES = {"": {"squad_questions": int, "math_problems": int}}
ASKED = {"": {"squad": str, "template": str}}


@dataclass(frozen=True)
class Finished:
    """A run. `outs` are dvc.lock's, `asked` is what predict says of the best one, `checkpoints` as written."""

    profile: str
    params: dict[str, Any]
    config: dict[str, Any]
    outs: list[dict[str, Any]]
    prepared: dict[str, Any]
    records: dict[str, Any]
    metrics: dict[int, dict[str, Any]]
    summary: dict[str, Any]
    asked: dict[str, Any]
    checkpoints: list[dict[str, Any]]


def read_run() -> Finished:
    """Read the run in the current folder; InputError for what is missing, damaged or stale."""
    lock, params = read_lock(), require(read_yaml(PATH), RECIPE, PATH)
    check_params(lock, params)
    check_lock(lock)
    metrics = report.read_metrics(METRICS, report.CHECKPOINTS)
    summary = report.summarise(metrics)
    for number, found in metrics.items():
        place = METRICS / f"checkpoint-{number}.json"
        check_step(place, require(found, SCORES, place), number)
    best = summary["best_checkpoint"]
    about = PREDICTIONS / str(best) / "about.json"
    asked = require(read_json(about, "the output of stage predict"), ASKED, about)
    check_step(about, asked, best)
    place = CHECKPOINTS / "config.yaml"
    config = require(read_yaml(place), CONFIG, place)
    place = METRICS / "prepare.json"
    prepared = require(read_json(place, "the output of stage prepare"), PREPARED, place)
    place = METRICS / "mindrecord.json"
    records = require(read_json(place, "the output of stage mindrecord"), RECORDS, place)
    name = Path(params["profile"]).stem
    return Finished(
        profile=name,
        params=params,
        config=config,
        outs=[out for stage in lock.values() for out in stage.get("outs", []) if "md5" in out],
        prepared=prepared,
        records=records,
        metrics=metrics,
        summary=summary,
        asked=asked,
        checkpoints=list_checkpoints(config, name, records["written"], best),
    )


def require(found: dict[str, Any], keys: dict[str, dict[str, Any]], place: Path) -> dict[str, Any]:
    """Return what was found if it has all the keys; InputError names the first that is missing or of another kind."""
    for section, wanted in keys.items():
        inner: Any = found
        for part in filter(None, section.split(".")):
            inner = inner.get(part) if isinstance(inner, dict) else None
        for key, kind in wanted.items():
            value = inner.get(key) if isinstance(inner, dict) else None
            if not isinstance(value, kind):
                name = ".".join(filter(None, (section, key)))
                raise InputError(
                    f"{place}: {name} is {value!r}, expected what the pipeline writes: `make repro`"
                )
    return found


def read_lock() -> dict[str, Any]:
    """Return the stages that have been run, from dvc.lock."""
    stages = read_yaml(LOCK).get("stages")
    if not isinstance(stages, dict) or "finetune" not in stages:
        raise InputError(f"{LOCK}: no stage 'finetune', expected the lock of a finished run: `make repro`")
    return stages


def check_params(lock: dict[str, Any], params: dict[str, Any]) -> None:
    """Raise InputError for a parameter that has been changed since a stage ran with it."""
    for stage, entry in lock.items():
        for key, used in entry.get("params", {}).get(str(PATH), {}).items():
            value: Any = params
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if value != used:
                raise InputError(
                    f"{PATH}: {key} is {clip(str(value))}, but {stage} ran with {clip(str(used))}: `make repro`"
                )
    profile = params.get("profile")
    ran = re.search(r"--profile (\S+)", lock["finetune"]["cmd"])
    if not isinstance(profile, str) or (ran and ran[1] != profile):
        raise InputError(
            f"{PATH}: profile is {profile}, but finetune ran with {ran and ran[1]}: `make repro`"
        )


def check_lock(lock: dict[str, Any]) -> None:
    """Raise InputError where a stage has run on another file than the stage before it has left."""
    made = {
        out["path"]: (stage, out.get("md5")) for stage, entry in lock.items() for out in entry.get("outs", [])
    }
    for stage, entry in lock.items():
        for dep in entry.get("deps", []):
            before, left = made.get(dep["path"], ("", None))
            if left != dep.get("md5") and before:
                raise InputError(
                    f"{LOCK}: {stage} ran on another {dep['path']} than {before} has made since: `make repro`"
                )


def check_base(base: Path, adapter: Path) -> None:
    """Raise InputError for a checkpoint of the pipeline that was trained on another base model than is there now.

    Both must be the pipeline's own; of other folders nothing is known.
    """
    ours = (base.resolve(), adapter.resolve().parent) == (BASE.resolve(), CHECKPOINTS.resolve())
    if not ours or not LOCK.is_file() or adapter.name == "0":
        return
    lock = read_yaml(LOCK).get("stages") or {}
    used, made = (
        next(
            (entry.get("md5") for entry in lock.get(stage, {}).get(key, []) if entry["path"] == str(BASE)),
            None,
        )
        for stage, key in (("finetune", "deps"), ("base", "outs"))
    )
    if used != made:
        raise InputError(f"{adapter}: was trained on another base model than {base} is now: `make repro`")


def check_out(out: Path, marks: tuple[str, ...], what: str) -> None:
    """Raise InputError for a place where something else is than an earlier `what`, known by its files `marks`."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out}: is there and no folder, expected a new name")
    if out.is_dir() and any(out.iterdir()) and not all((out / name).is_file() for name in marks):
        raise InputError(f"{out}: holds something else than {what}, expected a new name")


def check_step(path: Path, found: dict[str, Any], number: int) -> None:
    """Raise InputError unless a file about checkpoint `number` is about the adapter that is there now."""
    folder = CHECKPOINTS / str(number)
    for key, value in read_adapter(folder / "adapter.json").items():
        if found.get(key) != value:
            raise InputError(f"{path}: {key} is {found.get(key)}, but {value} in {folder}: `make eval`")


def list_checkpoints(config: dict[str, Any], name: str, rows: int, best: int) -> list[dict[str, Any]]:
    """Return names, step and hashes of every checkpoint.

    Merged ones are named as the reference run named its own (`lr4_v2_781_0.ckpt`): after the calls of the device,
    of two steps each there, and after the one rank that is left. `shard` is the file of rank 0 as MindFormers
    writes it.
    """
    place = CHECKPOINTS / "config.yaml"
    runner = config["runner_config"]
    try:
        files = configs.checkpoint_files(config, rows, config["abacus"]["finetune"]["steps_per_checkpoint"])
        call = runner["sink_size"] if runner["sink_mode"] else 1
    except (KeyError, TypeError, StopIteration) as error:
        raise InputError(f"{place}: {error!r}, expected the configuration that finetune writes") from error
    listed = []
    for number, (step, shard) in enumerate(files.items(), 1):
        folder = CHECKPOINTS / str(number)
        found = read_adapter(folder / "adapter.json")
        if found["step"] != step:
            raise InputError(f"{folder / 'adapter.json'}: step is {found['step']}, but {step} by {place}")
        listed.append(
            {
                "checkpoint": number,
                "best": number == best,
                "file": f"{name.replace('-', '_')}_{step // call}_0.ckpt",
                "shard": shard,
                **found,
                "adapter": (adapter := measure(folder / "adapter.ckpt")),
                "merged": exported(number, adapter["sha256"]),
            }
        )
    return listed


def exported(number: int, adapter_sha256: str) -> dict[str, Any] | None:
    """SHA-256 and size of a checkpoint's whole weights, if they were exported; InputError if from another adapter."""
    folder = EXPORTS / str(number)
    if not (folder / "model.ckpt").is_file():
        return None
    about = read_json(folder / "export.json", "what `make export` writes")
    if about.get("adapter_sha256") != adapter_sha256:
        raise InputError(
            f"{folder}: was made of another adapter than {CHECKPOINTS / str(number)}; "
            f"`make export CHECKPOINT={number}` makes it anew"
        )
    return measure(folder / "model.ckpt")


def measure(path: Path) -> dict[str, Any]:
    """Return SHA-256 and size in bytes of a file, with a bar if it takes long."""
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected the output of stage finetune")
    digest, size = hashlib.sha256(), path.stat().st_size
    bar = tqdm(desc=f"hashing {path}", total=size, unit="B", unit_scale=True, delay=1)
    with path.open("rb") as stream, bar:
        while block := stream.read(1 << 24):
            digest.update(block)
            bar.update(len(block))
    return {"sha256": digest.hexdigest(), "bytes": size}
