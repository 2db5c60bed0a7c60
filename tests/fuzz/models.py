"""Fuzz targets: the readers of models that somebody else made."""

import copy
import json
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from abacus.formats import gguf, hf_config, huggingface, safetensor, source, vocabulary
from abacus.text import tokenizer
from abacus.weights.architecture import check
from abacus.weights.checkpoint import load_checkpoint, random_weights, save_checkpoint
from abacus.weights.lora import fold, read_adapter
from tests.fuzz.contract import REFUSED, Finding, Target, outcome
from tests.fuzz.edits import NUMBERS, edit_value, edited, edited_json
from tests.llama import SHAPE, write_gguf

SMALL = SHAPE.model_copy(
    update={"hidden_size": 8, "num_layers": 1, "num_heads": 2, "n_kv_heads": 1, "intermediate_size": 8}
)


def written(write: Any, name: str) -> bytes:
    """The bytes of the file `name` that `write` leaves in a folder."""
    with TemporaryDirectory() as folder:
        write(Path(folder))
        return (Path(folder) / name).read_bytes()


def add_bpe(writer: Any) -> None:
    """A byte-level tokenizer for a GGUF file."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(["1", "2", "12", "<s>", "own", "a", "b", "c", "d", "e", "f"])
    writer.add_token_types([1, 1, 1, 3, 4, 1, 1, 1, 1, 1, 1])
    writer.add_token_merges(["1 2"])
    add_ids(writer)


def add_sentencepiece(writer: Any) -> None:
    """SentencePiece's tokenizer for a GGUF file."""
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>", "1", "2", "12", "▁", "a", "b", "c", "d"])
    writer.add_token_scores([0.0] * 5 + [-1.0] * 6)
    writer.add_token_types([2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1])
    add_ids(writer)


def add_ids(writer: Any) -> None:
    """Special ids, and keys that only a plain Llama may have."""
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_uint16("split.count", 1)
    writer.add_expert_count(0)
    writer.add_rope_dimension_count(4)


@cache
def gguf_files() -> tuple[bytes, ...]:
    """Small whole GGUF files, one with each kind of tokenizer."""
    weights = random_weights(SMALL, 7)
    return tuple(
        written(lambda folder, a=add: write_gguf(folder / "m.gguf", SMALL, weights, tokenizer=a), "m.gguf")
        for add in (add_bpe, add_sentencepiece)
    )


def make_gguf(random: Random) -> bytes:
    """Draw a damaged GGUF file: half of the edits in its head, many of them on the number behind a key."""
    data = random.choice(gguf_files())
    if random.random() < 0.5:
        for _ in range(random.choice((1, 1, 2))):
            data = edit_field(random, data)
        return data if random.random() < 0.8 else edited(random, data, 1800)
    return edited(random, data, 1800)


def edit_field(random: Random, data: bytes) -> bytes:
    """Overwrite a type, a length or a value next to one of the keys or tensor names, or a count at the front."""
    if random.random() < 0.2:  # what an array holds: 5 is a number of 32 bits, 6 a float, 8 a text
        at = data.find(random.choice((b"ggml.tokens", b"token_type", b"merges", b"scores")))
        at = data.find(bytes([9, 0, 0, 0]), max(at, 0)) + 4
        return data[:at] + bytes([random.choice((0, 4, 5, 6, 7, 8, 9, 12))]) + data[at + 1 :]
    names = (b"llama.", b"tokenizer.ggml.", b"split.", b"blk.0.", b"token_embd", b"output", b"general.")
    name = random.choice(names)
    places = [at for at in range(len(data)) if data.startswith(name, at)]
    start = random.choice(places) if places else 0
    if random.random() < 0.1:
        start = 0
    at = start + random.randint(-8, 48)
    if random.random() < 0.3:
        at = start + random.randint(0, 30)
        return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]
    width = random.choice((1, 2, 4, 8))
    number = random.choice(NUMBERS) if random.random() < 0.7 else random.randrange(20)
    return data[:at] + (number % 256**width).to_bytes(width, "little") + data[at + width :]


def check_gguf(data: bytes, folder: Path) -> bool:
    """All that stages read of a GGUF file is there or refused; what is read is the model of its numbers."""
    path = folder / "m.gguf"
    path.write_bytes(data)
    place = source.Source(source.GGUF, path)
    checked = outcome(lambda: source.check(place) or True)
    found = outcome(lambda: gguf.read(path))
    inner = outcome(lambda: vocabulary.read(path))
    outcome(lambda: source.special_ids(place, inner))
    if found is REFUSED:
        return False
    if checked is REFUSED:
        raise Finding("read, although the check before it refuses it")
    outcome(lambda: check(found[1], found[0], "here"))
    return inner is not REFUSED


