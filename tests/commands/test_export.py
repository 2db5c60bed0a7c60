"""Export: LoRA folded in gives the adapter's logits; what is written can be read again, here and elsewhere."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from abacus.core.errors import InputError
from abacus.formats import huggingface
from abacus.profile import load
from abacus.weights import lora
from abacus.weights.checkpoint import load_checkpoint, number_type, random_weights, save_checkpoint
from tests import exports
from tests.cutting import cut, write_strategies
from tests.llama import equal, logits
from tests.workspace import ROOT, configure

TINY = load.profile("tiny")
SHAPE = TINY.llama.architecture
SCALE = 2  # alpha 16, rank 8
IDS = np.array([256, 72, 101, 108, 108, 111, 32, 49, 50, 43])


lora_weights = functools.partial(exports.lora_weights, SHAPE)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, stage) -> Path:
    """A folder with a base model and one checkpoint."""
    folder = tmp_path_factory.mktemp("export")
    base_of(stage, configure(folder / "profile", TINY), folder / "base")
    (folder / "3").mkdir()
    save_checkpoint(folder / "3" / "adapter.ckpt", lora_weights())
    about = {"step": 6, "trainable_parameters": 3584, "rank": 8, "alpha": 16}
    (folder / "3" / "adapter.json").write_text(json.dumps(about))
    return folder


def base_of(stage, profile: Path, out: Path, source: Path = Path("none")) -> None:
    """Run stage base for a folder that `configure` has written."""
    done = stage(
        "base", "--profile", profile, "--source", source, "--out", out, "--log", out.with_suffix(".log")
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def exported(work: Path, stage) -> Path:
    """What the command makes of the checkpoint."""
    done = run(stage, work, "--adapter", work / "3", "--out", work / "out")
    assert done.returncode == 0, done.stderr
    assert "mindspore" not in done.stderr.lower().replace("model.ckpt", "")
    return work / "out"


def run(stage, work: Path, *words: object) -> subprocess.CompletedProcess:
    log = work / "export.log"
    return stage("export", "--profile", "tiny", "--base", work / "base", "--log", log, *words)


def test_folded_logits_are_the_adapter_s(work: Path, exported: Path) -> None:
    """MindFormers' model with its own LoRA layers, as the Trainer builds it, against the folded weights."""
    import mindspore
    from mindformers import MindFormerConfig
    from mindformers.models.build_model import build_network

    mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
    base = load_checkpoint(work / "base" / "model.ckpt")
    folded = load_checkpoint(exported / "model.ckpt")
    seen = {}
    for name, weights, pet in (("adapter", base | lora_weights(), True), ("folded", folded, False)):
        options = {**TINY.framework["model"]["model_config"], "seq_length": len(IDS), "batch_size": 1}
        if not pet:
            options.pop("pet_config")
        settings = {"arch": {"type": "LlamaForCausalLM"}, "model_config": options}
        model = build_network(MindFormerConfig(**settings))
        parameters = {key: mindspore.Parameter(array, name=key) for key, array in weights.items()}
        assert mindspore.load_param_into_net(model, parameters) == ([], [])
        model.set_train(False)
        ids = mindspore.Tensor(IDS[None].astype(np.int32))
        seen[name] = model(ids)[0].asnumpy().reshape(len(IDS), -1)
    scale = np.abs(seen["adapter"]).max()
    assert np.abs(seen["adapter"] - seen["folded"]).max() < 1e-5 * scale
    plain = logits(SHAPE, base, IDS)
    assert np.abs(seen["adapter"] - plain).max() > 0.01 * scale, "else the adapter does nothing here"
    assert np.abs(logits(SHAPE, folded, IDS) - seen["folded"]).max() < 1e-5 * scale


def test_each_folded_matrix_is_w_plus_b_a_alpha_over_r(work: Path, exported: Path) -> None:
    base, folded = (load_checkpoint(path / "model.ckpt") for path in (work / "base", exported))
    changes = lora_weights()
    assert list(folded) == list(base)
    for name, array in base.items():
        expected = array.astype(np.float64)
        if (a := changes.get(name.replace("weight", "mindpet_delta_lora_a"))) is not None:
            b = changes[name.replace("weight", "mindpet_delta_lora_b")]
            expected = expected + b.astype(np.float64) @ a.astype(np.float64) * SCALE
        assert np.array_equal(folded[name], expected.astype(np.float32)), name


