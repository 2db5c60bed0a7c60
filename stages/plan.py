"""Say what a run of a profile will be, before any device is touched, and refuse what cannot work.

    python -m stages.plan [--profile llama3-8b] [--json]      (make plan PROFILE=llama3-8b)

The model is MindFormers' own, built without memory; so are the learning rates. The activations are an estimate.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from tqdm import tqdm

from stages import base as bases
from stages.command import InputError, read_json, run
from stages.finetune import Finetune
from stages.lengths import Lengths, measure, sample
from stages.mindrecord import read_turns
from stages.model import config as configs
from stages.model import launch, limits, memory, weights
from stages.model.prompt import Prompter
from stages.model.quiet import framework_log
from stages.model.tokenizer import SPECIALS, Tokenizer
from stages.params import PATH, section
from stages.plan_text import text
from stages.report import FIXED_DENOMINATOR

if TYPE_CHECKING:
    from stages.model.skeleton import Skeleton

# As in dvc.yaml.
FINETUNE = (
    "python -m stages.finetune --profile {} --base data/base --mindrecord data/train-v2.mindrecord "
    "--out checkpoints"
)


class Rows(NamedTuple):
    """The number of training rows and the file that says so; their lengths, or why they are not known."""

    count: int
    source: Path
    lengths: Lengths | None
    measured: str  # what the lengths were measured on, or why they were not


def main() -> None:
    """Print the plan."""
    to = arguments()
    name = to.profile or configs.chosen(to.params)
    config = configs.profile(name)
    limits.check(config, f"profile {name!r}")
    steps = section("finetune", Finetune, to.params).steps_per_checkpoint
    if steps == "profile":
        steps = config["abacus"]["finetune"]["steps_per_checkpoint"]
    with framework_log(to.log) as user:
        rows = known_rows(to, config, name, user)
        plan = planned(config, name, rows, steps, to.base)
    print(json.dumps(plan, ensure_ascii=False, indent=2) if to.json else text(plan))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--profile", default="", help=f"{', '.join(configs.names())}; else that of params.yaml"
    )
    parser.add_argument("--json", action="store_true", help="numbers for a program")
    parser.add_argument("--params", type=Path, default=PATH)
    parser.add_argument("--base", type=Path, default=Path("data/base"), help="base model, if it is there")
    parser.add_argument("--source", type=Path, help="where a base model of your own lies")
    parser.add_argument("--conversations", type=Path, default=Path("data/train-v2-conversation.json"))
    parser.add_argument("--prepared", type=Path, default=Path("metrics/prepare.json"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/wheels"))
    parser.add_argument("--log", type=Path, default=Path("logs/plan.log"))
    return parser.parse_args()


def known_rows(to: argparse.Namespace, config: dict[str, Any], name: str, user: TextIO) -> Rows:
    """Count the training rows and measure them; InputError if they are too long or cannot be counted."""
    if to.conversations.is_file():
        turns, what = read_turns(to.conversations), f"all rows of {to.conversations}"
        count, source = len(turns), to.conversations
    else:
        count, source = counted(to.prepared, to.conversations), to.prepared
        turns, what = [], ""
    try:
        tokenizer = find_tokenizer(to, config, name)
        if not turns:
            turns = sample(to.params)
            what = f"a sample of {len(turns):,} rows made by the recipe in {to.params}"
    except InputError as error:
        return Rows(count, source, None, str(error))
    prompt = config["abacus"]["prompt"]
    length = prompt["seq_length"] + 1
    prompter = Prompter(tokenizer, prompt["template"], prompt["bos"])
    bar = partial(tqdm, desc="plan", total=len(turns), unit=" rows", unit_scale=True, delay=0.5, file=user)
    lengths = measure(turns, prompter, length, bar)
    if lengths.too_long:
        raise InputError(
            f"profile {name!r}: abacus.prompt.seq_length is {length - 1}, expected at least "
            f"{lengths.longest - 1}: row {lengths.longest_id} of {what} has {lengths.longest} tokens; "
            f"{lengths.too_long:,} of {lengths.rows:,} have more than {length}, and mindrecord leaves such rows out"
        )
    return Rows(count, source, lengths, what)


def counted(prepared: Path, conversations: Path) -> int:
    """The training rows that stage prepare counted."""
    if not prepared.is_file():
        raise InputError(
            f"{conversations} and {prepared}: no such files, expected one of them to count the training "
            "rows; `dvc repro converse` makes both"
        )
    rows = read_json(prepared, "the metrics of stage prepare").get("train")
    if type(rows) is not int:
        raise InputError(f"{prepared}: train is {rows!r}, expected the number of training rows")
    return rows


def find_tokenizer(to: argparse.Namespace, config: dict[str, Any], name: str) -> Tokenizer:
    """The profile's tokenizer, from the base model's folder if it holds this profile's."""
    model = config["model"]["model_config"]
    ids = [model[key] for key in SPECIALS]
    if own_base(to.base, model) is not None:
        found = Tokenizer.load(to.base)
        if [found.bos_id, found.eos_id, found.pad_id] == ids:
            return found
    source = to.source or Path("data/models") / name
    return Tokenizer(bases.fetch_tokenizer(config, name, source, to.cache), *ids)


