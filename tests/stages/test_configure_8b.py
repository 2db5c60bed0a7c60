"""The profiles of Llama-3-8B up to the device: judged with a base model of the right shapes, and planned."""

import json
import math
import struct
from pathlib import Path

import pytest

from abacus.core.errors import InputError
from abacus.core.params import PATH
from abacus.formats import source
from abacus.formats.hf_config import config
from abacus.formats.huggingface import name_of
from abacus.pipeline import judge
from abacus.planning import cost, recipe
from abacus.profile import load
from abacus.training.configuration import Run, training_of
from abacus.weights.architecture import lora_parameters
from abacus.weights.checkpoint import expected
from tests.workspace import ROOT

PROFILES = ROOT / load.PROFILES
NAMES = [name for name in load.names(PROFILES) if name.startswith("llama3-8b")]
LLAMA = load.profile("llama3-8b", PROFILES).llama
MATRICES = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)  # of all layers
HEAD = 4096 * 128256


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of Llama-3-8B, 16 GB of zeros that take no room: a safetensors file's head, and a hole behind it."""
    path = tmp_path_factory.mktemp("models")
    head, at = {}, 0
    for name, shape in expected(LLAMA.architecture).items():
        end = at + 2 * math.prod(shape)
        head[name_of(name)] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(head).encode()
    with (path / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    about = config(LLAMA.architecture, LLAMA.special_ids, tied=False, kind="bfloat16")
    (path / "config.json").write_text(json.dumps(about), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", NAMES)
def test_every_8b_profile_is_accepted_where_model_and_npu_are(name, folder, tmp_path, monkeypatch):
    found = load.profile(name, PROFILES)
    monkeypatch.setattr(judge, "OWN", tmp_path / "models")
    monkeypatch.setattr(judge, "DEVICES", tmp_path)
    with pytest.raises(
        InputError, match=f"there is no base model, .*`make model FROM=folder PROFILE={name}`"
    ):
        judge.judged(found, ROOT / PATH)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / name).symlink_to(folder)
    with pytest.raises(InputError, match=r"context\.device_target is Ascend, expected a machine with an NPU"):
        judge.judged(found, ROOT / PATH)
    (tmp_path / "davinci0").touch()
    training = judge.judged(found, ROOT / PATH)
    assert training.ranks == 4 and training.steps == 5 * training.settings.steps_per_checkpoint
    assert source.find(folder).kind == source.HUGGING_FACE


def run_of(name: str) -> Run:
    found = load.profile(name, PROFILES)
    steps = found.document.abacus.finetune.steps_per_checkpoint
    training = training_of(found, checkpoints=5, steps_per_checkpoint=steps, seed=1)
    return training.resolve(base=Path(), mindrecord=Path(), rows=10**5, output=Path())


def test_operations_by_hand():
    """The reference's matrices lie on four ranks, are computed again, and its logits are made whole on each."""
    lora = 3_407_872
    tokens, attention = 64 * 256, 32 * 4 * 256 * 4096
    layers = (6 * MATRICES + 4 * attention + 2 * 4 * lora) / 4
    assert cost.operations(run_of("llama3-8b"), lora, 1) == pytest.approx(tokens * (layers + 4 * HEAD))
    # Packed: a rank has one sequence of 1 152 whole, nothing is computed twice, and 384 places have logits.
    layers = 4 * MATRICES + 3 * 32 * 4 * 1152 * 4096 + 2 * 3 * lora
    packed = cost.operations(run_of("llama3-8b-packed"), lora, 1)
    assert packed == pytest.approx(1152 * layers + 384 * 4 * HEAD)
    assert cost.operations(run_of("llama3-8b"), lora, 1) > 5 * packed


def test_the_stepwise_profile_has_the_size_that_its_document_gives():
    found = load.profile("llama3-8b-stepwise", PROFILES)
    trained = lora_parameters(found.llama.architecture, found.lora.lora_rank, found.lora.target_modules)
    assert trained == 41_943_040
    assert found.lora.lora_alpha / found.lora.lora_rank == 2
    assert run_of("llama3-8b-stepwise").steps == 11_280
    with recipe.laid_over(found.name, ROOT / PATH, ROOT / recipe.RECIPES) as params:
        assert load.chosen(params) == found.name
