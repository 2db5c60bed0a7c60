"""The plan: the reference's numbers to the digit, a real run's own, and one line for what cannot work."""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from abacus.core.documents import read_yaml
from abacus.core.errors import InputError
from abacus.core.ranks import shown
from abacus.planning import memory, sample
from abacus.planning.plan import FINETUNE
from abacus.profile import load
from abacus.profile.load import Profile
from abacus.text import encode
from abacus.text.tokenizer import Tokenizer, of_bytes
from abacus.training.configuration import Run, training_of
from abacus.training.launch import ranks_of
from tests.training import rows, write_mindrecord
from tests.workspace import ROOT, configure

REFERENCE_PROFILE = load.profile("llama3-8b")
MODEL = REFERENCE_PROFILE.model
HIDDEN, LAYERS, VOCABULARY = MODEL.hidden_size, MODEL.num_layers, MODEL.vocab_size
REFERENCE = {
    1562: "llama3_8b_rank_0-781_2.ckpt",
    3124: "llama3_8b_rank_0-1562_2.ckpt",
    4686: "llama3_8b_rank_0-2343_2.ckpt",
    6248: "llama3_8b_rank_0-3124_2.ckpt",
    7810: "llama3_8b_rank_0-3905_2.ckpt",
}
PEAK = 4 * 2**30
OWN_FINETUNE = FINETUNE.format(mindrecord="data/train-v2.mindrecord")
Plan = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the profiles, the parameters and the committed metrics: no data and no base model."""
    return workspace(tmp_path_factory.mktemp("plan"))


def workspace(folder: Path) -> Path:
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / "metrics").mkdir()
    for name in ("params.yaml", "metrics/prepare.json"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def outside(**more: str) -> dict[str, str]:
    """The environment of a command in a folder of its own, which reaches no package index."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PIP_NO_INDEX": "1", **more}


@pytest.fixture(scope="module")
def plan(bare: Path) -> Plan:
    """Run `make plan` in a folder without data, base model and package index."""

    def run(*words: object, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "abacus", "plan", *map(str, words)],
            cwd=bare,
            env=outside(**environment),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def reference(bare: Path) -> dict:
    """The plan of llama3-8b, and the peak memory in bytes of the process that made it."""
    with (bare / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "abacus", "plan", "PROFILE=llama3-8b", "JSON=1"],
            cwd=bare,
            env=outside(),
            stdout=out,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return json.loads((bare / "out").read_text()) | {"peak": usage.ru_maxrss * 1024}