def test_both_forms_come_back_through_base(exported: Path, tmp_path: Path, stage) -> None:
    """Exported, taken as a base model of one's own, and there again to the bit; tokenizer included."""
    folded = load_checkpoint(exported / "model.ckpt")
    tiny = yaml.safe_load((load.PROFILES / "tiny.yaml").read_text(encoding="utf-8"))
    tiny["abacus"]["base"] = {"source": "directory"}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(tiny), encoding="utf-8")
    own = configure(tmp_path / "own", load.load(tmp_path / "own.yaml", load.PROFILES / load.BASE))
    (tmp_path / "ckpt").mkdir()
    shutil.copy(exported / "model.ckpt", tmp_path / "ckpt")
    shutil.copy(exported / "huggingface" / "tokenizer.json", tmp_path / "ckpt")
    for source in (exported / "huggingface", tmp_path / "ckpt"):
        out = tmp_path / f"base-{source.name}"
        base_of(stage, own, out, source)
        assert equal(load_checkpoint(out / "model.ckpt"), folded)


def test_the_hugging_face_directory_has_every_weight(exported: Path) -> None:
    shape, weights = huggingface.read(exported / "huggingface")
    assert shape == SHAPE
    assert equal({name: weights[name] for name in load_checkpoint(exported / "model.ckpt")}, weights)
    assert equal(weights, load_checkpoint(exported / "model.ckpt"))


def test_about_says_what_was_written(work: Path, exported: Path) -> None:
    about = json.loads((exported / "export.json").read_text())
    assert (about["source"], about["step"], about["dtype"]) == ("3", 6, "float32")
    assert about["adapter_sha256"] == hashlib.sha256((work / "3" / "adapter.ckpt").read_bytes()).hexdigest()
    files = {str(p.relative_to(exported)) for p in exported.rglob("*") if p.is_file()} - {"export.json"}
    assert set(about["files"]) == files
    for name, digest in about["files"].items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == digest
    assert str(exported) not in (exported / "export.json").read_text()


def test_the_base_model_and_repeats(work: Path, exported: Path, tmp_path: Path, stage) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "adapter.json").write_text('{"step": 0, "trainable_parameters": 0}')
    assert run(stage, work, "--adapter", tmp_path / "0", "--out", tmp_path / "base").returncode == 0
    whole = load_checkpoint(tmp_path / "base" / "model.ckpt")
    assert equal(whole, load_checkpoint(work / "base" / "model.ckpt"))
    assert run(stage, work, "--adapter", work / "3", "--out", tmp_path / "again").returncode == 0
    both = [json.loads((path / "export.json").read_text()) for path in (exported, tmp_path / "again")]
    assert both[0] == both[1]


