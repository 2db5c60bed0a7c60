"""An adapter for PEFT: names, shapes and numbers are ours; the real `peft` gives the logits of the folded weights."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from abacus.commands import profile as profile_command
from abacus.core.errors import InputError
from abacus.neighbours import folders, peft
from abacus.profile import load
from abacus.text.prompt import Prompter
from abacus.text.tokenizer import Tokenizer
from abacus.weights.checkpoint import load_checkpoint, save_checkpoint
from abacus.weights.lora import fold
from tests.exports import PROBLEMS, TRAIN, lora_weights, peers, workspace, written_for_others
from tests.llama import logits

IDS = [256, 72, 101, 108, 261, 262, 32, 49, 50, 43]
MEASURED = {
    "step": 6,
    "math_strict": 3.125,
    "math_strict_low": 1.6,
    "math_strict_high": 6.0,
    "math_problems": 3,
}
BEFORE = {"step": 0, "math_strict": 0.0, "math_problems": 3}


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A workspace with its base model as a Hugging Face directory, an adapter for PEFT and the data."""
    folder = tmp_path_factory.mktemp("peft")
    made = workspace(folder, template="vicuna", bos=True)
    shape, base = made.llama.architecture, folder / "data/base"
    written_for_others(folder, made)
    source = folder / "checkpoints/3"
    folders.adapter(folder / "adapter", source, base, made, shape, str(folder / "base"), MEASURED, BEFORE)
    return folder


def made_of(work: Path) -> load.Profile:
    return load.profile("small", work / "profiles")


def test_the_weights_are_the_checkpoint_s(work):
    found = load_file(work / "adapter/adapter_model.safetensors")
    ours = lora_weights(made_of(work).llama.architecture)
    assert len(found) == len(ours) == 8
    for name, array in ours.items():
        number, target, part = name.split(".")[2], name.split(".")[4], name[-1].upper()
        module = {"wq": "q_proj", "wv": "v_proj"}[target]
        theirs = f"base_model.model.model.layers.{number}.self_attn.{module}.lora_{part}.weight"
        assert np.array_equal(found[theirs], array)
    said = json.loads((work / "adapter/adapter_config.json").read_text())
    assert (said["r"], said["lora_alpha"], said["lora_dropout"]) == (8, 16, 0.2)
    assert said["target_modules"] == ["q_proj", "v_proj"]
    about = json.loads((work / "adapter/export.json").read_text())
    assert set(about["files"]) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}


def test_modules_of_some_layers_only_are_named_one_by_one():
    names = [f"base_model.model.model.layers.{n}.self_attn.q_proj.lora_A.weight" for n in range(2)]
    assert peft.targets(names, 2) == ["q_proj"]
    assert peft.targets(names[:1], 2) == ["model.layers.0.self_attn.q_proj"]


def test_the_card_has_what_was_measured_beside_the_base_model(work):
    _, head, text = (work / "adapter/README.md").read_text(encoding="utf-8").split("---\n", 2)
    metadata = yaml.safe_load(head)
    (result,) = metadata["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "math_strict", "name": "math strict", "value": 3.125}]
    assert "base_model" not in metadata, "a folder is no name on the Hub"
    assert "| math strict | 3.12 | 1.6 to 6.0 | 0.00 |" in text
    assert "USER: {problem} ASSISTANT:" in text


def test_a_name_on_the_hub_is_metadata_and_without_metrics_there_are_no_results(work, tmp_path):
    made = made_of(work)
    shape, source = made.llama.architecture, work / "checkpoints/3"
    folders.adapter(tmp_path / "out", source, work / "data/base", made, shape, "some/model", {}, {})
    _, head, text = (tmp_path / "out/README.md").read_text(encoding="utf-8").split("---\n", 2)
    metadata = yaml.safe_load(head)
    assert metadata["base_model"] == "some/model"
    assert "model-index" not in metadata and "Nothing that is known here." in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda pairs: pairs.clear(), "the adapter is empty"),
        (
            lambda pairs: pairs.update(strange=np.zeros(3, np.float32)),
            "strange fits no weight of the base model",
        ),
        (lambda pairs: pairs.pop("model.layers.0.attention.wq.mindpet_delta_lora_b"), "has only LoRA's a"),
        (
            lambda pairs: pairs.update(
                {"model.layers.0.attention.wq.mindpet_delta_lora_b": np.zeros((4, 8))}
            ),
            r"has the shape \(4, 8\), expected \(64, 8\)",
        ),
    ],
)
def test_an_adapter_that_does_not_fit_is_one_line(work, change, said):
    shape = made_of(work).llama.architecture
    pairs = lora_weights(shape)
    change(pairs)
    with pytest.raises(InputError, match=said):
        peft.tensors(pairs, 8, shape, "3")