def overlay(folder: Path, under: str, changes: dict) -> str:
    """PROFILE= and the name of a profile of one's own in a folder: `under` with some values changed."""
    known = yaml.safe_load((folder / "profiles" / f"{under}.yaml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(load.merge(known, changes))
    (folder / "profiles" / "mine.yaml").write_text(text, encoding="utf-8")
    return "PROFILE=mine"


def conversations(path: Path, solutions: list[str]) -> Path:
    turns = [("计算 6 * 7 等于多少？", solution) for solution in solutions]
    rows = [
        {"id": str(number), "conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]}
        for number, (q, a) in enumerate(turns, 1)
    ]
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def test_reference_to_the_digit(reference: dict) -> None:
    """The facts of the published run."""
    assert reference["trainable_parameters"] == 3_407_872
    assert reference["ratio_of_8_03e9"] == 0.00042439252801992525
    assert reference["base_parameters"] == 8_030_261_248
    assert (reference["rows"], reference["batch_rows"]) == (99_994, 64)
    assert (reference["steps_per_epoch"], reference["steps"]) == (1_562, 7_810)
    assert (reference["epochs"], reference["warmup_steps"]) == (5, 234)
    assert reference["places"] == 64 * 256
    assert reference["hours"] == pytest.approx(7_810 * reference["rank_operations"] / 100e12 / 3600)
    assert reference["checkpoints"] == {str(step): name for step, name in REFERENCE.items()}


def test_reference_learning_rates_are_the_formula_s(reference: dict) -> None:
    rates = {int(step): rate for step, rate in reference["learning_rates"].items()}
    assert list(rates) == [0, 1, 234, 1561, 3123, 4685, 6247, 7809]
    for step, rate in rates.items():
        cosine = 1e-4 * (1 + math.cos(math.pi * (step - 234) / (7810 - 234))) / 2
        expected = 1e-4 * step / 234 if step < 234 else cosine
        assert rate == pytest.approx(expected, rel=1e-5, abs=1e-11)


def test_reference_weights_are_cut_as_tensor_parallel_cuts_them(reference: dict) -> None:
    """Worked out by hand: norms (float32) and both vocabulary matrices whole, the rest in four parts."""
    norms = (2 * LAYERS + 1) * HIDDEN
    whole = 2 * VOCABULARY * HIDDEN
    held = reference["rank_bytes"]
    assert held["base_weights"] == 4 * norms + 2 * whole + 2 * (8_030_261_248 - norms - whole) // 4
    # LoRA: A of wq and wv whole, B (4096 + 1024 rows) in four parts.
    values = LAYERS * 8 * (2 * 4096 + (4096 + 1024) // 4)
    assert held["lora_weights"] == 2 * values
    assert held["gradients"] == 4 * values
    assert held["optimizer_states"] == 2 * 4 * values
    assert held["total"] == sum(size for key, size in held.items() if key != "total")
    assert held["total"] < reference["max_device_memory"] == 58 * 2**30


def test_reference_activations_by_hand(reference: dict) -> None:
    """Recomputed: every layer's input stays. Of the logits, whole on each rank, a bfloat16 and a float32 copy."""
    tokens = 64 * 256
    assert reference["rank_bytes"]["activations_kept"] == tokens * 2 * HIDDEN * (LAYERS + 1)
    loss = VOCABULARY * (2 + 4) + 4 * 4 * VOCABULARY // 4
    assert reference["rank_bytes"]["activations_passing"] == tokens * loss


def test_reference_is_planned_without_its_memory(reference: dict) -> None:
    assert reference["peak"] < PEAK


def test_reference_launch(reference: dict) -> None:
    ranks = ranks_of(training_of(REFERENCE_PROFILE, checkpoints=5, steps_per_checkpoint=1562, seed=1))
    assert reference["commands"] == [shown(ranks.command())]
    assert ranks.command()[:3] == ["msrun", "--worker_num=4", "--local_worker_num=4"]
    assert (reference["ranks"], reference["model_parallel"], reference["device"]) == (4, 4, "Ascend")


def test_without_a_network_the_rest_is_still_printed(reference: dict) -> None:
    assert reference["lengths"] is None
    assert reference["lengths_of"]


def test_text_says_what_is_not_known(plan: Plan, bare: Path) -> None:
    """A host line each, a warning where it does not fit, and the exact ratio."""
    changes = {"abacus": {"launch": {"hosts": 2}}, "context": {"max_device_memory": "8GB"}}
    done = plan(overlay(bare, "llama3-8b", changes))
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=3) for line in done.stdout.splitlines()]
    assert ["ratio", "of", "8.03e9", "0.00042439252801992525"] in lines
    assert ["trainable", "parameters", "3,407,872"] in lines
    assert done.stdout.count("not known: ") == 5
    assert "8,589,934,592  warning: it does not fit" in done.stdout
    starts = [line for line in done.stdout.splitlines() if line.startswith("  msrun ")]
    assert [f"--node_rank={host}" in start for host, start in enumerate(starts)] == [True, True]


def changed(name: str, changes: dict) -> Profile:
    document = load.merge(read_yaml(load.PROFILES / load.BASE), read_yaml(load.PROFILES / f"{name}.yaml"))
    return load.parsed(load.merge(document, changes), "x", "x")


def run_of(changes: dict, name: str = "llama3-8b") -> Run:
    training = training_of(changed(name, changes), checkpoints=5, steps_per_checkpoint=1562, seed=1)
    return training.resolve(base=Path(), mindrecord=Path(), rows=99_994, output=Path())


ADAPTED = [memory.Adapted(4096, 8)] * 64


def test_activations_answer_to_the_profile() -> None:
    usual = memory.activations(run_of({}), ADAPTED, head_parts=1)
    shared = memory.activations(run_of({}), ADAPTED, head_parts=4)
    assert shared.passing == usual.passing - 64 * 256 * VOCABULARY * 6 * 3 // 4
    whole = run_of({"recompute_config": {"recompute": False}})
    kept = memory.activations(whole, ADAPTED, head_parts=1)
    assert kept.kept > usual.kept
    half = run_of({"recompute_config": {"recompute": False}, "abacus": {"finetune": {"batch_rows": 32}}})
    assert memory.activations(half, ADAPTED, head_parts=1).kept * 2 == kept.kept
    plain = {"model": {"model_config": {"use_flash_attention": False}}}
    slow = run_of({"recompute_config": {"recompute": False}, **plain})
    # k and v for every head, and the shares of attention in float32 and bfloat16, in four parts.
    more = 3 * 2 * 4096 - 2 * (2 * 4096 + 2 * 1024) - 32 * 64 + 32 * 256 * (4 + 2)
    assert memory.activations(slow, ADAPTED, head_parts=1).kept - kept.kept == 64 * 256 * LAYERS * more // 4


def test_activations_on_a_cpu_are_as_measured() -> None:
    """Peak memory of two real runs, of 8 and of 24 rows, with a model that the estimate was not fitted to.

    1 650 and 3 151 MiB: 16 rows more took 1 501 MiB more.
    """
    numbers = {
        "hidden_size": 128,
        "num_layers": 6,
        "num_heads": 8,
        "intermediate_size": 512,
        "vocab_size": 4000,
    }

    def estimate(rows: int) -> int:
        abacus = {"prompt": {"seq_length": 128}, "finetune": {"batch_rows": rows}}
        run = run_of({"model": {"model_config": numbers}, "abacus": abacus}, "tiny")
        return sum(memory.activations(run, [], head_parts=1))

    assert estimate(24) - estimate(8) == pytest.approx(1501 * 2**20, rel=0.05)


def test_a_layer_at_a_time_takes_what_was_measured() -> None:
    """The default run's process holds 1.58 GiB before its first step and 2.69 GiB at its peak (metrics/bench.json)."""
    adapted = [memory.Adapted(576, 8)] * 60
    estimate = sum(memory.activations(run_of({}, "smollm2-135m"), adapted, head_parts=1))
    assert estimate == pytest.approx((2.69 - 1.58) * 2**30, rel=0.15)


@pytest.mark.parametrize(("text", "expected"), [("58GB", 58 * 2**30), ("1.5gb", 3 * 2**29), (None, None)])
def test_limit(text: str | None, expected: int | None) -> None:
    assert memory.limit({"context": {"max_device_memory": text}}) == expected


NAMING = """
import json
from pathlib import Path
from abacus.core.quiet import framework_log

with framework_log(Path("log/naming.log")):
    from mindspore.train.callback._callback import InternalCallbackParam
    from mindformers import MindFormerConfig
    from mindformers.trainer.utils import check_runner_config
    from mindspore import nn
    from mindspore.dataset import NumpySlicesDataset
    from mindspore.train import RunContext
    from abacus.profile.load import profile
    from abacus.training import trainer
    from abacus.training.configuration import training_of

    training = training_of(profile("llama3-8b"), checkpoints=5, steps_per_checkpoint=1562, seed=1)
    run = training.resolve(base=Path(), mindrecord=Path(), rows=99_994, output=Path("run")).framework
    settings = MindFormerConfig(runner_config=run["runner_config"])
    data = NumpySlicesDataset(list(range(99_994))).batch(64, drop_remainder=True)
    check_runner_config(settings, data)
    calls, sink = settings.runner_config.epochs, settings.runner_config.sink_size

    network = nn.Dense(2, 2)
    step_cell = nn.TrainOneStepCell(nn.WithLossCell(network, nn.MSELoss()), nn.SGD(network.trainable_params()))
    options = dict(next(c for c in run["callbacks"] if c["type"] == "AdapterMonitor"))
    del options["type"]
    monitor = trainer.AdapterMonitor(**options)
    seen = {}
    at = InternalCallbackParam()
    at.update(train_network=step_cell, network=step_cell, optimizer=None, net_outputs=None, batch_num=sink)
    for call in range(1, calls + 1):  # as mindspore.train.Model counts when the device does `sink` steps a call
        at.cur_epoch_num, at.cur_step_num = call, call * sink
        monitor.step_end(RunContext(at))
        for path in Path("run/checkpoint/rank_0").glob("*.ckpt"):
            seen.setdefault(path.name, at.cur_step_num)
print(json.dumps([calls, sink, seen]))
"""


def test_names_are_those_that_mindformers_writes(tmp_path: Path) -> None:
    """MindFormers' own counting of sink epochs, and files by its CheckpointMonitor, for all 3 905 calls."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    done = subprocess.run(
        [sys.executable, "-c", NAMING],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    calls, sink, seen = json.loads(done.stdout)
    assert (calls, sink) == (3905, 2)
    assert {step: name for name, step in seen.items()} == REFERENCE


def test_packed_rows_are_planned_in_sequences(plan: Plan, bare: Path, tmp_path: Path) -> None:
    """Twenty rows of 46 to 65 ids, one less of which is a place: ten sequences of two."""
    path = conversations(tmp_path / "rows.json", [f"计算过程：6 * 7 = {'4' * n}" for n in range(1, 21)])
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (bare / "packed.yaml").write_text(
        params.replace("data/train-v2-conversation.json", str(path)), encoding="utf-8"
    )
    prompt = {"seq_length": 150, "packing": {"learned": 100}}
    done = plan(overlay(bare, "tiny", {"abacus": {"prompt": prompt}}), "PARAMS=packed.yaml", "JSON=1")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["rows"], said["sequences"]) == (20, said["lengths"]["sequences"])
    assert said["steps_per_epoch"] == said["sequences"] // 4
    taken = 20 * (said["lengths"]["mean"] - 1)
    assert said["lengths"]["padding"] == pytest.approx(1 - taken / (150 * said["sequences"]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which 18 rows went through base, mindrecord and finetune with the tiny profile."""
    folder = workspace(tmp_path_factory.mktemp("trained"))
    (folder / "data").mkdir()
    conversations(
        folder / "data" / "train-v2-conversation.json", [f"计算过程：6 * 7 = {n}" for n in range(18)]
    )
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(params.replace("smollm2-135m", "tiny"), encoding="utf-8")
    configure(folder / "data" / "profile", load.profile("tiny"))
    (folder / "data" / "math-test.jsonl").write_text(
        '{"problem": "计算 7 * 8 等于多少？"}\n', encoding="utf-8"
    )
    data = (
        "--base data/base --conversations data/train-v2-conversation.json --test data/math-test.jsonl "
        f"--squad {ROOT}/data/reading/reading-v1.1.json"
    )
    for line in (
        "stages.base --profile data/profile --source data/models/tiny --out data/base",
        f"stages.mindrecord --profile data/profile {data} --out data/train-v2.mindrecord "
        "--metrics metrics/mindrecord.json",
        OWN_FINETUNE.removeprefix("python -m "),
    ):
        done = within(folder, *line.split())
        assert done.returncode == 0, done.stderr
    return folder


def within(folder: Path, module: str, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=folder, env=outside(), capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_plan_of_a_real_run_says_what_the_run_did(trained: Path) -> None:
    done = within(trained, "abacus", "plan", "JSON=1")  # the profile is that of params.yaml
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["profile"] == "tiny"
    assert said["rows_from"] == "all rows of data/train-v2-conversation.json"
    with (trained / "checkpoints" / "training.csv").open(encoding="utf-8") as file:
        history = list(csv.DictReader(file))
    assert (said["rows"], said["steps_per_epoch"], said["steps"]) == (18, 4, len(history))
    rates = [float(row["learning_rate"]) for row in history]
    assert said["learning_rates"] == pytest.approx(
        {step: rates[int(step)] for step in said["learning_rates"]}, rel=1e-4
    )
    adapters = [
        json.loads((trained / "checkpoints" / str(number) / "adapter.json").read_text())
        for number in range(1, 6)
    ]
    assert [int(step) for step in said["checkpoints"]] == [about["step"] for about in adapters]
    assert {about["trainable_parameters"] for about in adapters} == {said["trainable_parameters"]}
    weight = sum(4 * size for size in sizes(trained / "data" / "base" / "model.ckpt"))
    assert said["rank_bytes"]["base_weights"] == weight
    assert said["base_parameters"] * 4 == weight
    adapter = sum(4 * size for size in sizes(trained / "checkpoints" / "5" / "adapter.ckpt"))
    assert said["rank_bytes"]["lora_weights"] == adapter
    written = json.loads((trained / "metrics" / "mindrecord.json").read_text())
    found = said["lengths"]
    assert (found["rows"], found["longest"]) == (written["rows"], written["longest"])
    keys = {"mean": "mean_tokens", "mean_learned": "mean_learned", "padding": "padding"}
    assert {key: found[key] for key in keys} == {key: written[name] for key, name in keys.items()}
    assert said["commands"] == [OWN_FINETUNE]


def sizes(path: Path) -> list[int]:
    from abacus.weights import checkpoint

    return [array.size for array in checkpoint.load_checkpoint(path).values()]


def test_a_row_that_is_too_long_is_refused(plan: Plan, tmp_path: Path, params, error_line) -> None:
    """The problem has 28 bytes; a newline stands before the answer and EOS after it."""
    path = conversations(tmp_path / "rows.json", ["42", "4" * 300, "4" * 250, "42"])
    done = plan("PROFILE=tiny", f"PARAMS={params(inputs={'conversations': str(path)})}")
    assert error_line(done) == (
        f"profile 'tiny': abacus.prompt.seq_length is 256, expected at least 329: row 2 of all rows of {path} has "
        "330 tokens; 2 of 4 have more than 257, and mindrecord leaves such rows out"
    )


def test_rows_that_inputs_names_are_what_is_planned(plan: Plan, tmp_path: Path, params, write_lines) -> None:
    """Not the sample of the recipe, whose rows may be shorter, nor the number that prepare has counted."""
    path = write_lines(
        tmp_path / "mine.jsonl", *({"problem": "1" * n, "solution": "2"} for n in range(1, 61))
    )
    done = plan("PROFILE=tiny", "JSON=1", f"PARAMS={params(inputs={'train': str(path)})}")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["rows"], said["rows_from"]) == (60, f"all rows of {path}")
    assert (said["lengths"]["rows"], said["lengths"]["longest"]) == (60, 60 + 1 + 1 + 1)


def test_the_packed_profile_holds_the_whole_model_on_each_rank(plan: Plan, tmp_path: Path, params) -> None:
    """From a MindRecord, whose sequences are counted, for no tokenizer can be fetched here."""
    packed = {"input_ids": np.zeros(1152, np.int32), "rows": np.ones(1152, np.int32)}
    packed |= {"places": np.zeros(384, np.int32), "targets": np.zeros(384, np.int32)}
    write_mindrecord(tmp_path / "mine.mindrecord", [packed] * 26)
    own = params(inputs={"mindrecord": str(tmp_path / "mine.mindrecord")})
    done = plan("PROFILE=llama3-8b-packed", "JSON=1", "RATE=50", f"PARAMS={own}")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["trainable_parameters"] == 3_407_872
    assert (said["ranks"], said["data_parallel"], said["model_parallel"]) == (4, 4, 1)
    assert (said["steps_per_epoch"], said["steps"], said["places"]) == (26 // 4, 7_980, 4 * 1152)
    norms = (2 * LAYERS + 1) * HIDDEN
    assert said["rank_bytes"]["base_weights"] == 4 * norms + 2 * (8_030_261_248 - norms)
    assert said["rank_bytes"]["total"] < 24e9
    assert said["hours"] == pytest.approx(7_980 * said["rank_operations"] / 50e12 / 3600)


def test_rows_of_a_mindrecord_are_counted_in_it(plan: Plan, tmp_path: Path, params, error_line) -> None:
    path = tmp_path / "mine.mindrecord"
    write_mindrecord(path, rows(24))
    own = params(inputs={"mindrecord": str(path)})
    done = plan("PROFILE=tiny", "JSON=1", f"PARAMS={own}")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["rows"], said["rows_from"], said["steps_per_epoch"]) == (24, str(path), 6)
    assert (said["lengths"], said["lengths_of"]) == (None, f"the rows of {path} are tokens already")
    assert said["commands"] == [FINETUNE.format(mindrecord=path)]
    path.unlink()
    line = error_line(plan("PROFILE=tiny", f"PARAMS={own}"))
    assert line.startswith(f"{path}: not a MindRecord file with its .db")


def test_a_sampled_row_that_is_too_long_is_refused(plan: Plan, bare: Path, error_line) -> None:
    line = error_line(plan(overlay(bare, "tiny", {"abacus": {"prompt": {"seq_length": 120}}})))
    assert "abacus.prompt.seq_length is 120, expected at least " in line
    assert " of a sample of 10,775 rows made by the recipe in " in line
    assert line.endswith(" have more than 121, and mindrecord leaves such rows out")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"parallel_config": {"model_parallel": 5}},
            "model.model_config.num_heads is 32, expected a multiple of model_parallel (5)",
        ),
        (
            {"parallel_config": {"model_parallel": 16}},
            "model.model_config.n_kv_heads is 8, expected a multiple of model_parallel (16)",
        ),
        (
            {"parallel_config": {"data_parallel": 3}},
            "abacus.finetune.batch_rows is 64, expected a multiple of data_parallel (3)",
        ),
        (
            {"abacus": {"launch": {"hosts": 3}}},
            "parallel_config: data_parallel * model_parallel is 4, expected a multiple of abacus.launch.hosts (3)",
        ),
        ({"runner_config": {"sink_size": 3}}, "expected a multiple of runner_config.sink_size (3)"),
        (
            {"abacus": {"finetune": {"batch_rows": 200_000}}},
            "99994 rows, expected at least one batch of 200000",
        ),
    ],
)
def test_what_cannot_work_is_one_line(plan: Plan, bare: Path, error_line, changes: dict, said: str) -> None:
    assert said in error_line(plan(overlay(bare, "llama3-8b", changes)))


