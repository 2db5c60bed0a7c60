"""The configuration of a training: MindFormers' own document with a typed section of ours, before and after a run is known.

`data/profile/train.yaml` holds a Training: all that a profile and the parameters say. A Run is a Training that knows
its files; it is what MindFormers' Trainer gets, what several ranks read, and what lies beside the checkpoints.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.core.params import PATH, checkpoints, section
from abacus.core.ranks import Launch
from abacus.core.typed import Model, Open, validated, whole
from abacus.profile.load import Profile, merge
from abacus.profile.model import (
    PACKED_FIELDS,
    Context,
    Framework,
    Live,
    ModelConfig,
    ModelSection,
    ParallelConfig,
    Runner,
    Schedule,
    llama_of,
)
from abacus.weights.architecture import Architecture

# What MindFormers is told of rows that share sequences: abacus/training/packed.py has the model.
PACKED: Framework = {
    "model": {"arch": {"type": "PackedLlamaForCausalLM"}},
    "train_dataset": {"input_columns": list(PACKED_FIELDS)},
}
MONITOR = "AdapterMonitor"
CONFIG = "config.yaml"  # in the folder of checkpoints


class Settings(Model):
    """Our section of a training's document: numbers of checkpoints, steps and rows (over all ranks), seed, ranks."""

    checkpoints: Annotated[int, whole(1)]
    steps_per_checkpoint: Annotated[int, whole(1)]
    batch_rows: Annotated[int, whole(1)]
    seq_length: Annotated[int, whole(8)]
    learned: Annotated[int, whole(1)] | None = None  # places of a sequence of packed rows
    seed: Annotated[int, whole(1, 2**31 - 1)]
    launch: Launch


class Document(Open):
    """What the pipeline reads of MindFormers' part."""

    abacus: Settings
    model: ModelSection
    runner_config: Runner
    lr_schedule: Schedule
    context: Context
    parallel_config: ParallelConfig
    callbacks: list[dict[str, Any]]


