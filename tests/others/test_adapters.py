"""Adapters made elsewhere become checkpoint folders: PEFT's to the logits of the real peft, and MindSpore's."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from abacus.core.errors import InputError
from abacus.formats import huggingface
from abacus.others.adapters import CONFIG, TENSORS, folder_of
from abacus.weights.checkpoint import load_checkpoint, random_weights, save_checkpoint
from abacus.weights.lora import fold, read_adapter
from tests.llama import equal, logits
from tests.tiny import TINY, pairs, write_model
from tests.workspace import ROOT

SHAPE, PEERS = TINY.llama.architecture, ROOT / ".venv-peers" / "bin" / "python"
IDS = np.arange(3, 40)
# What a user of peft does: every kind of matrix, weights that are not zero, saved.
PEFT = """
import sys
import numpy as np, torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
base, ids, *folders = sys.argv[1:]
names = [f"{n}_proj" for n in ("q", "k", "v", "o", "gate", "up", "down")]
for folder, rs in zip(folders, (False, True)):
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    how = LoraConfig(r=4, lora_alpha=12, target_modules=names, use_rslora=rs, init_lora_weights=False)
    model = get_peft_model(model, how)
    model.save_pretrained(folder)
    with torch.no_grad():
        np.save(f"{folder}/logits.npy", model.eval()(torch.tensor(np.load(ids))[None]).logits[0].numpy())
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("adapters")
    write_model(folder / "base", folder)
    return folder / "base"


def take(source: Path, base: Path, to: Path, alpha: float | None = None) -> Path:
    return folder_of(source, base, TINY.lora, alpha, to)


@pytest.mark.skipif(not PEERS.exists(), reason="there is no .venv-peers with peft (`make bench` makes it)")
def test_an_adapter_of_the_real_peft_gives_its_logits(base, tmp_path):
    weights = load_checkpoint(base / "model.ckpt")
    huggingface.write(tmp_path / "hf", SHAPE, weights, base)
    np.save(tmp_path / "ids.npy", IDS)
    kinds = [tmp_path / "plain", tmp_path / "stabilised"]
    words = [PEERS, "-c", PEFT, tmp_path / "hf", tmp_path / "ids.npy", *kinds]
    subprocess.run(list(map(str, words)), check=True, capture_output=True, env={"HF_HUB_OFFLINE": "1"})
    before = logits(SHAPE, weights, IDS)
    for folder in kinds:
        expected = np.load(folder / "logits.npy")
        taken = take(folder, base, tmp_path / f"taken-{folder.name}")
        ours = logits(SHAPE, fold(weights, taken), IDS)
        assert np.abs(ours - expected).max() < 1e-4 * np.abs(expected).max()
        assert np.abs(before - expected).max() > 1e-2 * np.abs(expected).max(), (
            "the adapter changes something"
        )
        sizes = read_adapter(taken / "adapter.json").trainable_parameters
        assert sizes == sum(array.size for array in load_checkpoint(taken / "adapter.ckpt").values())


def saved(folder: Path, change: dict | None = None, tensors: dict | None = None) -> Path:
    """An adapter of q_proj as peft saves it."""
    folder.mkdir()
    config = {
        "peft_type": "LORA",
        "r": 8,
        "lora_alpha": 16,
        "target_modules": ["q_proj"],
        "task_type": "CAUSAL_LM",
    }
    (folder / CONFIG).write_text(json.dumps(config | (change or {})))
    theirs = {
        f"base_model.model.model.layers.{name.split('.')[2]}.self_attn.q_proj.lora_{name[-1].upper()}.weight": array
        for name, array in pairs().items()
    }
    save_file(tensors if tensors is not None else theirs, folder / TENSORS)
    return folder


