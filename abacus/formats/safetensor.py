"""safetensors files of one model, single or in shards with an index: found and opened, and written.

Format: https://github.com/huggingface/safetensors
"""

import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from abacus.core.documents import read_json, write_json
from abacus.core.errors import InputError
from abacus.weights.checkpoint import number_type

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
SHARD_BYTES = 5 * 10**9
ROWS = 4096  # read at a time
# The types that can be read, and those that are written.
TYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
WRITTEN = {"float32": "F32", "bfloat16": "BF16"}
UNUSED = re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq")  # follows from rope_theta


def files(folder: Path) -> list[Path]:
    """The safetensors files of a directory's model; InputError if there are none or not all."""
    index, single = folder / INDEX, folder / SINGLE
    if index.is_file() and single.is_file():
        raise InputError(folder, f"has both {SINGLE} and {INDEX}", "one of them")
    if single.is_file():
        return [single]
    if not index.is_file():
        names = sorted(path.name for path in folder.glob("*.safetensors"))
        raise InputError(
            folder, f"has {', '.join(names[:3]) or 'no safetensors'}", f"{SINGLE}, or shards with {INDEX}"
        )
    parts = read_json(index, "the index of a sharded model").get("weight_map")
    if not isinstance(parts, dict) or not parts or not all(isinstance(part, str) for part in parts.values()):
        raise InputError(index, "it has no weight_map", "the index of a sharded model")
    for part in sorted(set(parts.values())):
        if Path(part).name != part or not (folder / part).is_file():
            raise InputError(index, f"names {part}, which is not in {folder}", "all shards there")
    return [folder / part for part in sorted(set(parts.values()))]


def entries(folder: Path, stack: ExitStack) -> dict[str, Any]:
    """Each tensor's name and the open file that holds it."""
    from safetensors import SafetensorError, safe_open

    found: dict[str, Any] = {}
    for path in files(folder):
        try:
            opened = stack.enter_context(safe_open(path, framework="np"))
        except SafetensorError as error:
            raise InputError(path, str(error), "a whole safetensors file") from error
        for name in opened.keys():  # noqa: SIM118, no mapping
            if name in found:
                raise InputError(path, f"{name} is in another shard too", "each weight once")
            if UNUSED.fullmatch(name):
                continue
            kind = opened.get_slice(name).get_dtype()
            if kind not in TYPES:
                raise InputError(path, f"{name} has the type {kind}", "F32, F16 or BF16")
            found[name] = opened
    return found


def array(entry: Any, name: str) -> np.ndarray:
    """The tensor `name` of an open file; float16 as float32, which holds it exactly."""
    kind = TYPES[entry.get_slice(name).get_dtype()]
    number_type(kind)
    found = entry.get_tensor(name)
    return found.astype(np.float32) if kind == "float16" else found


def equal(entries: Mapping[str, Any], first: str, second: str) -> bool:
    """Whether two matrices of the open files hold the same values; they are read some rows at a time."""
    one, two = (entries[name].get_slice(name) for name in (first, second))
    if one.get_shape() != two.get_shape():
        return False
    for entry in (one, two):
        number_type(TYPES[entry.get_dtype()])
    count = one.get_shape()[0]
    blocks = (slice(start, min(start + ROWS, count)) for start in range(0, count, ROWS))
    # As bytes, for a NaN is a value here like any.
    return all(_bytes(one[block]) == _bytes(two[block]) for block in blocks)


def _bytes(part: np.ndarray) -> bytes:
    return part.astype(np.float32).tobytes()


def write(folder: Path, weights: Mapping[str, np.ndarray]) -> None:
    """Write model.safetensors, or shards of at most SHARD_BYTES and their index."""
    shards: list[dict[str, np.ndarray]] = [{}]
    for name, array in weights.items():
        size = sum(part.nbytes for part in shards[-1].values())
        if shards[-1] and size + array.nbytes > SHARD_BYTES:
            shards.append({})
        shards[-1][name] = array
    if len(shards) == 1:
        _write_shard(folder / SINGLE, shards[0])
        return
    names = [f"model-{n:05d}-of-{len(shards):05d}.safetensors" for n in range(1, len(shards) + 1)]
    for name, shard in zip(names, shards, strict=True):
        _write_shard(folder / name, shard)
    index = {
        "metadata": {"total_size": sum(array.nbytes for array in weights.values())},
        "weight_map": {key: name for name, shard in zip(names, shards, strict=True) for key in shard},
    }
    write_json(folder / INDEX, index)


def _write_shard(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write one safetensors file; the library's own writer holds a second copy of all that it writes."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        kind = WRITTEN[array.dtype.name]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).view(np.uint8).data)
