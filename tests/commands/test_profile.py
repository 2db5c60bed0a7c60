"""A profile for a model of your own: what it says, where the model's files go, and what is refused."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from abacus.__main__ import Parser
from abacus.commands import profile, table
from abacus.core.errors import InputError
from abacus.data.conversation import Turn
from abacus.formats import huggingface, source
from abacus.planning import own_model
from abacus.planning.sample import trained_on
from abacus.profile import load
from abacus.profile.model import LAYERWISE, DirectorySource
from abacus.text import tokenizer
from abacus.text.encode import encode
from abacus.text.packing import pack
from abacus.text.prompt import Prompter
from abacus.text.tokenizer import Tokenizer, from_json
from abacus.weights.architecture import Architecture, parameters
from abacus.weights.checkpoint import load_checkpoint, random_weights, save_checkpoint
from tests.llama import equal, write_gguf
from tests.workspace import configure

ROOT = Path(__file__).parents[2]
IDS = {"bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 258}
SHAPE = Architecture(
    hidden_size=16,
    num_layers=2,
    num_heads=4,
    n_kv_heads=2,
    intermediate_size=24,
    vocab_size=264,  # padded
    rms_norm_eps=1e-6,
    rope_theta=50000.0,
    max_position_embedding=512,
    tie_word_embeddings=True,
)
CONFIGS = ("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """params.yaml with few rows."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["synthesize"]["scale"] = 0.001
    path = tmp_path_factory.mktemp("recipe") / "params.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.fixture
def make(tmp_path, recipe, monkeypatch, capsys):
    """Run the command on a model, in a folder of its own: exit code, output and errors as `run` gives them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").mkdir()
    shutil.copy(ROOT / "profiles" / "base.yaml", tmp_path / "profiles")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n", encoding="utf-8")

    def run(origin, name="mine", *more, params=recipe):
        parser = Parser(table()["profile"])
        words = [f"FROM={origin}", f"NAME={name}", f"PARAMS={params}", "MODELS=models", *more]
        try:
            parser.run(parser.parse_args(parser.words(words)))
        except InputError as error:
            return SimpleNamespace(returncode=1, stdout=capsys.readouterr().out, stderr=f"error: {error}\n")
        return SimpleNamespace(returncode=0, stdout=capsys.readouterr().out, stderr="")

    return run


@pytest.fixture
def folder(tmp_path):
    return hugging_face(tmp_path / "theirs")


def hugging_face(folder, shape=SHAPE, ids=IDS, seed=5):
    tokens = folder.with_name("tokens")
    tokens.mkdir(exist_ok=True)
    tokenizer.save(tokenizer.of_bytes(*IDS.values()), ids, tokens)
    huggingface.write(folder, shape, random_weights(shape, seed), tokens)
    return folder


def edit(path, **changes):
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def files(folder):
    """Everything below a folder, and its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read(tmp_path, name="mine"):
    return load.profile(name, tmp_path / "profiles")