def test_an_unknown_profile_names_the_known_ones(plan: Plan, error_line) -> None:
    line = error_line(plan("PROFILE=llama"))
    assert line.startswith("profile 'llama' does not exist, expected one of: llama3-8b, ")
    assert line.endswith("; did you mean 'llama3-8b'?")


def test_rows_that_nobody_counted_are_one_line(plan: Plan, tmp_path: Path, error_line) -> None:
    line = error_line(plan("PROFILE=tiny", f"PREPARED={tmp_path}/none.json"))
    assert line.endswith(
        "no such files, expected one of them to count the training rows; `dvc repro converse` makes both"
    )
    (tmp_path / "odd.json").write_text('{"train": "many"}')
    line = error_line(plan("PROFILE=tiny", f"PREPARED={tmp_path}/odd.json"))
    assert line == f"{tmp_path}/odd.json: train is 'many', expected the number of training rows"


def test_rows_of_one_s_own_are_not_sampled(params) -> None:
    with pytest.raises(InputError, match=r"prepare\.raw is data/mine\.json, whose rows are not synthetic"):
        sample.sample(params(prepare={"raw": "data/mine.json"}))


def test_sample_has_the_recipe_s_texts(params) -> None:
    """The same each time, of all categories, as one word of the recipe says."""
    turns = sample.sample(params(prepare={"workings": "exact", "decimals": 2}))
    assert turns == sample.sample(params(prepare={"workings": "exact", "decimals": 2}))
    assert 10_000 < len(turns) < 11_000
    assert [turn.id for turn in turns[:2]] == ["1", "2"]
    assert all(turn.solution.startswith("计算过程：") for turn in turns)
    reference = sample.sample(params(prepare={"workings": "reference"}))
    assert [turn.problem for turn in turns] == [turn.problem for turn in reference]
    assert turns != reference


