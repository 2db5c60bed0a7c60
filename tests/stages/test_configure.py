"""Profile and parameters to one file a concern: what is written, and what a wrong one leaves as it was."""

import pytest
import yaml

from abacus.core.documents import read_yaml
from abacus.profile import concerns, load
from abacus.training.configuration import read_training, training_of
from tests.workspace import ROOT

BASE = load.PROFILES / load.BASE
READING = "data/reading/reading-v1.1.json"


@pytest.fixture
def configured(stage, params, tmp_path):
    """Run the stage on a profile's file, the repository's parameters with changes."""

    def run(profile, **changes):
        words = ("--base", BASE, "--profile", profile, "--squad", READING, "--out", tmp_path / "profile")
        return stage("configure", *words, "--params", params(**changes))

    return run


@pytest.fixture
def written(tmp_path):
    """Write the tiny profile with keys changed to a file of its own."""

    def write(**changes):
        tiny = yaml.safe_load((ROOT / load.PROFILES / "tiny.yaml").read_text(encoding="utf-8"))
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(load.merge(tiny, changes)), encoding="utf-8")
        return path

    return write


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_concern_has_its_file_and_nothing_else_is_there(configured, tmp_path):
    done = configured(load.PROFILES / "tiny.yaml", finetune={"steps_per_checkpoint": 7, "seed": 3})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    folder, tiny = tmp_path / "profile", load.profile("tiny", ROOT / load.PROFILES)
    expected = concerns.documents(tiny)
    for name, document in expected.items():
        assert read_yaml(folder / name) == document
    training = training_of(tiny, checkpoints=5, steps_per_checkpoint=7, seed=3)
    assert read_training(folder / concerns.TRAIN) == training
    assert set(contents(folder)) == {str(name) for name in (*expected, concerns.TRAIN, concerns.JUDGED)}


@pytest.mark.parametrize(
    ("changes", "files"),
    [
        ({"abacus": {"decode": {"batch_size": 4}}}, {"decode.yaml"}),
        ({"abacus": {"decode": {"ranks": 2}}}, {"decode.yaml"}),
        ({"abacus": {"launch": {"port": 8119}}}, {"compute.yaml", "train.yaml"}),
        ({"abacus": {"prompt": {"template": "alpaca"}}}, {"prompt.yaml"}),
        ({"abacus": {"base": {"seed": 8}}}, {"source.yaml"}),
        ({"abacus": {"live": {"dvclive": False, "tensorboard": True}}}, {"live.yaml"}),
        ({"lr_schedule": {"learning_rate": 2e-3}}, {"train.yaml"}),
        ({"model": {"model_config": {"compute_dtype": "float16"}}}, {"compute.yaml", "train.yaml"}),
    ],
)
def test_a_change_is_a_change_of_its_concern_alone(configured, written, tmp_path, changes, files):
    """Else `dvc repro` would run a stage again that reads nothing of it."""
    assert configured(written()).returncode == 0
    before = contents(tmp_path / "profile")
    done = configured(written(**changes))
    assert done.returncode == 0, done.stderr
    after = contents(tmp_path / "profile")
    assert {name for name in after if after[name] != before[name]} == files


@pytest.mark.parametrize(
    ("profile", "parameters", "message"),
    [
        (
            {"abacus": {"prompt": {"seq_len": 64}}},
            {},
            "tiny.yaml: abacus.prompt.seq_len is not a known key; did you mean 'seq_length'?",
        ),
        (
            {"model": {"model_config": {"num_heads": 5}}},
            {},
            "tiny.yaml: model.model_config.hidden_size is 64, expected a multiple of num_heads (5)",
        ),
        (
            {},
            {"finetune": {"steps_per_checkpoint": 0}},
            "params.yaml: finetune.steps_per_checkpoint is 0, expected 'profile' or a whole number from 1 to 1000000",
        ),
        (
            {},
            {"inputs": {"train": "none.json"}},
            "params.yaml: inputs.train: none.json: no such file; `make published` gets the reference's",
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_the_old_files_stay(
    configured, error_line, written, tmp_path, profile, parameters, message
):
    assert configured(written()).returncode == 0
    before = contents(tmp_path / "profile")
    line = error_line(configured(written(**profile), **parameters))
    assert line == f"{tmp_path}/{message}"
    assert contents(tmp_path / "profile") == before
    assert not list(tmp_path.glob(".part-*"))


def test_a_profile_that_is_not_there_is_named(configured, error_line, tmp_path):
    line = error_line(configured(tmp_path / "none.yaml"))
    assert line == f"{tmp_path}/none.yaml: no such file, expected a YAML file"
    assert not (tmp_path / "profile").exists()