@pytest.mark.parametrize("kind", ["huggingface", "gguf"])
def test_the_profile_has_the_models_numbers_and_base_takes_it(tmp_path, make, folder, kind):
    origin = folder
    if kind == "gguf":
        origin = tmp_path / "one" / "some.gguf"
        origin.parent.mkdir()
        write_gguf(origin, SHAPE, random_weights(SHAPE, 5), change=of_bytes)
        (origin.parent / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    done = make(origin)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "wrote profiles/mine.yaml; its model is in models/mine\n"
        "models/mine: held by DVC; commit models/mine.dvc, models/.gitignore and profiles/mine.yaml\n"
    )
    written = read(tmp_path)
    untied = SHAPE.model_copy(update={"tie_word_embeddings": False})  # both matrices are in model.ckpt
    assert written.llama.architecture == untied
    assert written.llama.special_ids == IDS
    assert written.source == DirectorySource(source="directory")
    assert written.document.abacus.finetune.batch_rows == 2
    assert written.document.runner_wrapper.type == LAYERWISE
    assert written.document.lr_schedule.learning_rate == 1e-3
    text = (tmp_path / "profiles" / "mine.yaml").read_text()
    assert text.startswith(
        f"# mine: a Llama of {parameters(SHAPE):,} parameters, made by `make profile` from {origin.name} ("
    )
    assert str(tmp_path) not in text

    configure(tmp_path / "configured", written)
    words = ["--profile", tmp_path / "configured", "--source", tmp_path / "models/mine"]
    words += ["--out", tmp_path / "base", "--log", tmp_path / "log"]
    done = subprocess.run(
        [sys.executable, "-m", "stages.base", *map(str, words)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    weights, found = random_weights(SHAPE, 5), load_checkpoint(tmp_path / "base" / "model.ckpt")
    assert equal({name: found[name] for name in weights}, weights)
    assert json.loads((tmp_path / "base" / "model.json").read_text()) == SHAPE.model_dump()
    loaded = Tokenizer.load(tmp_path / "base")
    assert (loaded.bos_id, loaded.eos_id, loaded.pad_id) == (256, 257, 258)
    assert loaded.encode("计算") == list("计算".encode())


def of_bytes(writer):
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(257)
    writer.add_pad_token_id(258)


def measured(prompt, recipe):
    """How long the recipe's rows are in a profile's prompt."""
    inner = Tokenizer(tokenizer.of_bytes(*IDS.values()), *IDS.values())
    return own_model.longest(Prompter(inner, prompt.template, prompt.bos), trained_on(recipe).turns)


def test_rows_share_sequences_and_leave_little_of_them_empty(tmp_path, make, folder, recipe):
    make(folder)
    written = read(tmp_path)
    prompt, found = written.prompt, measured(written.prompt, recipe)
    assert found.row - 1 <= prompt.seq_length and found.answer <= prompt.packing.learned
    assert prompt.seq_length % 8 == prompt.packing.learned % 8 == 0
    inner = Tokenizer(tokenizer.of_bytes(*IDS.values()), *IDS.values())
    rows = list(encode(trained_on(recipe).turns, Prompter(inner, prompt.template, prompt.bos)))
    sequences = list(pack(rows, prompt.seq_length, prompt.packing.learned))
    assert sum(one.taken for one in sequences) > 0.85 * len(sequences) * prompt.seq_length
    assert 6 < len(rows) / len(sequences) * written.document.abacus.finetune.batch_rows < 9
    assert 0 <= written.decode.math_new_tokens - found.answer < 16


def test_a_row_has_a_sequence_to_itself_where_the_model_has_few_places(tmp_path, make, recipe):
    """Four rows of the mean length do not fit: padded rows and MindSpore's one graph, as on an NPU."""
    make(hugging_face(tmp_path / "short", SHAPE.model_copy(update={"max_position_embedding": 256})))
    written = read(tmp_path)
    found = measured(written.prompt, recipe)
    assert written.prompt.packing is None
    assert 0 <= written.prompt.seq_length - (found.row - 1) < 24
    assert written.document.runner_wrapper.type == "PortableTrainOneStepCell"
    assert written.document.abacus.finetune.batch_rows == 8


def test_the_models_files_are_put_in_place(tmp_path, make, folder):
    (folder / "pytorch_model.bin").write_bytes(b"not needed")
    make(folder)
    found = tmp_path / "models" / "mine"
    wanted = {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert {path.name for path in found.iterdir()} == wanted
    assert all((found / name).read_bytes() == (folder / name).read_bytes() for name in wanted)


def test_files_that_cannot_be_linked_are_copied(tmp_path, monkeypatch, folder):
    def refuse(*_):
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "README.md").write_text("mine")
    wanted = source.files(source.find(folder))
    profile.put(wanted, tmp_path / "part", tmp_path / "old")
    assert files(tmp_path / "part") == {path.name: files(folder)[path.name] for path in wanted} | files(
        tmp_path / "old"
    )
    assert not any((tmp_path / "part" / path.name).samefile(path) for path in wanted)
    monkeypatch.setattr("abacus.core.files.free_bytes", lambda path: 10)
    with pytest.raises(InputError, match=r"old: 10 bytes are free on its disk, expected [\d,]+"):
        profile.put(wanted, tmp_path / "again", tmp_path / "old")


def test_a_model_that_lies_there_already_stays(tmp_path, make):
    (tmp_path / "models").mkdir()
    folder = hugging_face(tmp_path / "models" / "mine")
    (folder / "README.md").write_text("mine")
    before = files(folder)
    assert make(folder).returncode == 0
    assert files(folder) == before
    assert read(tmp_path).model.hidden_size == 16


def test_ascend_gets_its_own_settings(tmp_path, make, folder):
    assert make(folder, "npu", "DEVICE=Ascend").returncode == 0
    written = read(tmp_path, "npu")
    assert written.device == "Ascend"
    assert written.model.param_init_type == "bfloat16"
    assert written.decode.engine == "mindformers"
    assert written.prompt.template == "vicuna"
    assert written.prompt.packing is None


def test_vicuna_gives_way_to_few_positions(tmp_path, make):
    folder = hugging_face(tmp_path / "short", SHAPE.model_copy(update={"max_position_embedding": 170}))
    assert make(folder, "npu", "DEVICE=Ascend").returncode == 0
    assert read(tmp_path, "npu").prompt.template == "bare"
    assert read(tmp_path, "npu").prompt.seq_length <= 170
    folder = hugging_face(tmp_path / "shorter", SHAPE.model_copy(update={"max_position_embedding": 64}))
    done = make(folder, "none")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the model has 64 positions, expected ")


def test_missing_pad_and_bos_are_said(tmp_path, make, folder):
    for name in ("config.json", "generation_config.json"):
        edit(folder / name, pad_token_id=None, bos_token_id=None, eos_token_id=[258, 257])
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        edit(folder / name, pad_token=None, bos_token=None)
    assert make(folder).returncode == 0
    # Of several ends the tokenizer's own is taken.
    assert list(read(tmp_path).llama.special_ids.values()) == [257, 257, 257]
    text = (tmp_path / "profiles" / "mine.yaml").read_text()
    assert "bos_token_id: 257 # the model has none; not used" in text
    assert "pad_token_id: 257 # the model has none; as eos" in text
    assert read(tmp_path).prompt.bos is False


def test_bos_is_put_first_if_the_tokenizer_does(tmp_path, make, folder):
    from abacus.formats.vocabulary import start_with

    inner = from_json(folder / "tokenizer.json")
    start_with(inner, "<|bos|>")
    (folder / "tokenizer.json").write_text(inner.to_str())
    assert make(folder).returncode == 0
    assert read(tmp_path).prompt.bos is True


def test_rows_of_your_own_are_measured_where_the_pipeline_left_them(tmp_path, make, folder, recipe):
    own = with_params(tmp_path, recipe, prepare={"raw": "data/mine.json"})
    done = make(folder, params=own)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "prepare.raw is data/mine.json, whose rows are not synthetic" in done.stderr
    assert "expected data/train-v2-conversation.json to be there" in done.stderr
    write_conversations(tmp_path / "data" / "train-v2-conversation.json")
    assert trained_on(own).turns == [Turn("1", "a" * 99, "b" * 20)]
    assert make(folder, params=own).returncode == 0
    assert read(tmp_path).prompt.seq_length == 504  # four of 99 + newline + 20 + EOS, and a little


def with_params(tmp_path, recipe, **sections):
    """The recipe with some values changed, in a file of its own."""
    values = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    for section, changes in sections.items():
        values[section] |= changes
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def write_conversations(path):
    talk = [{"from": "human", "value": "a" * 99}, {"from": "gpt", "value": "b" * 20}]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([{"id": "1", "conversations": talk}]))


def test_rows_that_inputs_names_are_measured_and_no_others(tmp_path, make, folder, recipe):
    write_conversations(tmp_path / "data" / "train-v2-conversation.json")  # of an earlier run
    rows = [{"problem": "c" * 200, "solution": "d" * 30}, {"problem": "e", "solution": "f" * 60}]
    (tmp_path / "mine.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = with_params(tmp_path, recipe, inputs={"train": "mine.json"})
    assert make(folder, params=own).returncode == 0
    written = read(tmp_path)
    assert (
        written.prompt.seq_length == 240
    )  # 200 + newline + 30 + EOS, and a little: four such rows are too long for the model
    assert written.decode.math_new_tokens == 64
    assert "the longest of 2 rows measured has 232 ids" in (tmp_path / "profiles/mine.yaml").read_text()
    write_conversations(tmp_path / "mine.json")
    own = with_params(tmp_path, recipe, inputs={"conversations": "mine.json"})
    assert make(folder, "mine", "REPLACE=1", params=own).returncode == 0
    assert read(tmp_path).prompt.seq_length == 504
    own = with_params(tmp_path, recipe, inputs={"mindrecord": "mine.mindrecord"})
    done = make(folder, "mine", "REPLACE=1", params=own)
    assert (
        done.stderr == f"error: {own}: inputs.mindrecord is mine.mindrecord, whose rows are tokens already\n"
    )


def mindspore_file(folder):
    for path in folder.iterdir():
        path.unlink()
    save_checkpoint(folder / "a.ckpt", random_weights(SHAPE, 5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (mindspore_file, "a.ckpt: a MindSpore checkpoint does not hold its architecture numbers, expected"),
        (
            lambda f: edit(f / "config.json", architectures=["Qwen2ForCausalLM"]),
            "its architecture is Qwen2ForC",
        ),
        (lambda f: edit(f / "config.json", rope_scaling={"rope_type": "llama3"}), "rope_scaling is 'llama3'"),
        (
            lambda f: edit(f / "config.json", rope_scaling={"rope_type": "default", "rope_theta": 5e5}),
            "config.json: rope_scaling.rope_theta is 500000.0, expected 50000.0 as rope_theta in config.json",
        ),
        (
            lambda f: edit(f / "config.json", eos_token_id=258),
            "generation_config.json: eos_token_id is 257, expected 258 as eos_token_id in config.json",
        ),
        (
            lambda f: edit(f / "tokenizer_config.json", add_bos_token=True),
            "tokenizer_config.json: add_bos_token is True, expected False as in tokenizer.json, whose post_processor",
        ),
        (lambda f: edit(f / "config.json", vocab_size=300), "has the shape (264, 16), expected (300, 16)"),
        (lambda f: (f / "model.safetensors").unlink(), "theirs: there is no base model, expected"),
        (lambda f: (f / "model.safetensors").write_bytes(b"bad"), "model.safetensors: "),
        (lambda f: (f / "tokenizer.json").unlink(), "theirs: there is no tokenizer.json, expected one"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer.json: "),
        (
            lambda f: [edit(f / n, eos_token_id=None, eos_token=None) for n in CONFIGS],
            "theirs: names no end-of-text token, expected an eos_token_id",
        ),
        (
            lambda f: [edit(f / n, eos_token_id=999, eos_token=None) for n in CONFIGS],
            "theirs: no profile can be made of it: model.model_config.eos_token_id is 999, expected less",
        ),
        (
            lambda f: [edit(f / n, eos_token_id=263, eos_token=None) for n in CONFIGS],
            "profile 'mine': eos_token_id is 263, expected an id of the tokenizer",
        ),
    ],
)
def test_unsupported_models_are_one_line_and_leave_nothing(tmp_path, make, folder, change, message):
    change(folder)
    done = make(folder)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert [path.name for path in (tmp_path / "profiles").iterdir()] == ["base.yaml"]
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("name", ["base", "Mine", "a/b", "../x", "", ".x", "x.yaml", "a b", "-x"])
def test_bad_names_are_refused(tmp_path, make, folder, name):
    done = make(folder, "x", f"--name={name}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: NAME is {name!r}, expected small letters, digits")
    assert [path.name for path in (tmp_path / "profiles").iterdir()] == ["base.yaml"]


def test_nothing_is_written_over_unless_asked(tmp_path, make, folder):
    assert make(folder).returncode == 0
    before = files(tmp_path)
    done = make(folder)
    assert (done.returncode, done.stderr) == (
        1,
        "error: profiles/mine.yaml: exists already, expected a new name (or REPLACE=1)\n",
    )
    other = hugging_face(tmp_path / "other", SHAPE.model_copy(update={"num_layers": 3}))
    (tmp_path / "profiles" / "mine.yaml").rename(tmp_path / "kept.yaml")
    done = make(other)
    assert done.stderr == ("error: models/mine: there are other files in it, expected none (or REPLACE=1)\n")
    (tmp_path / "kept.yaml").rename(tmp_path / "profiles" / "mine.yaml")
    assert {name: files(tmp_path)[name] for name in before} == before
    assert make(other, "mine", "REPLACE=1").returncode == 0
    assert read(tmp_path).model.num_layers == 3
    assert files(tmp_path / "models/mine")["config.json"] == files(other)["config.json"]


def test_shipped_profiles_cannot_be_hidden(make, folder):
    done = subprocess.run(
        [sys.executable, "-m", "abacus", "profile", f"FROM={folder}", "NAME=tiny"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "error: profiles/tiny.yaml: exists already, expected a new name (or REPLACE=1)\n"


def test_numbers_are_numbers_in_yaml():
    for number in (1e-5, 1e-6, 9.5e-7, 10000.0, 5e5, 1e16, 1e22):
        assert yaml.safe_load(f"a: {own_model.spelled(number)}")["a"] == number


def test_a_base_of_the_rotary_angles_that_stands_further_in_is_read(tmp_path, make, folder):
    """As transformers writes it since its release 5: not the default of 10 000."""
    edit(
        folder / "config.json", rope_theta=None, rope_scaling={"rope_type": "default", "rope_theta": 500000.0}
    )
    assert make(folder).returncode == 0
    assert read(tmp_path).model.theta == 500000.0


def test_a_tokenizer_that_puts_bos_first_by_both_its_files(tmp_path, make, folder):
    from abacus.formats.vocabulary import start_with

    inner = from_json(folder / "tokenizer.json")
    start_with(inner, "<|bos|>")
    (folder / "tokenizer.json").write_text(inner.to_str())
    edit(folder / "tokenizer_config.json", add_bos_token=True)
    assert make(folder).returncode == 0
    assert read(tmp_path).prompt.bos is True
    edit(folder / "tokenizer_config.json", add_bos_token=False)
    done = make(folder, "mine", "REPLACE=1")
    assert (
        "add_bos_token is False, expected True as in tokenizer.json, whose post_processor puts bos"
        in done.stderr
    )
    assert read(tmp_path).prompt.bos is True
