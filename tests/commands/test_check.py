"""The check before a run: every section, the files that are named, the profile."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from abacus.profile import load

ROOT = Path(__file__).parents[2]
PROFILES = ", ".join(load.names(ROOT / "profiles"))


@pytest.fixture
def check(tmp_path):
    """Run `make check` on the repository's params with changes, in a folder of its own."""

    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")

    def run(change, *words) -> subprocess.CompletedProcess:
        params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        change(params)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        (tmp_path / "data").symlink_to(ROOT / "data")
        return subprocess.run(
            [sys.executable, "-m", "abacus", "check", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )

    return run


def test_the_committed_parameters_pass(check):
    done = check(lambda params: None)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        (
            None,
            "profile",
            "llama",
            f"profile 'llama' does not exist, expected one of: {PROFILES}",
        ),
        (None, "profile", 5, f"params.yaml: profile is 5, expected one of: {PROFILES}"),
        (None, "checkpoints", [0, 2], "params.yaml: checkpoints is [0, 2], expected the numbers from 0 on"),
        (None, "checkpoints", [0], "params.yaml: checkpoints is [0], expected the numbers from 0 on"),
        ("synthesize", "scale", 0, "params.yaml: synthesize.scale is 0, expected"),
        (
            "prepare",
            "decimals",
            -1,
            "params.yaml: prepare.decimals is -1, expected a whole number from 0 to 10",
        ),
        (
            "prepare",
            "decimal",
            4,
            "params.yaml: prepare.decimal is not a known key; did you mean 'decimals'?",
        ),
        (
            "predict",
            "math_limit",
            5,
            "params.yaml: predict.math_limit is 5, expected at least 11, one of each category",
        ),
        (
            "prepare",
            "mix",
            "even",
            "params.yaml: prepare.mix is 'even', expected proportional, balanced, or a mapping of categories to",
        ),
        (
            "prepare",
            "mix",
            {"mass": 1, "fraction": 2},
            "params.yaml: prepare.mix and leave_out leave at most 145 different rows to train on, expected the 100000 that",
        ),
        ("prepare", "raw", "data/no.json", "params.yaml: prepare.raw: data/no.json: no such file"),
        (
            "inputs",
            "train",
            "data/published/train-v2.json",
            "params.yaml: inputs.train: data/published/train-v2.json: no such file; `make published` gets the",
        ),
        (
            "inputs",
            "mindrecord",
            "params.yaml",
            "params.yaml: inputs.mindrecord: params.yaml.db: no such file",
        ),
        (
            "finetune",
            "seed",
            0,
            "params.yaml: finetune.seed is 0, expected a whole number from 1 to 2147483647",
        ),
        (
            "predict",
            "template",
            "none",
            "params.yaml: predict.template is 'none', expected one of: trained, bare",
        ),
        ("prepare", "raw", "data", "params.yaml: prepare.raw: data: is a folder"),
        (
            "",
            "prepares",
            {"seed": 1},
            "params.yaml: 'prepares' is not a known key; did you mean 'prepare'?",
        ),
        (
            "synthesize",
            "scale",
            10**30,
            "params.yaml: synthesize.scale is a whole number of 100 bits, expected at most 63",
        ),
        (
            "predict",
            "squad",
            "data/squad/no.json",
            "params.yaml: predict.squad: data/squad/no.json: no such file",
        ),
    ],
)
def test_a_wrong_parameter_is_one_line(check, section, key, value, message):
    done = check(lambda params: (params[section] if section else params).update({key: value}))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {message}"), done.stderr
    assert done.stderr.count("\n") == 1


def test_an_npu_that_is_not_there_is_one_line_before_anything_runs(check, tmp_path):
    """A profile for Ascend whose base model is in place: else its outputs would go before MindSpore says so."""
    if list(Path("/dev").glob("davinci*")):
        pytest.skip("this machine has an NPU")
    text = (ROOT / "profiles/tiny.yaml").read_text(encoding="utf-8")
    step = "runner_wrapper: {type: MFTrainOneStepCell}\n"
    own = tmp_path / "profiles" / "tiny.yaml"
    own.write_text(text.replace("device_target: CPU", "device_target: Ascend") + step, encoding="utf-8")
    done = check(lambda params: params.update(profile="tiny"))
    assert done.returncode == 1
    assert "context.device_target is Ascend, expected a machine with an NPU (/dev/davinci*)" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_another_profile_than_the_chosen_one_is_judged_if_asked(check, tmp_path):
    text = (ROOT / "profiles/tiny.yaml").read_text(encoding="utf-8")
    (tmp_path / "profiles" / "wide.yaml").write_text(
        text.replace("num_heads: 4", "num_heads: 5"), encoding="utf-8"
    )
    done = check(lambda params: params.update(profile="llama"), "PROFILE=wide")
    assert done.returncode == 1
    assert done.stderr == (
        "error: profiles/wide.yaml: model.model_config.hidden_size is 64, expected a multiple of num_heads (5)\n"
    )


@pytest.mark.parametrize(
    ("section", "key", "message"),
    [
        ("inputs", "train", "own.json, line 1: "),
        ("inputs", "conversations", "own.json, line 1: "),
        ("predict", "squad", "own.json, line 1: "),
    ],
)
def test_a_file_that_is_not_what_a_late_stage_needs_is_one_line(check, tmp_path, section, key, message):
    (tmp_path / "own.json").write_text("what is this\n", encoding="utf-8")
    done = check(lambda params: params[section].update({key: "own.json"}))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {message}"), done.stderr
    assert done.stderr.count("\n") == 1
