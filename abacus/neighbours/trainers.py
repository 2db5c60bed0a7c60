"""The same LoRA run for other trainers: rows and a YAML for LLaMA-Factory and for axolotl.

Both get a profile's texts written out, EOS included, and encode what is asked and what is learned apart: so their tokens
are ours whatever templates they know. Formats:
https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md (`sharegpt`) and
https://docs.axolotl.ai/docs/dataset-formats/template_free.html (`input_output`)
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from abacus.core.documents import write_json
from abacus.core.errors import InputError
from abacus.data.conversation import Turn, conversation
from abacus.data.rows import write_rows
from abacus.formats.huggingface import name_of
from abacus.neighbours.peft import targets
from abacus.neighbours.texts import Texts
from abacus.training.configuration import Training
from abacus.weights.architecture import expected

NAME = "abacus"  # of the data set
FACTORY, AXOLOTL = Path("llama-factory"), Path("axolotl")
# Their `cosine` is MindFormers' CosineWithWarmUpLR with its defaults; stage finetune sets the total itself.
SCHEDULE, SCHEDULE_SAID = "CosineWithWarmUpLR", ("type", "learning_rate", "warmup_ratio", "total_steps")
SCHEDULE_UNSAID = {"lr_end": 0.0, "num_cycles": 0.5, "warmup_lr_init": 0.0, "warmup_steps": 0}


def conversations(turns: list[Turn], texts: Texts) -> list[dict[str, object]]:
    """The rows for LLaMA-Factory's template `empty`, which adds nothing, not even EOS."""
    rows = (texts.row(turn.problem, turn.solution) for turn in turns)
    return [conversation(str(number), *row) for number, row in enumerate(rows, 1)]


def segments(turns: list[Turn], texts: Texts) -> Iterator[dict[str, Any]]:
    """The rows for axolotl's `input_output`: what is not learned, and what is."""
    for turn in turns:
        asked, learned = texts.row(turn.problem, turn.solution)
        yield {"segments": [{"label": False, "text": asked}, {"label": True, "text": learned}]}


