"""An estimate of what a step of training holds in memory besides weights, gradients and optimiser states.

On an accelerator: the tensors that the backward pass reads, counted as in section 4 of Korthikanti et al. 2022,
"Reducing Activation Recomputation in Large Transformer Models" (https://arxiv.org/abs/2205.05198). Theirs is a
GPT that is trained whole; here it is a Llama whose matrices are frozen (a product needs no copy of its input,
but where LoRA stands), with RMSNorm, gated SiLU and grouped heads. No such device has checked it.

On a CPU MindSpore 2.7 gives nothing back within a graph: every result of the forward and backward pass counts.
How many there are of each size was fitted to the peak memory of eight runs (two batch sizes of four models). A step that
goes layer by layer holds those of one layer, and of all layers what is kept for the way back.

Not counted are the framework's own workspace and the buffers of messages between ranks.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from abacus.profile.model import LAYERWISE, Framework
from abacus.training.configuration import Run

WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}
FLOAT32 = 4
# float32 arrays of one value for each token and word of the vocabulary, live at once in MindFormers'
# CrossEntropyLoss and its backward pass: log-softmax, one-hot labels, softmax, and the gradient.
LOSS_ARRAYS = 4
# On a CPU, arrays of float32: for each token and layer of the hidden size, of the feed-forward size, and of
# heads times places; and for each token of the vocabulary's size.
CPU_HIDDEN, CPU_GATED, CPU_SCORES, CPU_LOSS = 55, 6, 10.5, 16
CPU_HEAD = 2.5  # of the vocabulary's size, where the loss has a graph of its own
UNITS = {"KB": 2**10, "MB": 2**20, "GB": 2**30}


class Adapted(NamedTuple):
    """A layer with LoRA: the width of its input on one rank, and LoRA's rank."""

    width: int
    lora_rank: int


class Activations(NamedTuple):
    """Bytes on one rank: kept over the whole step, and held for a while at the worst moment."""

    kept: int
    passing: int


def activations(run: Run, adapted: Sequence[Adapted], head_parts: int) -> Activations:
    """Estimate for one rank of a run; `head_parts` ranks share the logits out."""
    if run.typed.context.device_target == "CPU":
        return _on_cpu(run, adapted)
    model, tensor = run.model, run.typed.parallel_config.model_parallel
    tokens, width, hidden = places(run), WIDTHS[model.compute_dtype], model.hidden_size
    layer = _layer(run, width) + _lora(adapted, width) / model.num_layers
    whole = model.vocab_size / head_parts * (FLOAT32 + (width if width < FLOAT32 else 0))
    loss = whole + LOSS_ARRAYS * FLOAT32 * model.vocab_size / tensor
    last = width * hidden  # the input of the last norm
    if run.framework["recompute_config"]["recompute"] is True:
        # Each layer's input stays; the rest of one layer at a time is computed again when the loss is done.
        kept = tokens * (model.num_layers * width * hidden + last)
        return Activations(int(kept), int(max(learned_places(run) * loss, tokens * layer)))
    return Activations(int(tokens * (model.num_layers * layer + last)), int(learned_places(run) * loss))


def places(run: Run) -> int:
    """Places of one step on one rank."""
    return run.framework["runner_config"]["batch_size"] * run.settings.seq_length


def learned_places(run: Run) -> int:
    """Places of one step on one rank for which logits are made: all of them, or where packed rows learn."""
    return run.framework["runner_config"]["batch_size"] * (run.settings.learned or run.settings.seq_length)


def _on_cpu(run: Run, adapted: Sequence[Adapted]) -> Activations:
    """The arrays of the layers, and those of the vocabulary's size."""
    model, tokens = run.model, places(run)
    layer = CPU_HIDDEN * model.hidden_size + CPU_GATED * model.intermediate_size
    layer += CPU_SCORES * model.num_heads * run.settings.seq_length
    logits = learned_places(run) * FLOAT32 * model.vocab_size
    if run.framework["runner_wrapper"]["type"] != LAYERWISE:
        return Activations(int(tokens * FLOAT32 * layer * model.num_layers), CPU_LOSS * logits)
    # The input, what both norms give, queries, what attention has mixed and what is added to; keys and values; shares
    # of attention; the gate, how much of it is open, and what it gates.
    keys = model.hidden_size // model.num_heads * model.n_kv_heads
    passed = 6 * model.hidden_size + 2 * keys + 3 * model.intermediate_size
    passed += model.num_heads * run.settings.seq_length
    masks = sum(one.width for one in adapted) if model.pet_config.lora_dropout else 0
    kept = tokens * FLOAT32 * (passed * model.num_layers + masks)
    return Activations(int(kept), int(CPU_HEAD * logits + tokens * FLOAT32 * layer))


def _layer(run: Run, width: int) -> float:
    """Bytes a token of one layer without LoRA's."""
    model, tensor = run.model, run.typed.parallel_config.model_parallel
    hidden, heads = model.hidden_size, model.num_heads
    keys = hidden // heads * model.n_kv_heads
    wide = WIDTHS[model.layernorm_compute_type]
    norm = width * hidden  # what a norm reads; the kernel that is not fused keeps a wider copy, too
    if not model.fused_rms_norm and wide != width:
        norm += wide * hidden
    if model.use_flash_attention:
        # q, k, v and the output; of the softmax its largest value and its sum, eight times each
        attention = width * (2 * hidden + 2 * keys) + heads * 2 * 8 * FLOAT32
    else:
        softmax = WIDTHS[model.softmax_compute_type]
        # q, and k and v repeated for every head; for each head and pair of places the share of attention
        attention = 3 * width * hidden
        attention += heads * run.settings.seq_length * (softmax + (width if width != softmax else 0))
    gated = 3 * width * model.intermediate_size  # the gate before and after SiLU, and what it gates
    return 2 * norm + (attention + gated) / tensor


def _lora(adapted: Sequence[Adapted], width: int) -> float:
    """Bytes a token of all LoRA layers: the input after dropout, a bit of mask for each, and A's output."""
    return sum(layer.width * (width + 1 / 8) + layer.lora_rank * width for layer in adapted)


def limit(framework: Framework) -> int | None:
    """The bytes that the profile lets a rank use, from `context.max_device_memory` (as in 58GB)."""
    text = str(framework["context"].get("max_device_memory") or "")
    number, unit = text[:-2], text[-2:].upper()
    try:
        size = float(number) * UNITS[unit]
    except (KeyError, ValueError):
        return None
    return int(size) if 0 < size < math.inf else None