@dataclass(frozen=True)
class Training:
    """A training of a profile; `framework` is MindFormers' part of the document, `settings` ours."""

    framework: Framework
    settings: Settings
    typed: Document

    @property
    def model(self) -> ModelConfig:
        """MindFormers' `model_config`."""
        return self.typed.model.config

    @property
    def architecture(self) -> Architecture:
        """The model's numbers."""
        return llama_of(self.model).architecture

    @property
    def ranks(self) -> int:
        """Processes that train together, over all hosts."""
        return self.typed.parallel_config.data_parallel * self.typed.parallel_config.model_parallel

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.settings.checkpoints * self.settings.steps_per_checkpoint

    def steps_per_epoch(self, rows: int) -> int:
        """Steps in what MindFormers calls an epoch: of the data or, with data sinking, of one call of the device."""
        runner = self.typed.runner_config
        return runner.sink_size if runner.sink_mode else rows // self.settings.batch_rows

    def checkpoint_files(self, rows: int, rank: int = 0) -> dict[int, str]:
        """Step and file name of every checkpoint that a rank writes: CheckpointMonitor counts epoch_step."""
        prefix = next(c["prefix"] for c in self.typed.callbacks if c["type"] == MONITOR)
        per_epoch, every = self.steps_per_epoch(rows), self.settings.steps_per_checkpoint
        steps = [every * (n + 1) for n in range(self.settings.checkpoints)]
        return {
            step: f"{prefix}_rank_{rank}-{(step - 1) // per_epoch + 1}_{(step - 1) % per_epoch + 1}.ckpt"
            for step in steps
        }

    def check(self, place: object, rows: int) -> None:
        """Raise InputError, naming `place`, for a run that cannot work."""
        batch, runner = self.settings.batch_rows, self.typed.runner_config
        if rows < batch:
            raise InputError(place, f"{rows} rows", f"at least one batch of {batch}")
        if runner.sink_mode and self.settings.steps_per_checkpoint % runner.sink_size:
            raise InputError(
                place,
                f"{self.settings.steps_per_checkpoint} steps a checkpoint",
                f"a multiple of runner_config.sink_size ({runner.sink_size}), for the device does so many in one call",
            )

    def document(self) -> Framework:
        """The whole document, as YAML has it."""
        return {"abacus": self.settings.model_dump(), **copy.deepcopy(self.framework)}

    def resolve(self, *, base: Path, mindrecord: Path, rows: int, output: Path) -> "Run":
        """The run with these files.

        `rows` is the number of rows in `mindrecord`; when they do not last for all steps they are read
        again, in the same order, as often as it takes. MindFormers counts a run in epochs; ours is as
        long as `lr_schedule.total_steps` and may end within an epoch (StepRecorder ends it).
        """
        resolved, batch = copy.deepcopy(self.framework), self.settings.batch_rows
        resolved["seed"] = self.settings.seed
        resolved["output_dir"] = str(output)
        # The folder, not model.ckpt in it: MindFormers follows a file's links and judges the last one's name, which
        # has no .ckpt in DVC's cache.
        resolved["load_checkpoint"] = str(base)
        resolved["runner_config"]["epochs"] = -(-self.steps // (rows // batch))
        # MindFormers counts rows of a data-parallel group.
        resolved["runner_config"]["batch_size"] = batch // self.typed.parallel_config.data_parallel
        resolved["lr_schedule"]["total_steps"] = self.steps
        resolved["model"]["model_config"]["seq_length"] = self.settings.seq_length
        resolved["model"]["model_config"]["batch_size"] = resolved["runner_config"]["batch_size"]
        resolved["train_dataset"]["data_loader"]["dataset_dir"] = str(mindrecord)
        for callback in resolved["callbacks"]:
            if callback["type"] == MONITOR:
                callback["directory"] = str(output)
                callback["save_checkpoint_steps"] = self.settings.steps_per_checkpoint
                callback["keep_checkpoint_max"] = self.settings.checkpoints
        return Run(resolved, self.settings, self.typed, output)


class Finetune(Model):
    """Section `finetune` of params.yaml."""

    seed: Annotated[int, whole(1, 2**31 - 1)]  # 0 means "no seed" in places of MindSpore
    steps_per_checkpoint: Annotated[
        Literal["profile"] | int, Field(description="'profile' or a whole number from 1 to 1000000")
    ]

    @field_validator("steps_per_checkpoint")
    @classmethod
    def _in_range(cls, value: Literal["profile"] | int) -> Literal["profile"] | int:
        if value != "profile" and not 1 <= value <= 10**6:
            raise ValueError
        return value


def asked(profile: Profile, params: Path = PATH) -> dict[str, int]:
    """Checkpoints, steps between two of them, and seed, by params.yaml and, where that says so, the profile."""
    chosen = section("finetune", Finetune, params)
    steps = chosen.steps_per_checkpoint
    if steps == "profile":
        steps = profile.document.abacus.finetune.steps_per_checkpoint
    return {"checkpoints": max(checkpoints(params)), "steps_per_checkpoint": steps, "seed": chosen.seed}


class Resumed(Model):
    """Where a run goes on: after a step, in an epoch, from a checkpoint a rank."""

    step: Annotated[int, whole(1)]
    epoch: Annotated[int, whole(0)]
    checkpoints: list[str]


class Seen(Live):
    """How a run is seen while it runs, in which folder, and in which file of metrics."""

    folder: str
    summary: str


@dataclass(frozen=True)
class Run(Training):
    """A training with its files; `framework` is then complete."""

    output: Path = Path()
    resumed: Resumed | None = None
    seen: Seen | None = None

    def document(self) -> Framework:
        """The whole document, as YAML has it."""
        given = {"resumed": self.resumed, "seen": self.seen}
        own = self.settings.model_dump() | {key: part.model_dump() for key, part in given.items() if part}
        return {"abacus": own, **copy.deepcopy(self.framework)}


def training_of(profile: Profile, *, checkpoints: int, steps_per_checkpoint: int, seed: int) -> Training:
    """The training that a profile and the parameters ask for."""
    abacus = profile.document.abacus
    settings = Settings(
        checkpoints=checkpoints,
        steps_per_checkpoint=steps_per_checkpoint,
        batch_rows=abacus.finetune.batch_rows,
        seq_length=abacus.prompt.seq_length,
        learned=abacus.prompt.packing.learned if abacus.prompt.packing else None,
        seed=seed,
        launch=abacus.launch,
    )
    framework = merge(profile.framework, PACKED) if abacus.prompt.packing else profile.framework
    return training_from({"abacus": settings.model_dump(), **framework}, profile.name)


def read_training(path: Path) -> Training:
    """The training that stage `configure` has written to `path`."""
    return training_from(read_yaml(path), str(path))


def read_run(path: Path) -> Run:
    """The run that a document at `path` describes: `config.yaml` beside the checkpoints, or what ranks get."""
    document = read_yaml(path)
    own = document.get("abacus")
    resumed, seen = (own.pop(key, None) if isinstance(own, dict) else None for key in ("resumed", "seen"))
    found = training_from(document, str(path))
    return Run(
        found.framework,
        found.settings,
        found.typed,
        Path(str(document.get("output_dir"))),
        validated(Resumed, resumed, path, "abacus.resumed") if resumed else None,
        validated(Seen, seen, path, "abacus.seen") if seen else None,
    )


def training_from(document: Framework, place: str) -> Training:
    """The training of a whole document; InputError names `place` if it is none."""
    typed = validated(Document, document, place)
    return Training({key: document[key] for key in document if key != "abacus"}, typed.abacus, typed)