@pytest.mark.parametrize("form", ["adapter", "whole"])
def test_shards_of_another_run(work: Path, exported: Path, tmp_path: Path, stage, form: str) -> None:
    """Ranks' files of LoRA alone, and of a whole model with LoRA beside it, give the same export."""
    beside = load_checkpoint(work / "base" / "model.ckpt") | lora_weights()
    write_strategies(tmp_path / "strategy", beside, 1, 2)
    states = {"global_step": np.array([6], np.int32)} if form == "whole" else {}
    states |= {f"adam_m.{name}": array for name, array in lora_weights(7).items() if states}
    parts = {"adapter": lora_weights(), "whole": beside}[form]
    if states:
        write_strategies(tmp_path / "all", beside | states, 1, 2)
    files = cut(
        parts | states,
        tmp_path / ("all" if states else "strategy"),
        tmp_path / "run",
        "m_rank_{rank}-3_2.ckpt",
    )
    assert len(files) == 2
    strategy = tmp_path / ("all" if states else "strategy")
    done = run(stage, work, "--shards", tmp_path / "run", "--strategy", strategy, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert equal(load_checkpoint(tmp_path / "out" / "model.ckpt"), load_checkpoint(exported / "model.ckpt"))
    about = json.loads((tmp_path / "out" / "export.json").read_text())
    assert (about["lora_weights"], about["states_left_out"]) == (8, len(states))


def test_a_merged_checkpoint(work: Path, exported: Path, tmp_path: Path, stage) -> None:
    beside = load_checkpoint(work / "base" / "model.ckpt") | lora_weights()
    save_checkpoint(tmp_path / "lr4_v2_3905.ckpt", beside)
    done = run(stage, work, "--checkpoint", tmp_path / "lr4_v2_3905.ckpt", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert equal(load_checkpoint(tmp_path / "out" / "model.ckpt"), load_checkpoint(exported / "model.ckpt"))


@pytest.fixture
def here(work: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Run `make export` in a workspace of the tiny profile that has the checkpoints 0 and 3."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(params.replace("smollm2-135m", "tiny"), encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "base").symlink_to(work / "base")
    shutil.copytree(work / "3", tmp_path / "checkpoints" / "3")
    (tmp_path / "checkpoints" / "0").mkdir()

    def make(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "abacus", "export", *words]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)

    return make


def test_a_checkpoint_by_its_number(here, tmp_path: Path, exported: Path) -> None:
    done = here("CHECKPOINT=3")
    assert done.returncode == 0, done.stderr
    found, expected = (
        json.loads((path / "export.json").read_text()) for path in (tmp_path / "exports" / "3", exported)
    )
    assert found == expected
    done = here("CHECKPOINT=3", "OUT=elsewhere")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "elsewhere").iterdir()} == {
        path.name for path in exported.iterdir()
    }


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["CHECKPOINT=9"], 1, "error: CHECKPOINT is 9, expected one of those in checkpoints: 0, 3"),
        (["CHECKPOINT=some.ckpt"], 1, "error: OUT is missing, expected a folder for the export"),
        (["CHECKPOINT=some.ckpt", "OUT=x"], 1, "error: some.ckpt: no such file, expected a MindSpore checkpoint"),
        (["SHARDS=some", "OUT=x"], 1, "error: SHARDS and STRATEGY go together, expected both or none"),
        (["CHECKPOINT=3", "STRATEGY=some"], 1, "error: SHARDS and STRATEGY go together, expected both or none"),
        (["CHECKPOINT=3", "OUT=data/base"], 1, "error: data/base: is, holds or lies in what is exported, expected a new name"),
        (["CHECKPOINT=3", "OUT=checkpoints"], 1, "error: checkpoints: is, holds or lies in what is exported, expected"),
        (["CHECKPOINT=3", "PROFILE=smollm2-135m"], 1, "error: data/base/model.json: hidden_size is 64, expected 576 as"),
        (["OUT=x"], 2, "error: make export: one of the arguments ADAPTER SHARDS CHECKPOINT DATA is required; expected make"),
        (["CHECKPOINT=3", "SHARDS=x"], 2, "error: make export: argument SHARDS: not allowed with argument CHECKPOINT"),
        (["CHEKPOINT=3"], 2, "error: make export: CHEKPOINT is no variable of it, did you mean CHECKPOINT?"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_one_line(here, tmp_path: Path, words, code, said) -> None:
    done = here(*words)
    assert (done.returncode, done.stderr.splitlines()[-1][: len(said)]) == (code, said)
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists() and not (tmp_path / "exports").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"strange": np.zeros(3, np.float32)}, "strange is unknown, expected weights of a Llama, of LoRA"),
        (
            {"lm_head.weight": np.zeros((2, 2), np.float32)},
            "lm_head.weight has the shape (2, 2), expected (259",
        ),
    ],
)
def test_a_checkpoint_of_something_else(work: Path, tmp_path: Path, stage, error_line, change, said) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    (tmp_path / "out" / "export.json").write_text("{}")
    save_checkpoint(tmp_path / "x.ckpt", load_checkpoint(work / "base" / "model.ckpt") | change)
    done = run(stage, work, "--checkpoint", tmp_path / "x.ckpt", "--out", tmp_path / "out", "--replace")
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"old", "export.json"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--adapter", "nowhere"),
            "nowhere/adapter.json: no such file, expected the adapter of a checkpoint",
        ),
        (("--checkpoint", "no.ckpt"), "no.ckpt: no such file, expected a MindSpore checkpoint"),
        (("--shards", "no", "--strategy", "no"), "no: holds no rank_0/*.ckpt, expected a folder a rank"),
    ],
)
def test_a_missing_input_is_one_line(work: Path, tmp_path: Path, stage, words, said) -> None:
    done = run(stage, work, *words, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"error: {said}"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("precious", "precious: holds something else than an export, expected a new name"),
        ("file", "file: is there and no folder, expected a new name"),
        ("base", "base: is, holds or lies in what is exported, expected a new name"),
        ("3", "3: is, holds or lies in what is exported, expected a new name"),
        (".", ": is, holds or lies in what is exported, expected a new name"),
        ("base/huggingface", "huggingface: is, holds or lies in what is exported, expected a new name"),
    ],
)
def test_a_place_that_holds_something_else_stays_as_it_is(
    work: Path, tmp_path: Path, stage, out, said
) -> None:
    copy = shutil.copytree(work, tmp_path / "work")
    (copy / "precious").mkdir()
    (copy / "precious" / "thesis.txt").write_text("years of work")
    (copy / "file").write_text("old")
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.suffix != ".log"}
    done = run(stage, copy, "--adapter", copy / "3", "--out", copy / out)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(said)
    after = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.suffix != ".log"}
    assert after == before


