"""A training step that computes a Llama layer by layer, each time by the same two small graphs.

MindSpore makes one graph of a model. On a CPU such a graph gives no array back before the step ends, many times what
must be kept, and each of its layers is compiled anew. Here a layer's weights are arguments, so that one graph goes
forward through any layer and one back, and what is kept between them is named. What becomes of the gradients is
MindFormers' own step, compiled as ever.

Importing this module imports MindFormers: do it within `quiet.framework_log`.
"""

from typing import NamedTuple

from mindformers.tools.register import MindFormerModuleType, MindFormerRegister
from mindformers.tools.utils import get_real_rank
from mindformers.wrapper.wrapper import get_real_models
from mindpet.delta.lora import LoRADense
from mindspore import Parameter, Tensor, nn, ops

from abacus.core.errors import InputError
from abacus.training.dropout import Dropout
from abacus.training.layer import MATRICES, NORMS, Attention, Back, Forward, Head, Shape
from abacus.training.packed import PackedLlamaForCausalLM
from abacus.training.repeatable import PortableTrainOneStepCell


class Start(nn.Cell):
    """Hidden states [tokens, hidden] of a batch of packed rows, and their mask as the layers take it."""

    def __init__(self, model: nn.Cell, shape: Shape) -> None:
        super().__init__(auto_prefix=False)
        self.embed, self.mask, self.shape = model.tok_embeddings, model.casual_mask, shape

    def construct(self, ids, rows):
        # [batch, 1, seq, seq], written out in full here, once: broadcasting in each layer is slower.
        mask = ops.tile(self.mask(rows), (1, self.shape.heads, 1, 1))
        mask = mask.reshape(self.shape.batch * self.shape.kv_heads, -1, self.shape.seq)
        return self.embed(ids.reshape(-1)), mask


class Layer(NamedTuple):
    """A layer of the model: its two graphs, its weights, and the dropout of each LoRA."""

    forward: Forward
    back: Back
    frozen: list[Tensor]
    lora: list[Parameter]
    dropouts: list[Dropout]


class Layerwise:
    """The loss of a packed Llama and the gradients of its LoRA, for batches of one size."""

    def __init__(self, llama: PackedLlamaForCausalLM, batch: int) -> None:
        if isinstance(llama.lm_head, LoRADense):
            where = "model.model_config.pet_config.target_modules"
            raise InputError(where, "matches lm_head", "layers' matrices alone")
        sides: dict[Shape, tuple[Forward, Back]] = {}
        self.layers = []
        for cell in llama.model.layers:
            matrices = [_at(cell, path) for path in MATRICES]
            adapted = {number: one for number, one in enumerate(matrices) if isinstance(one, LoRADense)}
            shape = _shape(llama.config, batch, adapted)
            if shape not in sides:
                attention = Attention(shape, llama.model.freqs_mgr)
                sides[shape] = Forward(shape, attention), Back(shape, attention)
            # Tensors that share the weights' memory: for each new Parameter a graph would be compiled anew.
            frozen = [Tensor(one.weight) for one in (*(_at(cell, name) for name in NORMS), *matrices)]
            lora = [
                part
                for one in adapted.values()
                for part in (one.mindpet_delta_lora_a, one.mindpet_delta_lora_b)
            ]
            dropouts = [
                Dropout(shape.dropout, one.lora_dropout.number, one.weight.shape[1])
                for one in adapted.values()
                if shape.dropout
            ]
            self.layers.append(Layer(*sides[shape], frozen, lora, dropouts))
        self.start, self.head = Start(llama.model, shape), Head(shape.eps, llama.ignore_token_id)
        self.last = [Tensor(one.weight) for one in (llama.model.norm_out, llama.lm_head)]
        # Of the sequences of all ranks' batch these are here.
        self.sequences, self.length = range(get_real_rank() * batch, (get_real_rank() + 1) * batch), shape.seq

    def gradients(
        self, step: Parameter, ids: Tensor, rows: Tensor, places: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """The mean loss, the number of learned tokens, and gradients by the names of what is trained.

        `step` is the count of steps made, by which dropout differs; the rest is PackedLlamaForCausalLM's.
        """
        hidden, mask = self.start(ids, rows)
        done, passed = int(step.asnumpy()[0]), []
        for layer in self.layers:
            masks = [Tensor.from_numpy(one.mask(done, self.sequences, self.length)) for one in layer.dropouts]
            given = (*layer.frozen, *map(Tensor, layer.lora), *masks)
            y, *kept = layer.forward(hidden, mask, *given)
            passed.append((hidden, *kept, *given))
            hidden = y
        loss, learned, change = self.head(hidden, places, targets, *self.last)
        gradients = {}
        for layer in reversed(self.layers):
            change, *own = layer.back(change, *passed.pop())
            gradients |= {weight.name: value for weight, value in zip(layer.lora, own, strict=True)}
        return loss, learned, gradients


def _at(cell: nn.Cell, path: str) -> nn.Cell:
    for name in path.split("."):
        cell = getattr(cell, name)
    return cell


def _shape(config, batch: int, adapted: dict[int, LoRADense]) -> Shape:
    one = next(iter(adapted.values()), None)  # a profile has one scale and one dropout for all
    return Shape(
        batch=batch,
        seq=config.seq_length,
        heads=config.num_heads,
        kv_heads=config.n_kv_heads,
        size=config.hidden_size // config.num_heads,
        eps=config.rms_norm_eps,
        adapted=tuple(adapted),
        scaling=one.scaling if one else 0.0,
        dropout=one.lora_dropout.p if one else 0.0,
    )


@MindFormerRegister.register(MindFormerModuleType.WRAPPER)
class LayerwiseTrainOneStepCell(PortableTrainOneStepCell):
    """The training step of a PackedLlamaForCausalLM, a layer at a time: the same numbers up to rounding."""

    def __init__(self, network, optimizer, **options):
        super().__init__(network, optimizer, **options)
        self.layerwise = None  # until the weights are those to begin with

    def __call__(self, ids, rows, places, targets):
        """Go through the layers' graphs; the last graph is MindFormers' step, which gets the gradients."""
        if self.layerwise is None:
            self.layerwise = Layerwise(get_real_models(self.network), len(ids))
        step = self.optimizer.global_step
        loss, learned, gradients = self.layerwise.gradients(step, ids, rows, places, targets)
        return super().__call__(loss, learned, *(gradients[weight.name] for weight in self.weights))

    def grads_for_legacy(self, scaling_sens, loss, learned, *gradients):
        """Loss, gradients, and the factor that MFTrainOneStepCell divides the gradients by."""
        scaled = ()
        for value in gradients:
            scaled += (value * scaling_sens,)
        loss, factor = self.shared(loss, learned)
        return loss, scaled, factor
