"""What a run needs of a machine, told in a blink: memory at its peak, and bytes on the disk by stage.

The weights are counted by their shapes and the activations estimated as in `make plan`, which builds MindFormers' own
model and takes its time. Bytes of a row were taken from the committed dvc.lock.
"""

import math
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import psutil

from abacus.core.files import free_bytes
from abacus.core.params import PATH, section
from abacus.data.selection import Prepare
from abacus.planning import memory
from abacus.planning.memory import Adapted
from abacus.profile.load import Profile
from abacus.synthesis.rows import Synthesize, different
from abacus.training.configuration import Training, asked, training_of
from abacus.weights.architecture import SIZES, expected, lora_parameters

# What a process holds that has started MindSpore and MindFormers: that of a training of the profile tiny, whose model is
# nothing (memory_gb of its live figures).
FRAMEWORK = 1_070_000_000
FLOAT32 = 4
STATES = 4  # of a trained value: itself, its gradient, AdamW's two
RAW, REJECTED, PREPARED, CONVERSATION = 105, 52, 117, 263  # bytes of a row
ROW_IDS = 72  # of a packed row, with its share of what is left over in a sequence
SYNTHETIC = 810_000  # raw rows at scale 1
MODEL = {"base", "finetune", "predict"}  # stages that hold the model; the others, no more than the framework


def memory_bytes(profile: Profile, training: Training) -> int:
    """What one rank of the fine-tuning holds at its peak, an estimate; on an accelerator, of the device's memory."""
    run = training.resolve(base=Path(), mindrecord=Path(), rows=training.settings.batch_rows, output=Path())
    shapes = expected(training.architecture)
    lora = training.model.pet_config
    adapted = [
        Adapted(shape[1], lora.lora_rank)
        for name, shape in shapes.items()
        if len(shape) == 2 and re.match(lora.target_modules, name.removesuffix(".weight"))
    ]
    tensor = training.typed.parallel_config.model_parallel
    base = sum(map(math.prod, shapes.values())) * SIZES[training.model.param_init_type]
    trained = STATES * FLOAT32 * _trained(training)
    passing = memory.activations(run, adapted, tensor)
    framework = FRAMEWORK if profile.device == "CPU" else 0
    return (base + trained) // tensor + passing.kept + passing.passing + framework


def disk_bytes(training: Training, recipe: Prepare, scale: float) -> dict[str, int]:
    """What each stage leaves, and what a fine-tuning has at work beside it; stages of less than a megabyte are left out."""
    raw = max(int(SYNTHETIC * scale), different(scale))
    kept = recipe.train_size
    settings, length = training.settings, training.settings.seq_length
    per_row = 2 * (length + 1) * FLOAT32
    if settings.learned:
        per_row = 2 * (length + settings.learned) * FLOAT32 * ROW_IDS // length
    base = (
        sum(map(math.prod, expected(training.architecture).values())) * SIZES[training.model.param_init_type]
    )
    adapters = settings.checkpoints * FLOAT32 * _trained(training)
    return {
        "synthesize": raw * RAW,
        "prepare": raw * REJECTED + kept * PREPARED,
        "converse": kept * CONVERSATION,
        "base": base,
        "mindrecord": kept * per_row,
        "finetune": adapters * (1 + 4 * training.ranks),  # as run.check_disk has it
    }


def _trained(training: Training) -> int:
    """Values that are trained."""
    lora = training.model.pet_config
    return lora_parameters(training.architecture, lora.lora_rank, lora.target_modules)


class Needs(NamedTuple):
    """Bytes that stages need, and what of them there is: in memory for every rank of this host, and on the disk."""

    memory: int
    memory_in_all: int
    memory_free: int
    disk: int
    disk_free: int


def of(profile: Profile, stages: Collection[str], params: Path = PATH) -> Needs:
    """What these stages need; of a matrix the name alone."""
    training = training_of(profile, **asked(profile, params))
    recipe, scale = section("prepare", Prepare, params), section("synthesize", Synthesize, params).scale
    disk = disk_bytes(training, recipe, scale)
    ranks = training.ranks // training.settings.launch.hosts
    memory_needed = memory_bytes(profile, training) * ranks if MODEL & set(stages) else FRAMEWORK
    machine = psutil.virtual_memory()
    return Needs(
        memory_needed,
        machine.total,
        machine.available,
        sum(size for stage, size in disk.items() if stage in stages),
        free_bytes(Path("data")),
    )


def said(needs: Needs, device: str) -> str:
    """The needs in a line."""
    where = f"{_giga(needs.memory_free)} free" if device == "CPU" else f"of the {device}s"
    return (
        f"needs about {_giga(needs.memory)} of memory at its peak ({where}) and "
        f"{_giga(needs.disk)} of disk ({_giga(needs.disk_free)} free)"
    )


def _giga(size: int) -> str:
    return f"{size / 10**9:.1f} GB"


def device_bytes(profile: Profile) -> int | None:
    """What the profile allows on the devices of one host, if it says so."""
    most = memory.limit(profile.framework)
    return most and most * profile.ranks // profile.document.abacus.launch.hosts
