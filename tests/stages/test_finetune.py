"""Fine-tuning: MindFormers' loss and schedule are the reference's, runs repeat, mistakes are one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from abacus.core.errors import InputError
from abacus.profile import load
from abacus.training import run
from abacus.training.configuration import Run, training_of
from abacus.weights import checkpoint
from tests.llama import logits
from tests.training import (
    LENGTH,
    MODEL,
    ROOT,
    TRAINING,
    changed,
    command,
    files,
    history,
    make_inputs,
    rows,
    write_mindrecord,
    write_training,
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the stage reads."""
    return make_inputs(tmp_path_factory.mktemp("finetune"))


@pytest.fixture(scope="module")
def first(inputs: Path) -> Path:
    """The checkpoints of one run."""
    done = command(inputs, "checkpoints", "first.log")
    assert done.returncode == 0, done.stderr
    assert "step 1: compiling" in done.stderr
    assert "10/10" in done.stderr
    assert "mindformers" not in done.stderr.lower() + done.stdout.lower()
    assert sorted(path.name for path in inputs.iterdir() if not path.name.startswith(".")) == [
        *("base", "checkpoints", "logs", "profile", "train.mindrecord", "train.mindrecord.db"),
    ]
    return inputs / "checkpoints"


def test_outputs(first: Path, inputs: Path) -> None:
    assert json.loads((first / "0" / "adapter.json").read_text()) == {"step": 0, "trainable_parameters": 0}
    assert not (first / "0" / "adapter.ckpt").exists()
    for number in range(1, 6):
        about = json.loads((first / str(number) / "adapter.json").read_text())
        assert (about["step"], about["rank"], about["alpha"]) == (2 * number, 8, 16)
        adapter = checkpoint.load_checkpoint(first / str(number) / "adapter.ckpt")
        assert len(adapter) == 2 * 2 * MODEL.num_layers
        assert {array.dtype for array in adapter.values()} == {np.dtype(np.float32)}
    saved = (first / "config.yaml").read_text(encoding="utf-8")
    assert str(inputs) not in saved
    assert yaml.safe_load(saved)["lr_schedule"]["total_steps"] == 10


def test_learning_rate_and_loss_are_recorded(first: Path) -> None:
    steps = history(first)
    assert [row["step"] for row in steps] == list(range(1, 11))
    cosine = [1e-3 * (1 + np.cos(np.pi * step / 10)) / 2 for step in range(10)]  # 0.03 * 10 = no warmup
    assert [row["learning_rate"] for row in steps] == pytest.approx(cosine, rel=1e-4)
    assert all(5 < row["loss"] < 6 for row in steps)  # ln 259 = 5.56


def test_two_runs_give_the_same_bytes(first: Path, inputs: Path) -> None:
    done = command(inputs, "again", "again.log")
    assert done.returncode == 0, done.stderr
    assert files(inputs / "again") == files(first)


def test_first_loss_is_the_mean_over_the_learned_tokens_of_the_batch(first: Path, inputs: Path) -> None:
    """B of LoRA is zero at first, so step 1 has the loss of the base model: computed here in NumPy."""
    base = checkpoint.load_checkpoint(inputs / "base" / "model.ckpt")
    batch = rows(4)
    losses = []
    for row in batch:
        scores = logits(MODEL.architecture, base, row["input_ids"][:-1])
        labels = row["labels"][1:]
        learned = labels != -100
        largest = scores.max(-1)
        norms = largest + np.log(np.exp(scores - largest[:, None]).sum(-1))
        losses.append((norms - scores[np.arange(LENGTH - 1), labels])[learned])
    assert len({part.size for part in losses}) > 1  # else the mean of the rows' means would do as well
    assert history(first)[0]["loss"] == pytest.approx(np.concatenate(losses).mean(), rel=1e-6)


