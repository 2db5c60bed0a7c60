"""Weights of a Llama: their names and shapes, random ones, and MindSpore checkpoints in and out.

Everywhere else weights are a dictionary from MindFormers' names to numpy arrays, float32 or bfloat16, and a
`shape` is the dictionary of architecture numbers that stands in `data/base/model.json`.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from stages.command import InputError

Weights = dict[str, np.ndarray]
Shape = dict[str, Any]

EMBEDDING = "model.tok_embeddings.embedding_weight"
HEAD = "lm_head.weight"
NORM = "model.norm_out.weight"

# A walk over weights, and how it may be shown (tqdm does).
Progress = Callable[[Iterable[Any]], Iterable[Any]]
# Bytes of a number of each `param_init_type` that a base model may be kept in.
SIZES = {"float32": 4, "bfloat16": 2}

# Numbers of an architecture that a profile and model.json call by the same names, and all of them.
SAME = (
    "hidden_size",
    "num_layers",
    "num_heads",
    "n_kv_heads",
    "intermediate_size",
    "vocab_size",
    "rms_norm_eps",
)
# Far above every Llama, and near enough that listing the weights takes no time.
MOST_LAYERS, LARGEST = 1000, 2**31 - 1
SHAPE_NUMBERS = (*SAME, "rope_theta", "max_position_embedding")


def layer(number: int, name: str) -> str:
    """MindFormers' name of the weight `name` of a layer, as in `attention.wq.weight`."""
    return f"model.layers.{number}.{name}"


def shape_of(model_config: dict[str, Any]) -> Shape:
    """The architecture numbers of a profile's `model.model_config`, under the names of model.json."""
    return {
        **{key: model_config[key] for key in SAME},
        "rope_theta": model_config["theta"],
        "max_position_embedding": model_config["max_position_embedding"],
        "tie_word_embeddings": bool(model_config.get("tie_word_embeddings", False)),
    }