@pytest.mark.model
def test_reference_tokens_of_a_row(plan: Plan) -> None:
    """The facts, checked on the whole of the reference's file: 59 to 116 tokens, mean 73, of them 21.7 learned."""
    done = plan("PROFILE=llama3-8b", "JSON=1", f"CACHE={ROOT}/.cache/wheels", PIP_NO_INDEX="0")
    found = json.loads(done.stdout)["lengths"]
    assert found is not None, json.loads(done.stdout)["lengths_of"]
    assert (round(found["mean"]), round(found["mean_learned"], 1)) == (73, 21.7)
    assert found["longest"] <= 116
    assert found["padding"] > 0.7


def test_lengths_by_hand() -> None:
    from abacus.data.conversation import Turn
    from abacus.text.prompt import Prompter

    ids = load.profile("tiny").llama.special_ids.values()
    prompter = Prompter(Tokenizer(of_bytes(*ids), *ids), "bare", bos=True)
    # BOS, the problem's bytes and a newline; the answer's bytes and EOS.
    turns = [Turn("a", "1+1", "2"), Turn("b", "12+34", "46"), Turn("c", "1", "x" * 20)]
    found = encode.measure(turns, prompter, 12)
    assert found == encode.Lengths(
        rows=3, mean=(7 + 10 + 24) / 3, mean_learned=(2 + 3 + 21) / 3,
        longest=24, longest_id="c", too_long=1, padding=1 - (7 + 10) / 24,
    )  # fmt: skip


def test_command_is_the_stage_s() -> None:
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["finetune"]
    written = stage["cmd"].replace("${inputs.mindrecord}", "NAME")
    assert " ".join(written.split()) == FINETUNE.format(mindrecord="NAME")


def test_importing_the_plan_imports_no_mindspore() -> None:
    code = "import sys, abacus.commands.plan; sys.exit(any(name.startswith('mind') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_recipe_that_is_none_is_one_line(plan: Plan) -> None:
    done = plan("RECIPE=stepwise")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    assert "recipe 'stepwise' does not exist" in done.stderr
