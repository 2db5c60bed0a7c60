"""Profiles: thin MindFormers YAML overlays, checked and resolved to the full configuration of a run.

MindSpore is not imported here, so that stages which only need a number start in a blink.
"""

import copy
import difflib
from pathlib import Path
from typing import Any

from stages.command import InputError
from stages.model import schema
from stages.params import PATH, read_yaml

PROFILES = Path(__file__).parent / "profiles"
BASE = "base.yaml"  # what every profile lies over


def names() -> list[str]:
    """The profiles that there are."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml") if path.name != BASE)


def chosen(path: Path = PATH) -> str:
    """The name of the profile that a params file chooses."""
    name = read_yaml(path).get("profile")
    if not isinstance(name, str):
        raise InputError(f"{path}: profile is {name!r}, expected one of: {', '.join(names())}")
    return name


def profile(name: str) -> dict[str, Any]:
    """The profile `name` laid over base.yaml and checked: a MindFormers configuration plus `abacus:`.

    `name` is that of a file in stages/model/profiles, or the path of a file of your own (`x.yaml`).
    """
    path, place = Path(name), name
    if path.suffix != ".yaml":
        if name not in names():
            raise InputError(f"profile {name!r} does not exist; there are: {', '.join(names())}")
        path, place = PROFILES / f"{name}.yaml", f"stages/model/profiles/{name}.yaml"
    under, over = read_yaml(PROFILES / BASE), read_yaml(path)
    _check_fit(over, under, place)
    merged = merge(under, over)
    schema.check(merged, place)
    return merged


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `under`, mapping by mapping; lists and single values are replaced whole."""
    merged = copy.deepcopy(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else copy.deepcopy(value)
    return merged


def _check_fit(over: dict[str, Any], under: dict[str, Any], place: str) -> None:
    """Raise InputError for a top-level key that `under` lacks, and where a mapping or a list stays none."""
    for key, value in over.items():
        if key not in under and not place.count(": "):
            near = difflib.get_close_matches(str(key), under, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f", expected only: {', '.join(under)}"
            raise InputError(f"{place}: {key} is unknown{hint}")
        old = under.get(key)
        for of, name in ((dict, "a mapping"), (list, "a list")):
            if isinstance(old, of) and not isinstance(value, of):
                raise InputError(f"{place}: {key} is {value!r}, expected {name}")
        if isinstance(old, dict):
            _check_fit(value, old, f"{place}: {key}")


def ranks(config: dict[str, Any]) -> int:
    """Processes that train together, over all hosts."""
    return config["parallel_config"]["data_parallel"] * config["parallel_config"]["model_parallel"]


def batch_rows(config: dict[str, Any]) -> int:
    """Rows of one step, over all ranks."""
    return config["abacus"]["finetune"]["batch_rows"]


def steps_per_epoch(config: dict[str, Any], rows: int) -> int:
    """Steps in what MindFormers calls an epoch: of the data or, with data sinking, of one call of the device."""
    runner = config["runner_config"]
    return runner["sink_size"] if runner["sink_mode"] else rows // batch_rows(config)


def checkpoint_files(
    config: dict[str, Any], rows: int, steps_per_checkpoint: int, rank: int = 0
) -> dict[int, str]:
    """Step and file name of every checkpoint that a rank writes: CheckpointMonitor counts epoch_step."""
    prefix = next(c["prefix"] for c in config["callbacks"] if c["type"] == "AdapterMonitor")
    per_epoch = steps_per_epoch(config, rows)
    steps = [steps_per_checkpoint * (n + 1) for n in range(config["abacus"]["finetune"]["checkpoints"])]
    return {
        step: f"{prefix}_rank_{rank}-{(step - 1) // per_epoch + 1}_{(step - 1) % per_epoch + 1}.ckpt"
        for step in steps
    }


def check_run(
    config: dict[str, Any], place: str, rows: int, steps_per_checkpoint: int, longest: int | None = None
) -> None:
    """Raise InputError, naming `place`, for a run that cannot work; `longest` is a row's number of ids."""
    batch, length = batch_rows(config), config["abacus"]["prompt"]["seq_length"]
    if rows < batch:
        raise InputError(f"{place}: {rows} rows, expected at least one batch of {batch}")
    if longest is not None and longest > length + 1:
        raise InputError(
            f"{place}: abacus.prompt.seq_length is {length}, expected at least {longest - 1}: "
            f"the longest row has {longest} ids, the last of which is only predicted"
        )
    runner = config["runner_config"]
    if not runner["sink_mode"]:
        return
    if steps_per_checkpoint % runner["sink_size"]:
        raise InputError(
            f"{place}: {steps_per_checkpoint} steps a checkpoint, expected a multiple of "
            f"runner_config.sink_size ({runner['sink_size']}), for the device does so many in one call"
        )


def resolve(
    config: dict[str, Any],
    *,
    base: Path,
    mindrecord: Path,
    rows: int,
    steps_per_checkpoint: int,
    seed: int,
    output: Path,
) -> dict[str, Any]:
    """The complete configuration of one run of `config` (from `profile`).

    `rows` is the number of rows in `mindrecord`; when they do not last for all steps they are read
    again, in the same order, as often as it takes. MindFormers counts a run in epochs; ours is as
    long as `lr_schedule.total_steps` and may end within an epoch (StepRecorder ends it).
    """
    resolved = copy.deepcopy(config)
    resolved["abacus"]["finetune"]["steps_per_checkpoint"] = steps_per_checkpoint
    checkpoints, batch = config["abacus"]["finetune"]["checkpoints"], batch_rows(config)
    steps = checkpoints * steps_per_checkpoint
    resolved["seed"] = seed
    resolved["output_dir"] = str(output)
    resolved["load_checkpoint"] = str(base / "model.ckpt")
    resolved["runner_config"]["epochs"] = -(-steps // (rows // batch))
    # MindFormers counts rows of a data-parallel group.
    resolved["runner_config"]["batch_size"] = batch // config["parallel_config"]["data_parallel"]
    resolved["lr_schedule"]["total_steps"] = steps
    resolved["model"]["model_config"]["seq_length"] = config["abacus"]["prompt"]["seq_length"]
    resolved["model"]["model_config"]["batch_size"] = resolved["runner_config"]["batch_size"]
    resolved["train_dataset"]["data_loader"]["dataset_dir"] = str(mindrecord)
    for callback in resolved["callbacks"]:
        if callback["type"] == "AdapterMonitor":
            callback["directory"] = str(output)
            callback["save_checkpoint_steps"] = steps_per_checkpoint
            callback["keep_checkpoint_max"] = checkpoints
    return resolved
