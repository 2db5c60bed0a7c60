"""GGUF files of ours: every number comes back through gguf's reader and through our own, and llama.cpp answers as we do."""

import argparse
import json
import os
import subprocess
from io import StringIO
from pathlib import Path

import gguf
import numpy as np
import pytest

from abacus.core.errors import InputError
from abacus.formats import gguf as reader
from abacus.formats import vocabulary
from abacus.formats.export import collect
from abacus.inference.cached import CachedDecoder
from abacus.neighbours import folders, llama_cpp
from abacus.neighbours.texts import Texts
from abacus.text.prompt import Prompt, Prompter
from abacus.text.tokenizer import Tokenizer, byte_level, from_json, of_bytes, save
from abacus.weights.architecture import EMBEDDING, HEAD
from abacus.weights.checkpoint import random_weights
from tests.exports import IDS, PROBLEMS, TEXTS, VOCABULARY, workspace
from tests.llama import equal


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    workspace(folder, template="vicuna", bos=True)
    return folder


def folded_of(work: Path, profile) -> dict:
    args = argparse.Namespace(base=work / "data/base", adapter=work / "checkpoints/3")
    return collect(args, 2.0, profile.llama.architecture, StringIO())[0]


@pytest.fixture(scope="module", params=["f16", "q8_0"])
def made(request, work, tmp_path_factory):
    """Path of a file, the weights it was made of, and its profile."""
    from abacus.profile import load

    profile = load.profile("small", work / "profiles")
    folded = folded_of(work, profile)
    out = tmp_path_factory.mktemp(request.param) / "out"
    about = {"source": "3"}
    path = folders.gguf(
        out, folded, work / "data/base", profile, profile.llama.architecture, request.param, about, StringIO()
    )
    return path, folded, profile


def test_the_weights_come_back_through_our_reader(made):
    path, folded, profile = made
    shape, weights = reader.read(path)
    assert shape == profile.llama.architecture.model_copy(update={"tie_word_embeddings": False})
    assert set(weights) == set(folded)
    for name, array in folded.items():
        if array.ndim == 1:
            assert np.array_equal(weights[name], array), name
        elif "f16" in path.name:
            assert np.array_equal(weights[name], array.astype(np.float16).astype(np.float32)), name
        else:  # a block of 32 shares a scale of 127 steps
            assert np.abs(weights[name] - array).max() <= np.abs(array).max() / 127, name


def test_gguf_s_reader_finds_what_llama_cpp_s_converter_writes(made):
    path, folded, profile = made
    found = gguf.GGUFReader(path)
    values = {name: field.contents() for name, field in found.fields.items()}
    types = {tensor.name: tensor.tensor_type.name for tensor in found.tensors}
    kind = "F16" if "f16" in path.name else "Q8_0"
    assert set(types.values()) == {kind, "F32"}
    assert all((name.endswith("norm.weight")) == (one == "F32") for name, one in types.items())
    assert values["general.file_type"] == {"F16": 1, "Q8_0": 7}[kind]
    assert values["llama.rope.freq_base"] == 10000.0
    assert values["llama.rope.dimension_count"] == 16
    assert values["tokenizer.ggml.model"] == "gpt2" and values["tokenizer.ggml.pre"] == "smollm"
    ids = [values[f"tokenizer.ggml.{key}_token_id"] for key in ("bos", "eos", "padding")]
    assert ids == list(IDS.values())
    assert values["tokenizer.ggml.add_bos_token"] is True and values["tokenizer.ggml.add_eos_token"] is False
    kinds = values["tokenizer.ggml.token_type"]
    assert len(kinds) == VOCABULARY
    assert [n for n, one in enumerate(kinds) if one == vocabulary.CONTROL] == [256, 257, 258]
    assert kinds[-1] == llama_cpp.UNUSED and values["tokenizer.ggml.tokens"][-1] == "[PAD299]"
    texts = Texts(profile.prompt, "<|bos|>", "<|eos|>")
    assert values["tokenizer.chat_template"] == texts.chat_template()
    # Query rows as llama.cpp's converter permutes them: `permute` of convert_hf_to_gguf.py.
    name = "model.layers.1.attention.wk.weight"
    (key,) = (tensor for tensor in found.tensors if tensor.name == "blk.1.attn_k.weight")
    heads = profile.llama.architecture.n_kv_heads
    rows = folded[name].reshape(heads, 2, 8, -1).swapaxes(1, 2).reshape(folded[name].shape)
    assert np.array_equal(key.data, gguf.quants.quantize(rows, key.tensor_type))


def test_its_tokenizer_cuts_texts_as_ours_does(made, work):
    path, _, _ = made
    ours = Tokenizer.load(work / "data/base")
    theirs = Tokenizer(vocabulary.read(path), *IDS.values())
    assert theirs.encode_batch(TEXTS) == ours.encode_batch(TEXTS)
    assert any(token > 258 for token in ours.encode(TEXTS[1])), "else no merge is tried"


def test_the_same_bytes_each_time_and_a_folder_that_says_what_it_is(made, work, tmp_path):
    path, folded, profile = made
    kind = path.stem.rpartition("-")[2]
    again = folders.gguf(
        tmp_path / "out",
        folded,
        work / "data/base",
        profile,
        profile.llama.architecture,
        kind,
        {"source": "3"},
        StringIO(),
    )
    assert again.read_bytes() == path.read_bytes()
    assert {one.name for one in path.parent.iterdir()} == {path.name, "Modelfile", "export.json"}
    about = json.loads((path.parent / "export.json").read_text())
    assert about["dtype"] == kind and set(about["files"]) == {path.name, "Modelfile"}
    assert f"FROM ./{path.name}" in (path.parent / "Modelfile").read_text()


