"""A base model of one's own: from a Hugging Face folder through a run to a colleague, held by DVC all the way."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from abacus.commands import verify
from abacus.formats import huggingface
from abacus.text import tokenizer
from abacus.weights.architecture import Architecture
from abacus.weights.checkpoint import random_weights
from tests.clones import Clone
from tests.clones import shared as share_clone
from tests.workspace import ran, small_clone, write_params

pytestmark = pytest.mark.slow  # a run of its own, and a server

IDS = {"bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 258}
NAMES = "config.json, generation_config.json, model.safetensors, tokenizer.json, tokenizer_config.json"
PIN = "data/models/mine.dvc"


def hugging_face(folder: Path, seed: int) -> Path:
    """A tiny Llama over bytes, with random weights, as a Hugging Face folder."""
    architecture = Architecture(
        hidden_size=64,
        num_layers=2,
        num_heads=4,
        n_kv_heads=2,
        intermediate_size=128,
        vocab_size=264,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
        max_position_embedding=2048,
        tie_word_embeddings=False,
    )
    tokens = folder.with_name("tokens")
    tokens.mkdir(exist_ok=True)
    tokenizer.save(tokenizer.of_bytes(*IDS.values()), IDS, tokens)
    huggingface.write(folder, architecture, random_weights(architecture, seed), tokens)
    return folder


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Path:
    """The model where it was downloaded to."""
    return hugging_face(tmp_path_factory.mktemp("hub") / "theirs", 5)


@pytest.fixture(scope="module")
def clone(tmp_path_factory, s3, theirs) -> Clone:
    """A clone after `make profile` and `make repro PROFILE=mine`, all committed, with a remote in an empty bucket."""
    folder = tmp_path_factory.mktemp("own")
    params = small_clone(folder) | {"checkpoints": [0, 1]}
    params["predict"] |= {"math_limit": 11, "squad_limit": 2}
    params["finetune"]["steps_per_checkpoint"] = 2
    write_params(folder, params)
    made = Clone(folder)
    for key, value in (("user.name", "t"), ("user.email", "t@example.org")):
        made.ok("git", "config", key, value)
    made.commit("code")
    said = made.ok("profile", f"FROM={theirs}", "NAME=mine")
    assert said == (
        "wrote profiles/mine.yaml; its model is in data/models/mine\n"
        f"data/models/mine: held by DVC; commit {PIN}, data/models/.gitignore and profiles/mine.yaml\n"
    )
    made.ok("repro", "PROFILE=mine")
    return share_clone(made, s3)


def pin(clone: Clone) -> dict:
    return yaml.safe_load((clone.folder / PIN).read_text(encoding="utf-8"))["outs"][0]


def test_nothing_is_left_to_do_and_git_holds_no_weight(clone, theirs):
    assert json.loads(clone.ok("dvc", "status", "--json")) == {}
    assert ran(clone.ok("dvc", "repro")) == set()
    assert clone.ok("git", "ls-files", "data/models/mine", PIN) == f"{PIN}\n"
    assert pin(clone)["nfiles"] == 5
    assert "push" not in pin(clone)
    assert sorted(path.name for path in (clone.folder / "data/models/mine").iterdir()) == NAMES.split(", ")
    assert (theirs / "model.safetensors").stat().st_mode & 0o200, "their own file stays as it was"


def test_a_colleague_has_it_after_a_pull(clone, tmp_path):
    clone.ok("push")
    there = clone.fresh(tmp_path / "there")
    there.ok("pull")
    assert json.loads(there.ok("dvc", "status", "--json")) == {}
    assert ran(there.ok("dvc", "repro")) == set()
    assert there.files() == clone.files()


def test_an_experiment_elsewhere_has_it(clone):
    """Stage base runs there on the model itself, for its output is not in the cache."""
    said = clone.ok("dvc", "exp", "run", "--temp", "-f", "-s", "base", "-n", "base")
    assert ran(said) == {"base"}


def test_verify_has_it_in_its_clone(clone, tmp_path, monkeypatch):
    monkeypatch.chdir(clone.folder)
    folder = tmp_path / "again"
    verify.clone(folder)
    assert not (folder / "data/models/mine").exists()
    verify.lend(folder)
    found = folder / "data/models/mine/model.safetensors"
    assert found.read_bytes() == (clone.folder / "data/models/mine/model.safetensors").read_bytes()
    assert not (folder / ".dvc/config.local").exists(), "what runs there keeps a cache of its own"


def test_what_may_not_be_passed_on_is_brought_by_everybody(clone, theirs, s3, tmp_path):
    """PUSH=0: a colleague is told in one line what to bring; another model is refused, the same one changes nothing."""
    here = clone.fresh(tmp_path / "here")
    here.ok("pull")
    here.ok(
        "remote", "BUCKET=" + s3.bucket(), f"ENDPOINT=https://{s3.address}", f"CA={s3.cert}", "PREFIX=team/b"
    )
    pipeline = here.folder / "dvc.yaml"  # the converted weights stay here too
    text = pipeline.read_text(encoding="utf-8")
    assert text.count("    outs:\n      - data/base\n") == 1
    pipeline.write_text(
        text.replace("    outs:\n      - data/base\n", "    outs:\n      - data/base: {push: false}\n"),
        encoding="utf-8",
    )
    said = here.ok("model", f"FROM={theirs}", "PROFILE=mine", "PUSH=0")
    assert said.startswith(f"data/models/mine: held by DVC (push: false: others bring {NAMES} themselves)")
    kept = pin(here)
    assert (kept["push"], kept["desc"], kept["md5"]) == (False, NAMES, pin(clone)["md5"])
    here.ok("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qam", "licence")
    assert "never shared: data/models/mine, as DVC's file says of it (push: false)" in here.ok("push")
    assert kept["md5"] not in s3.objects(here_bucket(here))

    there = here.fresh(tmp_path / "there")
    said = there.ok("pull")
    assert "never shared: data/base (push: false); `make repro` makes it\n" in said
    line = next(line for line in said.splitlines() if "data/models/mine" in line)
    assert line == (
        f"never shared: data/models/mine (push: false); bring {NAMES} ({kept['size']:,} bytes in all,"
        f" MD5 {kept['md5']}): `make model FROM=folder PROFILE=mine` puts it there"
    )
    message = there.fails("check")
    assert message.startswith("data/models/mine: there is no base model, expected a Hugging Face directory")
    assert message.endswith("; `make model FROM=folder PROFILE=mine` puts it there")
    other = hugging_face(tmp_path / "other", 6)
    message = there.fails("model", f"FROM={other}", "PROFILE=mine")
    assert f"would come there, expected {NAMES}" in message
    assert message.endswith("; REPLACE=1 takes the new one")
    assert not (there.folder / "data/models/mine").exists()
    there.ok("model", f"FROM={theirs}", "PROFILE=mine")
    assert pin(there) == kept
    assert ran(there.ok("dvc", "repro")) == {"base"}, "and of the same bytes, so nothing after it"
    assert json.loads(there.ok("dvc", "status", "--json")) == {}
    assert there.ok("git", "status", "--porcelain") == ""


def here_bucket(clone: Clone) -> str:
    return clone.ok("dvc", "config", "remote.obs.url").split("/")[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["PROFILE=tiny"],
            "profile 'tiny': its base model is of source random, expected one of source directory",
        ),
        (["PROFILE=llama3-8b"], "profile 'llama3-8b': hidden_size is 4096, expected 64 as in "),
        (["PROFILE=min"], "profile 'min' does not exist, expected one of: "),
    ],
)
def test_a_model_that_is_not_the_profiles_is_refused(clone, theirs, words, message):
    assert clone.fails("model", f"FROM={theirs}", *words).startswith(message)
    assert not (clone.folder / "data/models/llama3-8b").exists()


def test_a_switch_that_is_on_by_default_is_put_off_by_0(clone, theirs, tmp_path):
    there = clone.fresh(tmp_path / "there")
    shutil.rmtree(there.folder / "data/models")
    there.ok("model", f"FROM={theirs}", "PROFILE=mine", "PUSH=no", "REPLACE=1")
    assert pin(there)["push"] is False
    there.ok("model", f"FROM={theirs}", "PROFILE=mine")
    assert pin(there)["push"] is False, "as the .dvc file says"
    there.ok("model", f"FROM={theirs}", "PROFILE=mine", "PUSH=1")
    assert "push" not in pin(there)
