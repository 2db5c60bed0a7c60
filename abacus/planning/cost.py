"""An estimate of what a training computes: the floating-point operations of its matrix products, and the hours they take.

Counted are the products of the layers and of the output matrix, forward and, because the matrices are frozen, once
backward (for their input), once more where a layer is recomputed; the two of attention, whole, for a kernel that is
given a mask computes what it hides as well; and LoRA's. The rest of a step is in the rate, which is measured as these
operations over the time of a whole step.
"""

from abacus.planning import memory
from abacus.training.configuration import Run

# TFLOP/s of a rank, where nothing better is known. Ascend: MindFormers' table of models has 2 581 tokens/s of an NPU that
# fine-tunes the whole Llama-3-8B in rows of 8 192 (Atlas 800T A2), which is 150 by this count; two thirds of that, for
# short rows, is assumed. CPU: the default run's step of 2.1 s alone on two cores (`make bench ONLY=finetune`).
TERAFLOPS = {"Ascend": 100.0, "CPU": 0.15}


def operations(run: Run, trainable: int, head_parts: int) -> float:
    """Operations of one step on one rank, which has `trainable` values; `head_parts` ranks share the output matrix."""
    model, tensor = run.model, run.typed.parallel_config.model_parallel
    hidden, keys = model.hidden_size, model.hidden_size // model.num_heads * model.n_kv_heads
    again = run.framework["recompute_config"]["recompute"] is True
    matrices = 2 * hidden * hidden + 2 * hidden * keys + 3 * hidden * model.intermediate_size
    products = 2 * matrices * (2 + again)
    attention = 4 * run.settings.seq_length * hidden * (3 + again)
    layers = model.num_layers * (products + attention) / tensor + 2 * trainable * (3 + again) / tensor
    head = 4 * hidden * model.vocab_size / head_parts
    return memory.places(run) * layers + memory.learned_places(run) * head