def test_an_adapter_that_does_not_fit(work: Path, tmp_path: Path) -> None:
    wide = {name: np.zeros((8, 8), np.float32) for name in lora_weights()}
    with pytest.raises(
        InputError, match=r"LoRA shapes \(8, 8\) x \(8, 8\) for .*wq\.weight, expected \(64, 64\)"
    ):
        lora.fold_pairs(random_weights(SHAPE, 1), wide, SCALE, "x")
    half = {name: array for name, array in lora_weights().items() if not name.endswith("b")}
    with pytest.raises(InputError, match="has only LoRA's a, expected a and b"):
        lora.fold_pairs(random_weights(SHAPE, 1), half, SCALE, "x")


def test_bfloat16_stays_bfloat16_and_is_rounded_once() -> None:
    kind = number_type("bfloat16")
    base = {name: array.astype(kind) for name, array in random_weights(SHAPE, 1).items()}
    folded = lora.fold_pairs(base, lora_weights(), SCALE, "x")
    assert {array.dtype for array in folded.values()} == {kind}
    name = "model.layers.1.attention.wv.weight"
    a, b = (lora_weights()[name.replace("weight", f"mindpet_delta_lora_{part}")] for part in "ab")
    exact = base[name].astype(np.float64) + b.astype(np.float64) @ a.astype(np.float64) * SCALE
    assert np.array_equal(folded[name].astype(np.float64), exact.astype(kind).astype(np.float64))
    error = np.abs(folded[name].astype(np.float64) - exact)
    assert (error <= np.abs(exact) * 2.0**-8).all(), "half a unit of bfloat16's eight bits"
    assert folded["lm_head.weight"] is base["lm_head.weight"], "what LoRA leaves alone is not copied"


TRANSFORMERS = """
import sys
import numpy as np, torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
with torch.no_grad():
    np.save(sys.argv[3], model(torch.tensor(np.load(sys.argv[2]))[None]).logits[0].numpy())
"""


@pytest.mark.skipif(
    "ABACUS_TORCH_PYTHON" not in os.environ,
    reason="ABACUS_TORCH_PYTHON names no interpreter with torch and transformers",
)
def test_transformers_gives_the_same_logits(exported: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", IDS)
    words = [os.environ["ABACUS_TORCH_PYTHON"], "-c", TRANSFORMERS, exported / "huggingface"]
    subprocess.run([*words, tmp_path / "ids.npy", tmp_path / "logits.npy"], check=True)
    found, ours = (
        np.load(tmp_path / "logits.npy"),
        logits(SHAPE, load_checkpoint(exported / "model.ckpt"), IDS),
    )
    assert np.abs(found - ours).max() < 1e-5 * np.abs(ours).max()


@pytest.mark.slow
@pytest.mark.model
def test_the_real_model_with_an_adapter_of_rank_8(tmp_path: Path, stage) -> None:
    """SmolLM2: the directory holds the folded weights name by name, and its embedding once."""
    profile = load.profile("smollm2-135m")
    base_of(stage, configure(tmp_path / "profile", profile), tmp_path / "base")
    source = np.random.default_rng(2)
    rows = {"wq": 576, "wv": 192}
    adapter = {
        f"model.layers.{number}.attention.{target}.mindpet_delta_lora_{part}": source.standard_normal(
            (8, 576) if part == "a" else (rows[target], 8), np.float32
        )
        * np.float32(0.02)
        for number in range(30)
        for target in rows
        for part in "ab"
    }
    assert sum(array.size for array in adapter.values()) == 460_800
    (tmp_path / "1").mkdir()
    save_checkpoint(tmp_path / "1" / "adapter.ckpt", adapter)
    (tmp_path / "1" / "adapter.json").write_text(json.dumps({"step": 1, "rank": 8, "alpha": 16}))
    done = stage("export", "--profile", "smollm2-135m", "--base", tmp_path / "base", "--adapter", tmp_path / "1",
                 "--out", tmp_path / "out", "--log", tmp_path / "log")  # fmt: skip
    assert done.returncode == 0, done.stderr
    folded = load_checkpoint(tmp_path / "out" / "model.ckpt")
    found, weights = huggingface.read(tmp_path / "out" / "huggingface")
    assert equal(weights, {name: folded[name] for name in weights})
    assert set(weights) == set(folded)
    assert found == profile.llama.architecture.model_copy(update={"tie_word_embeddings": True})
    base = load_checkpoint(tmp_path / "base" / "model.ckpt")
    changed = {name for name in base if not np.array_equal(base[name], folded[name])}
    assert changed == {name.rpartition(".")[0] + ".weight" for name in adapter}
    assert json.loads((tmp_path / "out" / "export.json").read_text())["parameters"] == 134_515_008