def dataset_info() -> dict[str, Any]:
    """What dataset_info.json says of the rows."""
    tags = {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"}
    columns = {"messages": "conversations"}
    return {NAME: {"file_name": f"{NAME}.json", "formatting": "sharegpt", "columns": columns, "tags": tags}}


def modules(training: Training) -> list[str]:
    """The modules that LoRA adapts, as PEFT is told."""
    pattern = training.model.pet_config.target_modules
    shapes = expected(training.architecture)
    names = [name.removesuffix(".weight") for name, shape in shapes.items() if len(shape) == 2]
    adapted = [name_of(f"{name}.weight") for name in names if re.match(pattern, name)]
    found = [f"{name.removesuffix('.weight')}.lora_A.weight" for name in adapted]
    return targets(found, training.architecture.num_layers)


def check(training: Training, place: str) -> None:
    """Raise InputError, naming `place`, for a run that these trainers' keys cannot say."""
    schedule, alpha = training.framework["lr_schedule"], training.model.pet_config.lora_alpha
    said = "for another trainer to learn at the same rate"
    if schedule.get("type") != SCHEDULE:
        raise InputError(place, f"lr_schedule.type is {schedule.get('type')!r}", f"{SCHEDULE}, {said}")
    for key, value in schedule.items():
        if key not in SCHEDULE_SAID and value != SCHEDULE_UNSAID.get(key):
            expected = SCHEDULE_UNSAID.get(key, "no such key")
            raise InputError(place, f"lr_schedule.{key} is {value!r}", f"{expected}, {said}")
    if alpha != int(alpha):
        found = f"model.model_config.pet_config.lora_alpha is {alpha!r}"
        raise InputError(place, found, "a whole number, which is what other trainers take")


def clipped(training: Training) -> float:
    """The norm that gradients are cut at; 0, with which these trainers cut none."""
    wrapper = training.framework["runner_wrapper"]
    return float(wrapper.get("max_grad_norm", 1.0)) if wrapper.get("use_clip_grad", False) else 0.0


def shared(training: Training) -> dict[str, Any]:
    """What both YAMLs say by the same keys, which are transformers'."""
    optimizer, schedule = training.framework["optimizer"], training.typed.lr_schedule
    half = training.model.compute_dtype
    return {
        "learning_rate": schedule.learning_rate,
        "lr_scheduler": "cosine",
        "warmup_ratio": schedule.warmup_ratio,
        "max_steps": training.steps,
        "save_steps": training.settings.steps_per_checkpoint,
        "logging_steps": 1,
        "gradient_accumulation_steps": 1,
        "weight_decay": optimizer.get("weight_decay", 0.0),
        "adam_beta1": optimizer["betas"][0],
        "adam_beta2": optimizer["betas"][1],
        "adam_epsilon": optimizer["eps"],
        "max_grad_norm": clipped(training),
        "seed": training.settings.seed,
        "bf16": half == "bfloat16",
        "fp16": half == "float16",
    }


def factory(training: Training, base_name: str, folder: Path) -> dict[str, Any]:
    """LLaMA-Factory's YAML; `folder` is where the rows lie, as seen from where it is started."""
    lora, packed = training.model.pet_config, training.settings.learned is not None
    common = shared(training)
    scheduler = common.pop("lr_scheduler")
    return {
        "model_name_or_path": base_name,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": lora.lora_rank,
        "lora_alpha": int(lora.lora_alpha),
        "lora_dropout": lora.lora_dropout,
        "lora_target": ",".join(modules(training)),
        "dataset": NAME,
        "dataset_dir": str(folder),
        "template": "empty",
        # Packed, it takes one place off for itself.
        "cutoff_len": training.settings.seq_length + 1,
        "packing": packed,
        "neat_packing": packed,
        "per_device_train_batch_size": _rows(training),
        "optim": "adamw_torch",
        "lr_scheduler_type": scheduler,
        **common,
        "output_dir": str(folder / "saves"),
    }


def axolotl(training: Training, base_name: str, folder: Path) -> dict[str, Any]:
    """axolotl's YAML; `folder` is where the rows lie, as seen from where it is started."""
    lora, packed = training.model.pet_config, training.settings.learned is not None
    return {
        "base_model": base_name,
        "adapter": "lora",
        "lora_r": lora.lora_rank,
        "lora_alpha": int(lora.lora_alpha),
        "lora_dropout": lora.lora_dropout,
        "lora_target_modules": modules(training),
        "datasets": [{"path": str(folder / f"{NAME}.jsonl"), "ds_type": "json", "type": "input_output"}],
        "train_on_inputs": False,
        "val_set_size": 0,
        "sequence_len": training.settings.seq_length + (not packed),
        "sample_packing": packed,
        "micro_batch_size": _rows(training),
        "optimizer": "adamw_torch",
        **shared(training),
        "output_dir": str(folder / "saves"),
    }


def _rows(training: Training) -> int:
    """Sequences of a step on one device."""
    return training.settings.batch_rows // training.typed.parallel_config.data_parallel


def write(part: Path, out: Path, turns: list[Turn], texts: Texts, training: Training, base_name: str) -> None:
    """Write both folders into `part`, which will be `out`."""
    for name in (FACTORY, AXOLOTL):
        (part / name).mkdir()
    write_json(part / FACTORY / f"{NAME}.json", conversations(turns, texts))
    write_json(part / FACTORY / "dataset_info.json", dataset_info())
    write_rows(part / AXOLOTL / f"{NAME}.jsonl", segments(turns, texts))
    for folder, document in (
        (FACTORY, factory(training, base_name, out / FACTORY)),
        (AXOLOTL, axolotl(training, base_name, out / AXOLOTL)),
    ):
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        (part / folder / "lora.yaml").write_text(text, encoding="utf-8")