CONFIG = {
    **{
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 8,
        "num_hidden_layers": 1,
    },
    **{"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 8, "vocab_size": 11},
    **{"rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 64, "head_dim": 4},
    **{"hidden_act": "silu", "attention_bias": False, "rope_scaling": None, "tie_word_embeddings": False},
    **{"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "quantization_config": None},
    **{"bos_token_id": 1, "eos_token_id": [2, 1], "pad_token_id": None},
}


@cache
def safetensors_file() -> tuple[dict[str, Any], bytes]:
    """The header and the data of a small whole safetensors file."""

    def write(folder: Path) -> None:
        weights = random_weights(SMALL, 7)
        safetensor.write(folder, {huggingface.name_of(name): array for name, array in weights.items()})

    data = written(write, safetensor.SINGLE)
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def make_safetensors(random: Random) -> bytes:
    """Draw a damaged safetensors file: its header's values, the header's length, or any byte."""
    header, data = safetensors_file()
    if random.random() < 0.1:
        at = random.randrange(len(data) - 8)
        data = data[:at] + random.randbytes(8) + data[at + 8 :]
        text = json.dumps(header, indent=random.choice((None, 1))).encode()
        return len(text).to_bytes(8, "little") + text + data
    if random.random() < 0.3:
        text = json.dumps(header).encode()
        return edited(random, len(text).to_bytes(8, "little") + text + data, len(text) + 8)
    if random.random() < 0.4:
        name = random.choice(list(header)[1:])
        spoiled = {**header[name]}
        key = random.choice(list(spoiled))
        spoiled[key] = edit_tensor(random, key, spoiled[key])
        text = json.dumps({**header, name: spoiled}).encode("utf-8", "surrogatepass")
    else:
        text = edited_json(random, header)
    size = len(text) if random.random() < 0.9 else random.choice(NUMBERS)
    return size.to_bytes(8, "little") + text + data


def edit_tensor(random: Random, key: str, value: Any) -> Any:
    """Another type, shape or place of a tensor."""
    if key == "dtype":
        return random.choice(("F16", "BF16", "F64", "I8", "BOOL", "F8_E4M3", "C64", "", None, "F33"))
    numbers = (*NUMBERS, 4, 8, 11, 16, 88, -1, 2**70, 1e9, 0.5, "8")
    if random.random() < 0.7 and value:
        return [random.choice(numbers) if random.random() < 0.5 else one for one in value]
    return edit_value(random, copy.deepcopy(value))


def check_safetensors(data: bytes, folder: Path) -> bool:
    """A directory is checked and read, or refused by both."""
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / safetensor.SINGLE).write_bytes(data)
    checked = outcome(lambda: huggingface.check(folder) or True)
    found = outcome(lambda: huggingface.read(folder))
    if (checked is REFUSED) != (found is REFUSED):
        raise Finding("the check and the reader do not agree")
    if found is not REFUSED:
        outcome(lambda: check(found[1], found[0], "here"))
    return found is not REFUSED


def check_config(data: bytes, folder: Path) -> bool:
    """config.json gives an architecture whose weights can be listed, and special ids; or it is refused."""
    (folder / "config.json").write_bytes(data)
    inner = byte_tokenizer()
    ids = outcome(lambda: hf_config.special_ids(folder, inner))
    architecture = outcome(lambda: hf_config.architecture_of(folder))
    if architecture is REFUSED or ids is REFUSED:
        return False
    (folder / safetensor.SINGLE).write_bytes(whole_safetensors())
    outcome(lambda: huggingface.check(folder))
    return True


@cache
def whole_safetensors() -> bytes:
    """The undamaged file."""
    header, data = safetensors_file()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@cache
def byte_tokenizer() -> Any:
    """The tokenizer of the profile tiny."""
    return tokenizer.of_bytes(256, 257, 258)


@cache
def tokenizer_document() -> dict[str, Any]:
    """A small tokenizer.json, with a part of every kind that Llamas have."""
    inner = tokenizer.byte_level(["1", "2", "12", "<s>"], [("1", "2")], ["<s>"], vocabulary.LLAMA3)
    vocabulary.start_with(inner, "<s>")
    return json.loads(inner.to_str())


def make_tokenizer(random: Random) -> bytes:
    """Draw a damaged tokenizer.json."""
    return edited_json(random, tokenizer_document())


def check_tokenizer(data: bytes, folder: Path) -> bool:
    """A tokenizer.json is read, or refused, by both of its readers; what is read can be asked for its tokens."""
    (folder / "tokenizer.json").write_bytes(data)
    ids = {"bos_token_id": 3, "eos_token_id": 3, "pad_token_id": 3}
    (folder / "tokenizer_config.json").write_text(json.dumps(ids), encoding="utf-8")
    inner = outcome(lambda: huggingface.tokenizer(folder))
    ours = outcome(lambda: tokenizer.Tokenizer.load(folder))
    if (inner is REFUSED) != (ours is REFUSED):
        raise Finding("the two readers do not agree")
    if inner is REFUSED:
        return False
    outcome(lambda: (inner.get_vocab(), inner.id_to_token(3), inner.to_str()))
    return True


@cache
def checkpoint() -> bytes:
    """A small whole MindSpore checkpoint."""
    return written(lambda folder: save_checkpoint(folder / "m.ckpt", random_weights(SMALL, 7)), "m.ckpt")


def make_checkpoint(random: Random) -> bytes:
    """Draw a damaged MindSpore checkpoint: half of the edits beside a weight's name."""
    data = checkpoint()
    if random.random() < 0.5:
        return edited(random, data, 400)
    places = [at for at in range(len(data)) if data.startswith(b".weight", at)]
    at = random.choice(places) + random.randint(-60, 40)
    width = random.choice((1, 1, 2, 4))
    return data[:at] + random.randbytes(width) + data[at + width :]


def check_checkpoint(data: bytes, folder: Path) -> bool:
    """A checkpoint is read, or refused; what is read can be held to an architecture."""
    path = folder / "m.ckpt"
    path.write_bytes(data)
    found = outcome(lambda: load_checkpoint(path))
    if found is REFUSED:
        return False
    outcome(lambda: check(found, SMALL, str(path)))
    return True


ADAPTER = {"step": 20, "rank": 2, "alpha": 16, "trainable_parameters": 64, "target_modules": ".*wq|.*wv"}
TARGET_WEIGHT = "model.layers.0.attention.wq"


@cache
def adapter_weights() -> bytes:
    """The arrays of a small LoRA adapter."""
    pair = {"a": np.ones((2, 8), np.float32), "b": np.ones((8, 2), np.float32)}
    weights = {f"{TARGET_WEIGHT}.mindpet_delta_lora_{part}": array for part, array in pair.items()}
    return written(lambda folder: save_checkpoint(folder / "m.ckpt", weights), "m.ckpt")


def check_adapter(data: bytes, folder: Path) -> bool:
    """An adapter.json is refused, or its adapter can be folded in, into numbers."""
    (folder / "adapter.json").write_bytes(data)
    (folder / "adapter.ckpt").write_bytes(adapter_weights())
    facts = outcome(lambda: read_adapter(folder / "adapter.json"))
    base = {f"{TARGET_WEIGHT}.weight": np.ones((8, 8), np.float32)}
    folded = outcome(lambda: fold(base, folder))
    if folded is not REFUSED and not all(np.isfinite(array).all() for array in folded.values()):
        raise Finding("folds an adapter in, and the weights are no numbers")
    return facts is not REFUSED and folded is not REFUSED


TIKTOKEN = b"".join(
    b"%s %d\n" % (text, number) for number, text in enumerate((b"MQ==", b"Mg==", b"MTI=", b"/w=="))
)


def check_tiktoken(data: bytes, folder: Path) -> bool:
    """A tokenizer.model is read, or refused."""
    (folder / "tokenizer.model").write_bytes(data)
    return outcome(lambda: vocabulary.read(folder / "tokenizer.model")) is not REFUSED


TARGETS = (
    Target("gguf reader", 40, make_gguf, check_gguf),
    Target("safetensors reader", 40, make_safetensors, check_safetensors),
    Target("config.json", 30, lambda random: edited_json(random, CONFIG), check_config),
    Target("tokenizer.json", 20, make_tokenizer, check_tokenizer),
    Target("mindspore checkpoint", 20, make_checkpoint, check_checkpoint),
    Target("adapter.json", 10, lambda random: edited_json(random, ADAPTER), check_adapter),
    Target("tokenizer.model", 10, lambda random: edited(random, TIKTOKEN), check_tiktoken),
)