def own_base(base: Path, model: dict[str, Any]) -> dict[str, Any] | None:
    """The shape that base/model.json says, if there is one and it is the profile's but for tying."""
    path = base / "model.json"
    if not path.is_file():
        return None
    found = read_json(path, "the output of stage base")
    wanted = weights.shape_of(model)
    same = all(found.get(key) == wanted[key] for key in wanted if key != "tie_word_embeddings")
    return found if same else None


def planned(config: dict[str, Any], name: str, rows: Rows, steps: int, base: Path) -> dict[str, Any]:
    """All that the plan says, as JSON has it."""
    configs.check_run(config, f"profile {name!r}", rows.count, steps)
    files = configs.checkpoint_files(config, rows.count, steps)
    resolved = configs.resolve(
        config,
        base=base,
        mindrecord=Path("data/train-v2.mindrecord"),
        rows=rows.count,
        steps_per_checkpoint=steps,
        seed=1,
        output=Path(),
    )
    from stages.model import skeleton

    ranks, total = configs.ranks(config), max(files)
    built = skeleton.build(resolved, ranks, files)
    model = config["model"]["model_config"]
    own = own_base(base, model)
    own_size = weights.parameters(own or weights.shape_of(model))
    batch = configs.batch_rows(config)
    epoch = rows.count // batch
    return {
        "profile": name,
        "trainable_parameters": built.trainable,
        "base_parameters": own_size,
        "base_parameters_of": "" if own else f", an output matrix counted; {base} will say if it is tied",
        "ratio_of_8_03e9": built.trainable / FIXED_DENOMINATOR,
        "ratio_of_base": built.trainable / own_size,
        "rows": rows.count,
        "rows_from": str(rows.source),
        "batch_rows": batch,
        "steps_per_epoch": epoch,
        "steps": total,
        "epochs": total / epoch,
        "warmup_steps": built.warmup_steps,
        "learning_rates": {str(step): rate for step, rate in built.rates.items()},
        "checkpoints": {str(step): file for step, file in files.items()},
        "device": config["context"]["device_target"],
        "ranks": ranks,
        "data_parallel": config["parallel_config"]["data_parallel"],
        "model_parallel": config["parallel_config"]["model_parallel"],
        "rank_bytes": rank_bytes(resolved, built),
        "max_device_memory": memory.limit(config),
        "seq_length": config["abacus"]["prompt"]["seq_length"],
        "lengths": rows.lengths._asdict() if rows.lengths else None,
        "lengths_of": rows.measured,
        "commands": commands(config, name),
    }


def rank_bytes(resolved: dict[str, Any], built: "Skeleton") -> dict[str, int]:
    """What one rank holds, by what it is for; the activations are an estimate."""
    estimate = memory.activations(resolved, built.adapted, built.head_parts)
    parts = {
        "base_weights": built.base_bytes,
        "lora_weights": built.lora_bytes,
        "gradients": built.gradient_bytes,
        "optimizer_states": built.optimizer_bytes,
        "activations_kept": estimate.kept,
        "activations_passing": estimate.passing,
    }
    return parts | {"total": sum(parts.values())}


def commands(config: dict[str, Any], name: str) -> list[str]:
    """What starts the run: one line for each host, or the one of stage finetune."""
    if configs.ranks(config) == 1:
        return [FINETUNE.format(name)]
    hosts = config["abacus"]["launch"]["hosts"]
    return [launch.shown(launch.command(config, host)) for host in range(hosts)]


if __name__ == "__main__":
    run(main)