STEPS = [0, 1, 117, 233, 234, 235, 1562, 4022, 7000, 7809]
WITHIN_MINDFORMERS = """
import io, json, sys
from pathlib import Path
from types import SimpleNamespace
from abacus.core.errors import InputError
from abacus.core.quiet import framework_log
from abacus.training.configuration import read_training

schedule, steps = json.loads(sys.argv[1])
with framework_log(Path("log/test.log")):
    from mindformers.core.lr import CosineWithWarmUpLR
    from mindspore import Tensor
    from abacus.training.progress import Progress, StepLog
    from abacus.training.trainer import StepRecorder

    del schedule["type"]
    rate = CosineWithWarmUpLR(**schedule, total_steps=7810)
    rates = [float(rate(Tensor(step))) for step in steps]

    training = read_training(Path("profile/train.yaml"))
    run = training.resolve(base=Path("base"), mindrecord=Path("rows"), rows=8, output=Path("run"))
    recorder = StepRecorder(run, StepLog(Path("steps.csv")), Progress(5, io.StringIO()))
    recorder.on_train_begin(None)
    for step, loss in enumerate((1.5, float("nan")), 1):
        outputs = Tensor([loss]), Tensor([False]), Tensor(1.0), Tensor(0.1), None
        about = SimpleNamespace(net_outputs=outputs, cur_step_num=step)
        context = SimpleNamespace(original_args=lambda: about)
        try:
            recorder.on_train_step_end(context)
        except InputError as error:
            said = str(error)
print(json.dumps([rates, said, Path("steps.csv").read_text()]))
"""


@pytest.fixture(scope="module")
def within_mindformers(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[float], str, str]:
    """Learning rates of MindFormers' class at STEPS, and what a loss that is not a number brings."""
    schedule = load.profile("llama3-8b").framework["lr_schedule"]
    folder = tmp_path_factory.mktemp("within")
    write_training(folder, changed(settings={"steps_per_checkpoint": 1}))
    done = subprocess.run(
        [sys.executable, "-c", WITHIN_MINDFORMERS, json.dumps([schedule, STEPS])],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_schedule_is_the_reference_s(within_mindformers: tuple[list[float], str, str]) -> None:
    """As the llama3-8b profile sets it, against the formula of the reference run."""
    expected = [
        1e-4 * step / 234 if step < 234 else 1e-4 * (1 + np.cos(np.pi * (step - 234) / (7810 - 234))) / 2
        for step in STEPS
    ]
    assert within_mindformers[0] == pytest.approx(expected, rel=1e-5, abs=1e-11)


def test_a_loss_that_is_no_number_is_named(within_mindformers: tuple[list[float], str, str]) -> None:
    assert within_mindformers[1].startswith("step 2 of 5: the loss is nan, expected a finite number")
    assert within_mindformers[2] == "step,loss,learning_rate,overflow\n1,1.5,0.1,0\n2,nan,0.1,0\n"


def test_missing_inputs_are_named(inputs: Path) -> None:
    data = inputs / "train.mindrecord"
    with pytest.raises(InputError, match=r"none\.mindrecord: no such file, .* stage mindrecord"):
        run.check_inputs(TRAINING, inputs / "base", inputs / "none.mindrecord")
    with pytest.raises(InputError, match=r"none/model\.ckpt: no such file, .* stage base"):
        run.check_inputs(TRAINING, inputs / "none", data)
    with pytest.raises(InputError, match=r"model\.json: hidden_size is 64, expected 576 as in the"):
        run.check_inputs(
            training_of(load.profile("smollm2-135m"), checkpoints=5, steps_per_checkpoint=2, seed=42),
            inputs / "base",
            data,
        )


def test_rows_of_another_length_stop_the_run_with_one_line(inputs: Path, tmp_path: Path) -> None:
    short = [{key: row[key][:100] for key in row} for row in rows(4)]
    write_mindrecord(tmp_path / "short.mindrecord", short)
    done = command(inputs, "no", "no.log", "--mindrecord", str(tmp_path / "short.mindrecord"))
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        f"error: {tmp_path}/short.mindrecord, row 1: input_ids: int32 of shape (100,), expected int32 "
        "of shape (257,), as the profile's abacus.prompt has it (rows that are not packed have seq_length + 1)"
    ]
    assert not (inputs / "no").exists()


def test_key_of_a_run_changes_with_its_inputs(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    one, two = (resolved(settings={"seed": seed}) for seed in (1, 2))
    key = run.run_key(one, [file])
    assert key == run.run_key(resolved(settings={"seed": 1}), [file])
    assert key != run.run_key(two, [file])
    file.write_text("b")
    assert key != run.run_key(one, [file])


def resolved(**changes: dict) -> Run:
    """The tiny run with changes."""
    return changed(**changes).resolve(base=Path("base"), mindrecord=Path("rows"), rows=18, output=Path("run"))
