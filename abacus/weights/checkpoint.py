"""MindSpore checkpoints in and out, array by array, and random weights."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from abacus.core.errors import InputError
from abacus.weights.architecture import EMBEDDING, HEAD, Architecture, Weights, expected


def number_type(name: str) -> np.dtype:
    """The numpy dtype of a `param_init_type`."""
    if name == "bfloat16":
        import mindspore  # noqa: F401, registers it
    return np.dtype(name)


def random_weights(architecture: Architecture, seed: int) -> Weights:
    """Weights of a model that has learned nothing: normal, 0.02 wide; norms 1; the same for a `seed`."""
    source = np.random.default_rng(seed)
    drawn = {
        name: np.ones(shape, np.float32)
        if len(shape) == 1
        else source.standard_normal(shape, np.float32) * np.float32(0.02)
        for name, shape in expected(architecture).items()
    }
    if architecture.tie_word_embeddings:
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
        raise InputError(path, "no such file", "a MindSpore checkpoint")
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
        raise InputError(path, first, "a MindSpore checkpoint") from error
    if not found:
        raise InputError(path, "there is nothing in it", "a MindSpore checkpoint")
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

    for start, length in _entries(file, size):
        yield Checkpoint.Value.FromString(file.read(length))
        progress(file.tell() - start)


def _entries(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Where each entry starts, and the length of its message, at which `file` stands then."""
    while file.tell() < size:
        start = file.tell()
        key = file.read(1)
        if key == b"c" and size - start == 17:  # "crc_num" and its digits end the file
            return
        length = _varint(file)
        end = file.tell() + length
        if key != b"\x0a" or end > size:
            raise ValueError(f"damaged at byte {start}")
        yield start, length
        file.seek(end)


FRONT = 1 << 12  # bytes of an entry that hold its name, its shape and its type
NAME, TENSOR, DIMS = 1, 2, 1  # numbers of the fields in checkpoint.proto


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of a MindSpore checkpoint's arrays, by name; no array is read, and MindSpore is not imported."""
    found: dict[str, tuple[int, ...]] = {}
    try:
        with path.open("rb") as file:
            for _, length in _entries(file, path.stat().st_size):
                fields = dict(_fields(file.read(min(length, FRONT))))
                dims = [dim for field, dim in _fields(fields[TENSOR]) if field == DIMS]
                found[fields[NAME].decode("utf-8")] = () if dims == [0] else tuple(dims)
    except OSError:
        raise
    except Exception as error:  # which one depends on how the file is damaged
        raise InputError(path, str(error) or type(error).__name__, "a MindSpore checkpoint") from error
    if not found:
        raise InputError(path, "there is nothing in it", "a MindSpore checkpoint")
    return found


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of a protobuf message's fields, as far as the message goes: it may be cut."""
    stream = io.BytesIO(message)
    while stream.tell() < len(message):
        key = _varint(stream)
        field, kind = key >> 3, key & 7
        if kind not in (0, 2):
            raise ValueError(f"a field of kind {kind}")
        number = _varint(stream)
        yield field, number if kind == 0 else stream.read(number)


def _varint(file: BinaryIO) -> int:
    """A number as protobuf writes it: seven bits a byte, the lowest first."""
    number = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)[0]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number
    raise ValueError("a number has no end")
