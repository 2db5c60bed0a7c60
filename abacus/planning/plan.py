"""What a run of a profile will be, before any device is touched; what cannot work is refused."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from tqdm import tqdm

from abacus.core.documents import read_json
from abacus.core.errors import InputError
from abacus.core.params import section
from abacus.core.ranks import shown
from abacus.data.inputs import OWN, given
from abacus.data.selection import Prepare
from abacus.formats import fetch, own
from abacus.planning import cost, memory
from abacus.planning.sample import trained_on
from abacus.profile.concerns import origin_of
from abacus.profile.load import Profile
from abacus.scoring.summary import FIXED_DENOMINATOR
from abacus.text.encode import Lengths, encode, measure
from abacus.text.packing import pack
from abacus.text.prompt import Prompter
from abacus.text.tokenizer import Tokenizer
from abacus.training.configuration import Run, Training
from abacus.training.launch import ranks_of
from abacus.weights.architecture import Architecture, parameters, read_architecture

if TYPE_CHECKING:
    from abacus.planning.skeleton import Skeleton

# As in dvc.yaml.
FINETUNE = (
    "python -m stages.finetune --train data/profile/train.yaml --base data/base "
    "--mindrecord {mindrecord} --out checkpoints "
    "--live data/profile/live.yaml --figures dvclive --summary metrics/live/training.json"
)


class Rows(NamedTuple):
    """The number of training rows and the file that says so; their lengths, or why they are not known."""

    count: int
    source: str
    lengths: Lengths | None
    measured: str  # what the lengths were measured on, or why they were not

    sequences: int | None = None  # where rows are packed

    def records(self, profile: Profile) -> int:
        """The MindRecord's rows; InputError if rows are packed and nobody could measure them."""
        if profile.prompt.packing is None:
            return self.count
        if self.sequences is None:
            raise InputError(
                f"profile {profile.name!r}", f"rows are packed and cannot be measured: {self.measured}"
            )
        return self.sequences


def known_rows(to: argparse.Namespace, profile: Profile, user: TextIO) -> Rows:
    """Count the training rows and measure them; InputError if they are too long or cannot be counted."""
    mindrecord = trained_from(to.params)
    if mindrecord != Path(OWN.mindrecord):
        from abacus.training.trainer import count_rows

        packing = profile.prompt.packing
        count = count_rows(
            mindrecord,
            profile.prompt.seq_length,
            profile.model.vocab_size,
            packing.learned if packing else None,
        )
        measured = f"the rows of {mindrecord} are tokens already"
        return Rows(count, str(mindrecord), None, measured, count if packing else None)
    try:
        sampled = trained_on(to.params, made=not to.recipe)
    except InputError as error:
        return Rows(counted(to.prepared), str(to.prepared), None, str(error))
    turns = sampled.turns
    count, source = (len(turns), sampled.what) if sampled.whole else asked_for(to)
    try:
        tokenizer = find_tokenizer(to, profile)
    except InputError as error:
        return Rows(count, source, None, str(error))
    length = profile.prompt.seq_length + 1
    prompter = Prompter(tokenizer, profile.prompt.template, profile.prompt.bos)
    bar = partial(tqdm, desc="plan", total=len(turns), unit=" rows", unit_scale=True, delay=0.5, file=user)
    lengths = measure(turns, prompter, length, bar)
    if profile.prompt.packing:
        whole = pack(encode(turns, prompter), length - 1, profile.prompt.packing.learned)
        lengths = lengths.packed(sum(1 for _ in whole), length - 1)
    if lengths.too_long:
        raise InputError(
            f"profile {profile.name!r}",
            f"abacus.prompt.seq_length is {length - 1}",
            f"at least {lengths.longest - 1}: row {lengths.longest_id} of {sampled.what} has {lengths.longest} tokens",
            f"{lengths.too_long:,} of {lengths.rows:,} have more than {length}, and mindrecord leaves such rows out",
        )
    sequences = round(count * lengths.sequences / lengths.rows) if lengths.sequences else None
    return Rows(count, source, lengths, sampled.what, sequences)


def trained_from(params: Path) -> Path:
    """The MindRecord that stage finetune reads."""
    return given(params).get("mindrecord", [Path(OWN.mindrecord)])[0]


def asked_for(to: argparse.Namespace) -> tuple[int, str]:
    """How many rows the pipeline's own recipe, or another one, has or asks for, and the file that says so."""
    if to.recipe:
        return section("prepare", Prepare, to.params).train_size, f"train_size of {to.params.name}"
    return counted(to.prepared), str(to.prepared)


def counted(prepared: Path) -> int:
    """The training rows that stage prepare counted."""
    if not prepared.is_file():
        raise InputError(
            f"{OWN.conversations} and {prepared}",
            "no such files",
            "one of them to count the training rows",
            "`dvc repro converse` makes both",
        )
    rows = read_json(prepared, "the metrics of stage prepare").get("train")
    if type(rows) is not int:
        raise InputError(prepared, f"train is {rows!r}", "the number of training rows")
    return rows


