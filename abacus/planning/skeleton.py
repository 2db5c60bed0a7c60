"""The real MindFormers model of a run, built without memory: what it trains, and what one rank holds of it.

Importing this module imports MindFormers: do it within `quiet.framework_log`. No accelerator is touched.
"""

import math
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import mindspore
from mindformers import MindFormerConfig
from mindformers.core.lr import build_lr
from mindformers.core.optim import build_optim
from mindformers.core.parallel_config import build_parallel_config
from mindformers.models.build_model import build_network
from mindformers.trainer.optimizer_grouped_parameters import get_optimizer_grouped_parameters
from mindpet.delta.lora import LoRADense
from mindspore import nn
from mindspore.nn.utils import no_init_parameters

import abacus.training.packed  # noqa: F401  registers the model that packed profiles name
from abacus.core.errors import InputError
from abacus.planning.memory import Adapted
from abacus.training.configuration import Run

# Each rank's part of a weight is that of the operator that multiplies or looks up with it: the attribute
# of the cell that holds the operator, and the place of the weight among the operator's inputs.
OPERATORS = {
    "embedding_weight": ("gather", 0),
    "mindpet_delta_lora_a": ("lora_a_matmul", 1),
    "mindpet_delta_lora_b": ("lora_b_matmul", 1),
    "weight": ("matmul", 1),
}
STATES = ("adam_m.", "adam_v.")


class Skeleton(NamedTuple):
    """Numbers of parameters; bytes that one rank holds of the weights and of what training adds to them."""

    trainable: int
    parameters: int  # with LoRA's
    base_bytes: int
    lora_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    head_parts: int  # the output matrix, and so the logits, lie on so many ranks in parts
    adapted: list[Adapted]
    warmup_steps: int
    rates: dict[int, float]  # by step, from 0


def build(run: Run, ends: Iterable[int]) -> Skeleton:
    """Build model, optimiser and schedule of a run as MindFormers' Trainer does.

    Weights have a shape and a type, but no values. A tensor-parallel model is built as rank 0 of its ranks, so
    that it has its ranks' strategies. Learning rates are those of the first two steps, of the first after
    warm-up, and of the last step of each part of the run that `ends` after so many steps.
    """
    mindspore.set_context(device_target="CPU")
    settings = MindFormerConfig(**run.framework)
    settings.use_legacy = True  # what `build_context` sets for models that are not of the newer kind
    build_parallel_config(settings)
    if run.typed.parallel_config.model_parallel > 1:
        os.environ["RANK_SIZE"] = str(
            run.ranks
        )  # MindSpore's own word for it where no ranks talk to each other
        mindspore.set_auto_parallel_context(
            parallel_mode="semi_auto_parallel", device_num=run.ranks, global_rank=0
        )
    with no_init_parameters():
        try:
            network = _network(settings)
            network.set_train()
            schedule = build_lr(settings.lr_schedule)
            optimizer = _optimizer(settings, network, schedule)
        except (TypeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                "MindFormers cannot build the profile's model or optimiser", str(reason)
            ) from error
    return _measured(network, optimizer, schedule, [end - 1 for end in ends])


def _network(settings: MindFormerConfig) -> nn.Cell:
    parts = {
        "parallel_config": settings.parallel_config,
        "moe_config": settings.moe_config,
        "dataset_config": settings.train_dataset,
        "calculate_per_token_loss": False,
    }
    return build_network(settings.model, default_args=parts)


def _optimizer(settings: MindFormerConfig, network: nn.Cell, schedule: nn.Cell) -> nn.Cell:
    groups = get_optimizer_grouped_parameters(
        model=network,
        weight_decay=settings.optimizer.weight_decay,
        dynamic_lr_schedule=schedule,
        optimizer_type=settings.optimizer.type,
    )
    return build_optim(settings.optimizer, default_args={"params": groups, "learning_rate": schedule})


def _measured(network: nn.Cell, optimizer: nn.Cell, schedule: nn.Cell, last: list[int]) -> Skeleton:
    parts = dict(_parts(network))
    trainable = network.trainable_params()
    learned = {parameter.name for parameter in trainable}
    frozen = [p for p in network.get_parameters() if p.name not in learned]
    warmup = int(schedule.warmup_steps)
    steps = sorted({step for step in (0, 1, warmup) if step <= max(last)} | set(last))
    states = [p for p in optimizer.get_parameters() if p.name.startswith(STATES)]

    def held(parameters: list[mindspore.Parameter], width: int | None = None) -> int:
        """Bytes on one rank; `width` are those of a value, if not its own type's."""
        return sum(
            p.size
            * (width or p.itemsize)
            // parts.get(p.name.removeprefix(STATES[0]).removeprefix(STATES[1]), 1)
            for p in parameters
        )

    return Skeleton(
        trainable=sum(p.size for p in trainable),
        parameters=sum(p.size for p in [*trainable, *frozen]),
        base_bytes=held(frozen),
        lora_bytes=held(trainable),
        gradient_bytes=held(trainable, 4),  # MFTrainOneStepCell turns them into float32
        optimizer_bytes=held(states),
        head_parts=parts["lm_head.weight"],
        adapted=[_adapted(cell) for _, cell in network.cells_and_names() if isinstance(cell, LoRADense)],
        warmup_steps=warmup,
        rates={step: float(schedule(mindspore.Tensor(step))) for step in steps},
    )


def _parts(network: nn.Cell) -> Iterator[tuple[str, int]]:
    """Name of every weight that an operator has a strategy for, and into how many parts it is cut."""
    for _, cell in network.cells_and_names():
        for attribute, parameter in cell._params.items():
            operator, place = OPERATORS.get(attribute, ("", 0))
            strategy = getattr(getattr(cell, operator, None), "in_strategy", None)
            yield parameter.name, math.prod(strategy[place]) if strategy else 1


def _adapted(cell: LoRADense) -> Adapted:
    strategy = getattr(cell.lora_a_matmul, "in_strategy", None)
    return Adapted(cell.in_channels // (strategy[0][-1] if strategy else 1), cell.lora_rank)