def test_the_base_model_has_no_adapter_and_nothing_half_is_left(work, tmp_path):
    made = made_of(work)
    arguments = (work / "data/base", made, made.llama.architecture, "b", {}, {})
    with pytest.raises(InputError, match="is the base model, which has no adapter"):
        folders.adapter(tmp_path / "out", work / "checkpoints/0", *arguments)
    (tmp_path / "3").mkdir()
    (tmp_path / "3/adapter.json").write_text('{"step": 6, "rank": 8, "alpha": 16}')
    save_checkpoint(tmp_path / "3/adapter.ckpt", {"strange": np.zeros(3, np.float32)})
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("old")
    with pytest.raises(InputError, match="strange fits no weight"):
        folders.adapter(tmp_path / "out", tmp_path / "3", *arguments)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["old"]
    assert {path.name for path in tmp_path.iterdir()} == {"3", "out"}


def test_a_profile_from_an_adapter_is_one_of_its_base_model(work, tmp_path, monkeypatch):
    assert peft.base_of(work / "adapter") == work / "base"
    assert peft.base_of(work / "base") is None, "no adapter"
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "a/adapter_config.json"
    config.parent.mkdir()
    config.write_text('{"base_model_name_or_path": "some/model"}')
    with pytest.raises(InputError, match="`hf download some/model --local-dir FOLDER`, then FROM=FOLDER"):
        peft.base_of(config.parent)
    config.write_text('{"base_model_name_or_path": null}')
    with pytest.raises(InputError, match="base_model_name_or_path is None"):
        peft.base_of(config.parent)
    (tmp_path / "a/base").mkdir()
    config.write_text('{"base_model_name_or_path": "base"}')
    assert peft.base_of(config.parent) == tmp_path / "a/base"
    assert "PEFT adapter" in profile_command.__doc__


@pytest.fixture(scope="module")
def said(work, tmp_path_factory) -> dict:
    """What the peers' libraries make of it all."""
    python = peers()
    if python is None:
        pytest.skip(
            "there is no .venv-peers (make bench sets it up), and ABACUS_TORCH_PYTHON names no interpreter"
        )
    place = tmp_path_factory.mktemp("said")
    asked = {
        "base": str(work / "base"),
        "adapter": str(work / "adapter"),
        "data": str(work / "exported"),
        "ids": IDS,
    }
    (place / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    script = Path(__file__).with_name("peers.py")
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own |= {"HF_HOME": str(place / "home"), "HF_HUB_OFFLINE": "1"}
    words = [python, script, place / "asked.json", place / "said.json"]
    done = subprocess.run(words, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((place / "said.json").read_text(encoding="utf-8"))


def test_peft_gives_the_logits_of_the_folded_weights(work, said):
    shape, base = made_of(work).llama.architecture, load_checkpoint(work / "data/base/model.ckpt")
    plain = logits(shape, base, np.array(IDS))
    folded = logits(shape, fold(base, work / "checkpoints/3"), np.array(IDS))
    scale = np.abs(folded).max()
    assert np.abs(np.array(said["plain"]) - plain).max() < 1e-5 * scale
    assert np.abs(np.array(said["logits"]) - folded).max() < 1e-5 * scale
    assert np.abs(np.array(said["alone"]) - folded).max() < 1e-5 * scale
    assert np.abs(plain - folded).max() > 0.01 * scale, "else the adapter does nothing here"
    assert len(said["trained"]) == 8


def test_the_hub_s_library_reads_both_cards(said):
    assert said["card"] == {"library": "peft", "language": ["zh", "en"]}
    assert said["results"] == [["abacus-math", "math_strict", 3.125]]
    assert said["data"]["configs"][0]["config_name"] == "default"


def test_datasets_reads_the_rows(said):
    kept = [list(row) for row in TRAIN if row[0] != PROBLEMS[1][0]]
    assert said["datasets"] == {"train": kept, "test": [list(row) for row in PROBLEMS]}
    assert all(text.count("Value('string')") == 2 for text in said["features"].values())


def test_other_trainers_see_our_tokens(work, said):
    """Rows encoded by transformers, part by part, are what our MindRecord holds: BOS, prompt, answer, EOS."""
    kept = [row for row in TRAIN if row[0] != PROBLEMS[1][0]]
    prompter = Prompter(Tokenizer.load(work / "data/base"), "vicuna", True)
    ours = [list(row) for row in prompter.rows(*zip(*kept, strict=True))]
    assert said["factory"] == ours
    assert said["axolotl"] == ours
    assert said["labels"] == [[False, True]] * len(kept)