def test_a_tied_model_has_its_embedding_once(work, tmp_path):
    from abacus.profile import load

    profile = load.profile("small", work / "profiles")
    shape = profile.llama.architecture
    weights = random_weights(shape, 3)
    weights[HEAD] = weights[EMBEDDING]
    texts = Texts.load(profile.prompt, work / "data/base")
    llama_cpp.write(tmp_path / "x.gguf", shape, weights, work / "data/base", texts, name="x", kind="f16")
    found, read = reader.read(tmp_path / "x.gguf")
    assert found.tie_word_embeddings
    assert equal({HEAD: read[HEAD]}, {HEAD: read[EMBEDDING]})


def test_every_known_way_to_cut_has_its_name(tmp_path):
    for name, (split, whole_words) in vocabulary.PRE.items():
        inner = byte_level(["a", "b", "ab"], [("a", "b")], [], split, whole_words=whole_words)
        assert llama_cpp.pre_of(json.loads(inner.to_str()), tmp_path) == name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["model"].update(merges=[]), "has no merges"),
        (lambda d: d.update(pre_tokenizer={"type": "Whitespace"}), "cuts texts in another way"),
        (lambda d: d.update(pre_tokenizer=None), "cuts texts in another way"),
        (lambda d: d["model"].update(ignore_merges=True), "cuts texts in another way"),
        (lambda d: d["model"].update(type="Unigram"), "cuts texts in another way"),
        (lambda d: d.update(normalizer={"type": "Lowercase"}), "cuts texts in another way"),
    ],
)
def test_a_tokenizer_that_llama_cpp_would_read_otherwise_is_refused(work, change, said):
    document = json.loads(from_json(work / "data/base/tokenizer.json").to_str())
    change(document)
    with pytest.raises(InputError, match=said):
        llama_cpp.pre_of(document, Path("tokenizer.json"))


def test_what_float16_cannot_hold_and_too_many_tokens_are_refused(work, tmp_path):
    from abacus.profile import load

    profile = load.profile("small", work / "profiles")
    shape, base = profile.llama.architecture, work / "data/base"
    texts, weights = Texts.load(profile.prompt, base), random_weights(profile.llama.architecture, 3)
    weights[EMBEDDING][0, 0] = 70000
    with pytest.raises(InputError, match="float16 cannot"):
        llama_cpp.write(tmp_path / "x.gguf", shape, weights, base, texts, name="x", kind="f16")
    save(of_bytes(*IDS.values()), IDS, tmp_path)
    with pytest.raises(InputError, match="no merges"):
        llama_cpp.write(tmp_path / "y.gguf", shape, weights, tmp_path, texts, name="y", kind="f16")
    small = shape.model_copy(update={"vocab_size": 260})
    with pytest.raises(InputError, match="at most 260, the rows of the embedding"):
        llama_cpp.write(tmp_path / "z.gguf", small, weights, base, texts, name="z", kind="f16")


LLAMA = """
import json, sys
from llama_cpp import Llama
asked = json.load(open(sys.argv[2], encoding="utf-8"))
model = Llama(sys.argv[1], n_ctx=512, n_threads=2, verbose=False, seed=1)
answers, ids, chats = [], [], []
for text in asked["prompts"]:
    ids.append(model.tokenize(text.encode(), add_bos=False, special=True))
    done = model.create_completion(ids[-1], max_tokens=asked["tokens"], temperature=0.0, repeat_penalty=1.0)
    answers.append(done["choices"][0]["text"])
for problem in asked["problems"]:
    said = model.create_chat_completion([{"role": "user", "content": problem}], max_tokens=asked["tokens"],
                                        temperature=0.0, repeat_penalty=1.0)
    chats.append(said["choices"][0]["message"]["content"])
json.dump({"answers": answers, "ids": ids, "chats": chats}, open(sys.argv[3], "w", encoding="utf-8"))
"""


@pytest.mark.skipif(
    "ABACUS_LLAMA_CPP_PYTHON" not in os.environ,
    reason="ABACUS_LLAMA_CPP_PYTHON names no interpreter with llama-cpp-python",
)
def test_llama_cpp_answers_as_we_do(made, work, tmp_path):
    """Greedy: the prompt's ids, the answer's text, and the same through the file's own chat template."""
    path, _, profile = made
    texts = Texts.load(profile.prompt, work / "data/base")
    problems = [problem for problem, _ in PROBLEMS]
    asked = {"prompts": [texts.row(one, "")[0] for one in problems], "problems": problems, "tokens": 8}
    (tmp_path / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    words = [
        os.environ["ABACUS_LLAMA_CPP_PYTHON"],
        "-c",
        LLAMA,
        path,
        tmp_path / "asked.json",
        tmp_path / "said.json",
    ]
    subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": ""})
    said = json.loads((tmp_path / "said.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.load(work / "data/base")
    prompts = Prompter(tokenizer, "vicuna", True).problems(problems)
    assert said["ids"] == prompts
    _, weights = reader.read(path)  # as they are in the file
    decoder = CachedDecoder(weights, profile.llama.architecture, eos_id=tokenizer.eos_id, batch_size=3)
    found = decoder.complete([Prompt(ids) for ids in prompts], max_new_tokens=8)
    ours = [tokenizer.decode(one.ids) for one in found]
    # With Q8_0 llama.cpp rounds what it multiplies the weights with, too: of random weights the answers only begin alike.
    same = None if "f16" in path.name else 1
    assert [one[:same] for one in said["answers"]] == [one[:same] for one in ours]
    assert said["chats"] == said["answers"]