@pytest.mark.parametrize("alpha", [16, 4])
def test_peft_s_matrices_are_folded_as_ours_are(base, tmp_path, alpha):
    weights = load_checkpoint(base / "model.ckpt")
    taken = take(saved(tmp_path / "peft", {"lora_alpha": alpha}), base, tmp_path / "taken")
    folded = fold(weights, taken)
    for name in {name.rpartition(".")[0] for name in pairs()}:
        a, b = (pairs()[f"{name}.mindpet_delta_lora_{part}"].astype(np.float64) for part in "ab")
        assert np.allclose(folded[f"{name}.weight"], weights[f"{name}.weight"] + b @ a * alpha / 8, atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda array: array[0], "has the shape (64,), expected rank 8"),
        (lambda array: array[()][:, :63], "LoRA shapes (64, 8) x (8, 63) for "),
        (lambda array: array * np.nan, "has values that are no numbers, expected finite ones"),
        (None, "has only LoRA's b, expected a and b"),
    ],
)
def test_a_matrix_that_does_not_fit_is_named_before_a_model_is_loaded(base, tmp_path, changed, said):
    """By the file that was given, in both formats; nothing is left of it."""
    first = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    theirs = load_file(saved(tmp_path / "good") / TENSORS)
    ours = pairs()
    own = next(name for name in ours if ".0." in name and name.endswith("a"))
    for arrays, name in ((theirs, first), (ours, own)):
        arrays[name] = np.ascontiguousarray(changed(arrays[name])) if changed else arrays[name]
        if not changed:
            del arrays[name]
    save_checkpoint(tmp_path / "lora.ckpt", ours)
    for source in (saved(tmp_path / "peft", tensors=theirs), tmp_path / "lora.ckpt"):
        with pytest.raises(InputError) as caught:
            take(source, base, tmp_path / "taken")
        place = source / TENSORS if source.is_dir() else source
        assert str(caught.value).startswith(f"{place}: ")
        assert said in str(caught.value) or "LoRA shapes" in str(caught.value)
    assert not (tmp_path / "taken").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"use_dora": True}, "adapter_config.json: use_dora is True, expected one of: False"),
        ({"peft_type": "IA3"}, "adapter_config.json: peft_type is 'IA3', expected one of: LORA"),
        ({"bias": "all"}, "adapter_config.json: bias is 'all', expected one of: none"),
        ({"r": 4}, "has the shape (8, 64), expected rank 4"),
        (
            {"modules_to_save": ["lm_head"]},
            "adapter_config.json: modules_to_save is a list, expected nothing",
        ),
        (
            {"alpha_pattern": {"q_proj": 3}},
            "adapter_config.json: alpha_pattern is a mapping, expected an empty",
        ),
        *(
            (
                {"init_lora_weights": way},
                f"adapter_config.json: init_lora_weights is '{way}' (text), expected true or false or one of: ",
            )
            for way in ("pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga")
        ),
        *(
            ({key: True}, f"adapter_config.json: {key} is True, expected one of: False")
            for key in ("use_qalora", "lora_bias")
        ),
        *(
            ({key: value}, f"adapter_config.json: {key} is a {kind}, expected nothing")
            for key, value, kind in (
                ("alora_invocation_tokens", [3, 4], "list"),
                ("layer_replication", [[0, 1], [0, 2]], "list"),
                ("trainable_token_indices", [1], "list"),
                ("target_parameters", ["experts.up"], "list"),
                ("use_bdlora", {"nblocks": 2}, "mapping"),
                ("arrow_config", {"top_k": 3}, "mapping"),
                ("kasa_config", {"beta": 1.0}, "mapping"),
                ("monteclora_config", {"num_samples": 8}, "mapping"),
            )
        ),
    ],
)
def test_what_is_more_than_lora_is_one_line(base, tmp_path, change, said):
    with pytest.raises(InputError) as error:
        take(saved(tmp_path / "peft", change), base, tmp_path / "taken")
    assert said in str(error.value)
    assert not (tmp_path / "taken").exists()


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (
            {"base_model.model.lm_head.lora_A.weight": np.ones((8, 2), np.float32)},
            "is no LoRA matrix of a layer",
        ),
        ({}, "there is nothing in it"),
        ({"x": np.ones(3, np.int64)}, "x has the type I64"),
    ],
)
def test_weights_of_something_else_are_one_line(base, tmp_path, tensors, said):
    with pytest.raises(InputError, match=said):
        take(saved(tmp_path / "peft", tensors=tensors), base, tmp_path / "taken")


