"""`make export AS=peft`, `AS=gguf` and `DATA=1`: the folders by their names, and what is typed wrong in one line."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from abacus.__main__ import Parser
from abacus.commands import export, table
from abacus.core.errors import InputError
from abacus.formats import gguf, source
from abacus.pipeline.measured import md5_of_file, md5_of_folder
from abacus.profile import load
from tests.exports import workspace
from tests.workspace import ROOT


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("forms")
    workspace(folder)
    return folder


def resolved(*words: str):
    """What the command makes of its words."""
    parser = Parser(table()["export"])
    args = parser.parse_args(parser.words(list(words)))
    export.resolve(args)
    return args


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["CHECKPOINT=3"], "exports/3"),
        (["CHECKPOINT=3", "AS=folded"], "exports/3"),
        (["CHECKPOINT=3", "AS=peft"], "exports/3-peft"),
        (["CHECKPOINT=3", "AS=gguf"], "exports/3-gguf"),
        (["CHECKPOINT=3", "AS=gguf", "TYPE=f16"], "exports/3-gguf"),
        (["CHECKPOINT=3", "AS=gguf", "TYPE=q8_0"], "exports/3-gguf-q8_0"),
        (["CHECKPOINT=3", "AS=peft", "OUT=here"], "here"),
        (["DATA=1"], "exports/data"),
    ],
)
def test_each_form_has_a_folder_of_its_own(work, monkeypatch, words, out):
    monkeypatch.chdir(work)
    assert resolved(*words).out == Path(out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["CHECKPOINT=3", "AS=pefd"], "AS is 'pefd'; did you mean 'peft'?"),
        (["CHECKPOINT=3", "AS=GGUF"], "AS is 'GGUF'; known: folded, peft, gguf"),
        (["CHECKPOINT=3", "AS=gguf", "TYPE=q8"], "TYPE is 'q8'; did you mean 'q8_0'?"),
        (["CHECKPOINT=3", "TYPE=f16"], "TYPE=f16 is of AS=gguf, expected AS=gguf with it"),
        (["DATA=1", "AS=peft"], "AS=peft is of a checkpoint, expected DATA=1 alone, or CHECKPOINT"),
        (["CHECKPOINT=3", "STEP=3905_2"], "STEP=3905_2 is of SHARDS, expected SHARDS with it"),
        (["DATA=1", "STEP=3905_2"], "STEP=3905_2 is of SHARDS, expected SHARDS with it"),
        (["CHECKPOINT=3", "BASE_NAME=a/b"], "BASE_NAME=a/b is of AS=peft and DATA=1, expected one of them"),
        (["CHECKPOINT=3", "AS=gguf", "BASE_NAME=a/b"], "BASE_NAME=a/b is of AS=peft and DATA=1, expected"),
        (
            ["CHECKPOINT=x.ckpt", "AS=peft", "OUT=x"],
            "AS=peft needs LoRA's own weights, expected CHECKPOINT=number",
        ),
        (["CHECKPOINT=9", "AS=peft"], "CHECKPOINT is 9, expected one of those in checkpoints: 0, 3"),
    ],
)
def test_what_is_typed_wrong_is_one_line(work, monkeypatch, words, said):
    monkeypatch.chdir(work)
    with pytest.raises(InputError) as caught:
        resolved(*words)
    assert str(caught.value).startswith(said)


def test_a_checkpoint_as_peft_and_as_gguf_that_a_profile_takes(work, monkeypatch):
    monkeypatch.chdir(work)
    profile, said = load.profile("small"), StringIO()
    for words in (["CHECKPOINT=3", "AS=peft"], ["CHECKPOINT=3", "AS=gguf", "TYPE=q8_0"]):
        export.export_checkpoint(resolved(*words), profile, profile.llama.architecture, said)
    for folder in ("exports/3-peft", "exports/3-gguf-q8_0"):
        assert folder in said.getvalue() and (work / folder / "export.json").is_file()
    assert "`make export CHECKPOINT=0` writes that base model" in said.getvalue()
    own = source.find(work / "exports/3-gguf-q8_0")
    assert own.kind == source.GGUF
    assert gguf.read(own.path)[0].vocab_size == 300


@pytest.mark.parametrize("locked", [True, False])
def test_a_card_has_the_metrics_of_this_very_checkpoint(work, tmp_path, monkeypatch, locked):
    """Metrics of the same step that lie there are not enough: a training that was interrupted leaves those before."""
    monkeypatch.chdir(work)
    scores = work / "metrics/checkpoints/3.json"
    scores.parent.mkdir(parents=True, exist_ok=True)
    scores.write_text('{"step": 6, "math_strict": 3.125, "math_problems": 3}', encoding="utf-8")
    base, answers = ({"path": f"data/{name}", "md5": "x.dir"} for name in ("base", "predictions/3"))
    read = {"path": "checkpoints/3", "md5": md5_of_folder(Path("checkpoints/3"))}
    wrote = {"path": "metrics/checkpoints/3.json", "md5": md5_of_file(scores)}
    stages = {
        "base": {"cmd": "", "outs": [base]},
        "predict@3": {"cmd": "", "deps": [read, base], "outs": [answers]},
        "evaluate@3": {"cmd": "", "deps": [answers], "outs": [wrote]},
    }
    if not locked:
        read["md5"] = "of-the-training-before.dir"
    monkeypatch.setattr("abacus.pipeline.measured.LOCK", tmp_path / "dvc.lock")
    (tmp_path / "dvc.lock").write_text(json.dumps({"stages": stages}), encoding="utf-8")
    profile = load.profile("small")
    args = resolved("CHECKPOINT=3", "AS=peft", f"OUT={tmp_path / 'out'}")
    export.export_checkpoint(args, profile, profile.llama.architecture, StringIO())
    card = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    assert ("model-index" in card, "Nothing that is known here." in card) == (locked, not locked)


def test_data_by_the_real_command_once(work):
    command = [sys.executable, "-m", "abacus", "export", "DATA=1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *_, overlap, last = done.stderr.splitlines()
    assert overlap.startswith("overlap: 1 of 4 rows ask what the evaluation asks")
    assert last == "exports/data: 3 rows, 3 problems, llama-factory/, axolotl/, lm-eval/"
    said = json.loads((work / "exports/data/export.json").read_text(encoding="utf-8"))
    assert said == {"source": "data", "profile": "small", "train": 3, "test": 3}
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    line = "error: exports/data: holds an earlier export, expected a new name, or REPLACE=1"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, line)


def test_data_before_there_is_any_is_one_line(work, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("profiles", "params.yaml"):
        (tmp_path / name).symlink_to(work / name)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/base").symlink_to(work / "data/base")
    (tmp_path / "data/reading").symlink_to(work / "data/reading")
    parser = Parser(table()["export"])
    with pytest.raises(
        InputError, match=r"train-v2-conversation\.json: no such file, expected the output of stage"
    ):
        parser.run(parser.parse_args(parser.words(["DATA=1"])))
    assert not (tmp_path / "exports").exists()