def find_tokenizer(to: argparse.Namespace, profile: Profile) -> Tokenizer:
    """The profile's tokenizer, from the base model's folder if it holds this profile's."""
    ids = list(profile.llama.special_ids.values())
    if own_base(to.base, profile) is not None:
        found = Tokenizer.load(to.base)
        if [found.bos_id, found.eos_id, found.pad_id] == ids:
            return found
    source = to.source or own.OWN / profile.name
    return Tokenizer(fetch.fetch_tokenizer(origin_of(profile), profile.llama, source, to.cache), *ids)


def own_base(base: Path, profile: Profile) -> Architecture | None:
    """The architecture that base/model.json says, if there is one and it is the profile's but for tying."""
    if not (base / "model.json").is_file():
        return None
    found, wanted = read_architecture(base), profile.llama.architecture
    same = found.model_copy(update={"tie_word_embeddings": wanted.tie_word_embeddings}) == wanted
    return found if same else None


def planned(
    profile: Profile, training: Training, rows: Rows, base: Path, mindrecord: Path, rate: float | None = None
) -> dict[str, Any]:
    """All that the plan says, as JSON has it; `rate`: TFLOP/s that a rank does, where that is known."""
    records = rows.records(profile)
    training.check(f"profile {profile.name!r}", records)
    files = training.checkpoint_files(records)
    run = training.resolve(base=base, mindrecord=mindrecord, rows=records, output=Path())
    from abacus.planning import skeleton

    total, batch = max(files), training.settings.batch_rows
    built = skeleton.build(run, files)
    own = own_base(base, profile)
    own_size = parameters(own or profile.llama.architecture)
    epoch = records // batch
    return {
        "profile": profile.name,
        "trainable_parameters": built.trainable,
        "base_parameters": own_size,
        "base_parameters_of": "" if own else f", an output matrix counted; {base} will say if it is tied",
        "ratio_of_8_03e9": built.trainable / FIXED_DENOMINATOR,
        "ratio_of_base": built.trainable / own_size,
        "rows": rows.count,
        "rows_from": rows.source,
        "sequences": records if profile.prompt.packing else None,
        "batch_rows": batch,
        "steps_per_epoch": epoch,
        "steps": total,
        "epochs": total / epoch,
        **costs(run, rows, built, total, rate or cost.TERAFLOPS[profile.device]),
        "warmup_steps": built.warmup_steps,
        "learning_rates": {str(step): rate for step, rate in built.rates.items()},
        "checkpoints": {str(step): file for step, file in files.items()},
        "device": profile.device,
        "ranks": profile.ranks,
        "data_parallel": profile.document.parallel_config.data_parallel,
        "model_parallel": profile.document.parallel_config.model_parallel,
        "rank_bytes": rank_bytes(run, built),
        "max_device_memory": memory.limit(profile.framework),
        "seq_length": profile.prompt.seq_length,
        "lengths": rows.lengths._asdict() if rows.lengths else None,
        "lengths_of": rows.measured,
        "commands": commands(training, mindrecord),
    }


def costs(run: Run, rows: Rows, built: "Skeleton", steps: int, rate: float) -> dict[str, Any]:
    """What is computed: places of a step over all ranks, tokens of the whole run, and an estimate of its hours."""
    batch, lengths = run.settings.batch_rows, rows.lengths
    tokens = learned = None
    if lengths:
        each, less = (lengths.rows / lengths.sequences, 1) if lengths.sequences else (1, 0)
        trained = steps * batch * each
        tokens, learned = round(trained * (lengths.mean - less)), round(trained * lengths.mean_learned)
    a_step = cost.operations(run, built.trainable, built.head_parts)
    return {
        "places": batch * run.settings.seq_length,
        "tokens": tokens,
        "learned_tokens": learned,
        "rank_operations": a_step,
        "teraflops": rate,
        "hours": steps * a_step / rate / 1e12 / 3600,
    }


def rank_bytes(run: Run, built: "Skeleton") -> dict[str, int]:
    """What one rank holds, by what it is for; the activations are an estimate."""
    estimate = memory.activations(run, built.adapted, built.head_parts)
    parts = {
        "base_weights": built.base_bytes,
        "lora_weights": built.lora_bytes,
        "gradients": built.gradient_bytes,
        "optimizer_states": built.optimizer_bytes,
        "activations_kept": estimate.kept,
        "activations_passing": estimate.passing,
    }
    return parts | {"total": sum(parts.values())}


def commands(training: Training, mindrecord: Path) -> list[str]:
    """What starts the run: one line for each host, or the one of stage finetune."""
    if training.ranks == 1:
        return [FINETUNE.format(mindrecord=mindrecord)]
    ranks = ranks_of(training)
    return [shown(ranks.command(host)) for host in range(ranks.launch.hosts)]