def test_a_damaged_or_missing_file_is_one_line(base, tmp_path):
    folder = saved(tmp_path / "peft")
    (folder / TENSORS).write_bytes(b"\xff" * 20)
    with pytest.raises(InputError, match=r"adapter_model.safetensors: .*expected a whole safetensors file"):
        take(folder, base, tmp_path / "taken")
    (folder / TENSORS).unlink()
    with pytest.raises(InputError, match=r"no such file, expected the adapter's weights"):
        take(folder, base, tmp_path / "taken")
    (tmp_path / "empty").mkdir()
    for name, found in (("empty", "holds no adapter"), ("nowhere", "no such folder")):
        with pytest.raises(InputError, match=f"{name}: {found}, expected adapter_config.json"):
            take(tmp_path / name, base, tmp_path / "taken")


@pytest.mark.parametrize("way", [True, False, "gaussian", "orthogonal", "eva", "mica"])
def test_a_beginning_that_leaves_the_base_model_alone_is_lora(base, tmp_path, way):
    said = {"init_lora_weights": way, "use_qalora": False, "alora_invocation_tokens": None}
    assert (take(saved(tmp_path / "peft", said), base, tmp_path / "taken") / "adapter.ckpt").is_file()


def test_alpha_is_not_given_to_what_says_its_own(base, tmp_path):
    for source, name in ((saved(tmp_path / "peft"), CONFIG), (base.parent / "1", "adapter.json")):
        with pytest.raises(InputError, match=rf"{name}: says its alpha, and ALPHA is 12, expected no ALPHA"):
            take(source, base, tmp_path / "taken", alpha=12.0)


def test_one_of_ours_is_taken_as_it_is(base, tmp_path):
    assert take(base.parent / "1", base, tmp_path / "taken") == base.parent / "1"
    assert not (tmp_path / "taken").exists()


def test_a_mindspore_checkpoint_with_the_states_and_the_model_beside_it(base, tmp_path):
    weights = load_checkpoint(base / "model.ckpt")
    states = {"global_step": np.array([6], np.int32), "adam_m.x": np.ones(2, np.float32)}
    expected = fold(weights, base.parent / "1")
    for number, beside in enumerate(({}, weights)):
        path = tmp_path / f"{number}.ckpt"
        save_checkpoint(path, {**pairs(), **states, **beside})
        assert equal(fold(weights, take(path, base, tmp_path / f"taken{number}")), expected)
    with pytest.raises(InputError, match=r"holds 0.ckpt and 1 more, expected the path of one of them"):
        take(tmp_path, base, tmp_path / "taken")
    other = random_weights(SHAPE, 3)
    save_checkpoint(tmp_path / "2.ckpt", {**pairs(), **other})
    with pytest.raises(InputError, match=r"are not those of .*base, expected its base model"):
        take(tmp_path / "2.ckpt", base, tmp_path / "taken")
    save_checkpoint(tmp_path / "3.ckpt", weights)
    with pytest.raises(InputError, match=r"holds no LoRA weights, expected an adapter"):
        take(tmp_path / "3.ckpt", base, tmp_path / "taken")


def test_another_rank_wants_its_alpha(base, tmp_path):
    half = {n: array[:4] if n.endswith("a") else array[:, :4] for n, array in pairs().items()}
    save_checkpoint(tmp_path / "x.ckpt", half)
    with pytest.raises(
        InputError, match=r"is of rank 4, the profile of \d+, expected one rank, and its ALPHA"
    ):
        take(tmp_path / "x.ckpt", base, tmp_path / "taken")
    taken = take(tmp_path / "x.ckpt", base, tmp_path / "taken", alpha=12.0)
    assert json.loads((taken / "adapter.json").read_text())["alpha"] == 12