def expected(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Name and array shape of every weight of a model of this `shape`, in the order they are stored."""
    hidden, ffn = shape["hidden_size"], shape["intermediate_size"]
    kv = hidden // shape["num_heads"] * shape["n_kv_heads"]
    inside = {
        "attention.wq.weight": (hidden, hidden),
        "attention.wk.weight": (kv, hidden),
        "attention.wv.weight": (kv, hidden),
        "attention.wo.weight": (hidden, hidden),
        "feed_forward.w1.weight": (ffn, hidden),
        "feed_forward.w2.weight": (hidden, ffn),
        "feed_forward.w3.weight": (ffn, hidden),
        "attention_norm.weight": (hidden,),
        "ffn_norm.weight": (hidden,),
    }
    return {
        EMBEDDING: (shape["vocab_size"], hidden),
        **{
            layer(number, name): array_shape
            for number in range(shape["num_layers"])
            for name, array_shape in inside.items()
        },
        NORM: (hidden,),
        HEAD: (shape["vocab_size"], hidden),
    }


def check_shape(shape: Shape, place: str) -> None:
    """Raise InputError, naming `place`, unless `shape` has all numbers of an architecture."""
    for key in (*SHAPE_NUMBERS, "tie_word_embeddings"):
        if not isinstance(shape.get(key), int | float):
            raise InputError(f"{place}: {key} is {shape.get(key)!r}, expected a number")


def check_possible(shape: Shape, place: str) -> None:
    """Raise InputError, naming `place`, for numbers out of somebody's file that no Llama can have.

    They are looked at before anything is counted or set aside by them.
    """
    for key in SHAPE_NUMBERS:
        value, most = shape[key], MOST_LAYERS if key == "num_layers" else LARGEST
        kind = int | float if key in ("rms_norm_eps", "rope_theta") else int
        if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value <= most:
            raise InputError(f"{place}: {key} is {value!r}, expected a number above 0 and at most {most}")
    head = 2 * shape["num_heads"]  # the rotary pairs take the two halves of a head
    if shape["hidden_size"] % head or shape["num_heads"] % shape["n_kv_heads"]:
        raise InputError(
            f"{place}: hidden_size {shape['hidden_size']}, num_heads {shape['num_heads']} and n_kv_heads "
            f"{shape['n_kv_heads']}, expected each a multiple of the next, and heads of an even size"
        )


def check_same(found: Shape, wanted: Shape, path: Path) -> None:
    """Raise InputError unless the model that the file `path` describes is the profile's."""
    for key, value in wanted.items():
        # Both matrices are in model.ckpt whether they are tied or not.
        if key != "tie_word_embeddings" and found.get(key) != value:
            raise InputError(f"{path}: {key} is {found.get(key)}, expected {value} as in the profile")


def parameters(shape: Shape) -> int:
    """Number of parameters of a model of this `shape`; a tied matrix counts once."""
    sizes = {name: math.prod(array_shape) for name, array_shape in expected(shape).items()}
    return sum(sizes.values()) - (sizes[HEAD] if shape["tie_word_embeddings"] else 0)


def lora_parameters(model_config: dict[str, Any]) -> int:
    """Number of values that LoRA adds to the matrices that the profile's `target_modules` names."""
    pet = model_config["pet_config"]
    return sum(
        pet["lora_rank"] * sum(array_shape)
        for name, array_shape in expected(shape_of(model_config)).items()
        if len(array_shape) == 2 and re.match(pet["target_modules"], name.removesuffix(".weight"))
    )


def check(weights: Weights, shape: Shape, place: str) -> None:
    """Raise InputError, naming `place`, unless `weights` are exactly those of a model of this `shape`."""
    check_sizes({name: array.shape for name, array in weights.items()}, shape, place)


def check_sizes(found: Mapping[str, tuple[int, ...]], shape: Shape, place: str) -> None:
    """`check` by the arrays' shapes alone, before they are read."""
    wanted = expected(shape)
    for name, array_shape in wanted.items():
        if name not in found:
            raise InputError(f"{place}: {name} is missing, expected one of shape {array_shape}")
        if found[name] != array_shape:
            raise InputError(f"{place}: {name} has the shape {found[name]}, expected {array_shape}")
    for name in found:
        if name not in wanted:
            raise InputError(f"{place}: {name} is unknown, expected only the weights of a Llama")


def number_type(name: str) -> np.dtype:
    """The numpy dtype of a `param_init_type`."""
    if name == "bfloat16":
        import mindspore  # noqa: F401, registers it
    return np.dtype(name)


def random_weights(shape: Shape, seed: int) -> Weights:
    """Weights of a model that has learned nothing: normal, 0.02 wide; norms 1; the same for a `seed`."""
    source = np.random.default_rng(seed)
    drawn = {
        name: np.ones(array_shape, np.float32)
        if len(array_shape) == 1
        else source.standard_normal(array_shape, np.float32) * np.float32(0.02)
        for name, array_shape in expected(shape).items()
    }
    if shape["tie_word_embeddings"]:
        drawn[HEAD] = drawn[EMBEDDING]
    return drawn


def save_checkpoint(path: Path, weights: Weights) -> None:
    """Write a MindSpore checkpoint: the same bytes for the same weights in the same order; copies nothing."""
    import mindspore

    mindspore.save_checkpoint(
        [
            {"name": name, "data": mindspore.Tensor.from_numpy(np.ascontiguousarray(array))}
            for name, array in weights.items()
        ],
        str(path),
    )
    path.chmod(0o644)  # MindSpore leaves it unreadable to others


def load_checkpoint(
    path: Path, dtype: np.dtype | None = None, progress: Callable[[int], object] = lambda count: None
) -> Weights:
    """The arrays of a MindSpore checkpoint, by name; as `dtype` if one is given.

    Array by array: MindSpore's own reader takes twice the file's size in memory. `progress` gets the
    number of bytes read since its last call.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a MindSpore checkpoint")
    try:
        with path.open("rb") as file:
            found = {
                name: array if dtype is None else array.astype(dtype, copy=False)
                for name, array in _arrays(file, path.stat().st_size, progress)
            }
    except InputError:
        raise
    except Exception as error:  # which one depends on how the file is damaged
        first = str(error).strip().split("\n")[0]
        raise InputError(f"{path}: {first}, expected a MindSpore checkpoint") from error
    if not found:
        raise InputError(f"{path}: there is nothing in it, expected a MindSpore checkpoint")
    return found


def _arrays(file: BinaryIO, size: int, progress: Callable[[int], object]) -> Iterator[tuple[str, np.ndarray]]:
    """Name and array of each weight of an open checkpoint, in which a large one lies in several pieces."""
    from mindspore.train.serialization import tensor_to_np_type

    name, tensor, pieces = None, None, []
    for value in _values(file, size, progress):
        if value.tag != name:
            if tensor is not None:
                yield name, _array(tensor, pieces, tensor_to_np_type)
            name, tensor, pieces = value.tag, value.tensor, []
        if not value.HasField("tensor"):
            raise ValueError(f"{value.tag!r} is no array")
        pieces.append(value.tensor.tensor_content)
    if tensor is not None:
        yield name, _array(tensor, pieces, tensor_to_np_type)


def _array(tensor: Any, pieces: list[bytes], types: Callable[[str], Any]) -> np.ndarray:
    kind = types(tensor.tensor_type)
    if kind is None:
        raise ValueError(f"an array of type {tensor.tensor_type!r}")
    content = bytearray().join(pieces)  # not bytes: the array may be written to
    dims = [] if list(tensor.dims) == [0] else tensor.dims
    return np.frombuffer(content, kind).reshape(dims)


def _values(file: BinaryIO, size: int, progress: Callable[[int], object]) -> Iterator[Any]:
    """The entries of a checkpoint: a protobuf message with one repeated field, of half a gigabyte at most each."""
    from mindspore.train.checkpoint_pb2 import Checkpoint

    while file.tell() < size:
        start = file.tell()
        key = file.read(1)
        if key == b"c" and size - start == 17:  # "crc_num" and its digits end the file
            return
        length = _varint(file)
        if key != b"\x0a" or length > size - file.tell():
            raise ValueError(f"damaged at byte {start}")
        yield Checkpoint.Value.FromString(file.read(length))
        progress(file.tell() - start)


def _varint(file: BinaryIO) -> int:
    """A number as protobuf writes it: seven bits a byte, the lowest first."""
    number = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)[0]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number
    raise ValueError("a number has no end")
