"""`make score` through the door: predictions of ours score as they did, and an adapter of peft's form is one more checkpoint."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from safetensors.numpy import save_file

from abacus.__main__ import Parser
from abacus.commands import table
from abacus.core.errors import InputError
from abacus.data.squad import read_questions
from abacus.others.asked import read_test
from abacus.problems.categories import CATEGORIES
from tests.stages.test_evaluate import perfect
from tests.tiny import TINY, pairs, write_model
from tests.workspace import ROOT, configure

ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """A workspace with held-out problems, reading questions and the parameters of the tiny profile."""
    folder = tmp_path_factory.mktemp("score")
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    shutil.copytree(ROOT / "data" / "reading", folder / "data" / "reading")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params |= {"profile": "tiny", "checkpoints": [0, 1]}
    params["predict"] |= {"math_limit": len(CATEGORIES), "squad_limit": 2}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    rows = (
        {"problem": one["question"], "solution": "", "answer": one["completion"]}
        for one in perfect(params["prepare"]["workings"], params["prepare"]["decimals"], count=1)
    )
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "data" / "math-test.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def score(folder: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "abacus", "score", *words]
    return subprocess.run(command, cwd=folder, env=ENV, capture_output=True, encoding="utf-8")


def test_questions_go_out_and_answers_come_back(here):
    done = score(here, "QUESTIONS=q.jsonl")
    assert (done.returncode, done.stdout) == (0, "q.jsonl: 11 problems, 2 reading questions\n"), done.stderr
    asked = [json.loads(line) for line in (here / "q.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [set(one) for one in asked[-2:]] == [{"id", "context", "question"}] * 2
    known = map(json.loads, (here / "data/math-test.jsonl").read_text(encoding="utf-8").splitlines())
    right = {row["problem"]: row["answer"] for row in known}
    answers = [{**one, "completion": right.get(one["question"], "no")} for one in asked[:-1]]
    lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in answers)
    (here / "other.jsonl").write_text("".join(lines), encoding="utf-8")
    done = score(here, "PREDICTIONS=other.jsonl", "JSON=1")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["name"], found["math_strict"], found["squad_answered"], found["squad_asked"]) == (
        "other",
        100,
        1,
        2,
    )
    assert found == {"name": "other", **json.loads((here / "metrics/others/other.json").read_text())}
    assert done.stderr.splitlines()[-2:] == [
        "other.jsonl: 11 of 11 problems answered",
        "other.jsonl: 1 of 2 reading questions answered; the other 1 count as wrong; PARTIAL=1 leaves them out",
    ]
    done = score(here, "PREDICTIONS=other.jsonl")
    assert done.returncode == 0 and "| 100.00 [74.1, 100.0] |" in done.stdout
    shutil.copy(here / "other.jsonl", here / "again.jsonl")
    done = score(here, "PREDICTIONS=again.jsonl", "NAME=other")
    assert done.stderr.splitlines() == [
        "error: metrics/others/other.json: has the scores of other.jsonl, expected another NAME, or REPLACE=1"
    ]


def test_answers_to_what_is_not_asked_leave_nothing(here):
    """Nor any scores, which the tables would then not find."""
    params = here / "params.yaml"
    with contextlib.chdir(here):
        asked = {one.id for one in read_test(params).reading}
    squad = here / yaml.safe_load(params.read_text(encoding="utf-8"))["predict"]["squad"]
    left_out = [one.id for one in read_questions(squad) if one.id not in asked]
    line = json.dumps({"id": left_out[0], "completion": "x"})
    (here / "hollow.jsonl").write_text(f"{line}\n", encoding="utf-8")
    done = score(here, "PREDICTIONS=hollow.jsonl")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: hollow.jsonl: all 1 answers are to questions that the limits of params.yaml"
    )
    assert not list(here.glob("metrics/others/hollow*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["PREDICTIONS=x", "ALPHA=4"], "ALPHA is of ADAPTER, expected ADAPTER with it"),
        (["ADAPTER=x", "PARTIAL=1"], "PARTIAL is of PREDICTIONS, expected PREDICTIONS with it"),
        *(
            (["QUESTIONS=x", word], f"{word.partition('=')[0]} is of ")
            for word in ("ALPHA=4", "PARTIAL=1", "NAME=y", "REPLACE=1", "JSON=1")
        ),
    ],
)
def test_an_option_that_says_nothing_is_one_line(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    parser = Parser(table()["score"])
    with pytest.raises(InputError) as error:
        parser.run(parser.parse_args(parser.words(words)))
    assert str(error.value).startswith(said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        (
            "no$such.jsonl",
            (),
            "no$such.jsonl: no such file or folder, expected what PREDICTIONS or ADAPTER names",
        ),
        ("答案.jsonl", (), "the name of 答案.jsonl is '答案', expected letters, "),
        ("5.jsonl", ("NAME=5",), "NAME is '5', expected letters, digits, '.', '_' and '-', and no number"),
    ],
)
def test_a_name_that_is_none_is_blamed_on_where_it_comes_from(here, name, given, said):
    if "such" not in name:
        (here / name).write_text("{}\n", encoding="utf-8")
    done = score(here, f"PREDICTIONS={name}", *given)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith(f"error: {said}"), done.stderr
    (here / name).unlink(missing_ok=True)


@pytest.mark.slow
def test_an_adapter_is_asked_and_scored_and_what_dvc_keeps_is_not_touched(here):
    write_model(here / "data" / "base", here / "checkpoints")
    (here / "data" / "profile").mkdir()
    configure(here / "data" / "profile", TINY)
    (here / "peft").mkdir()
    (here / "peft" / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8, "lora_alpha": 16}')
    name = "base_model.model.model.layers.{}.self_attn.q_proj.lora_{}.weight"
    theirs = {name.format(key.split(".")[2], key[-1].upper()): array for key, array in pairs().items()}
    save_file(theirs, here / "peft" / "adapter_model.safetensors")
    before = {path for path in here.rglob("*") if path.is_file()}
    for adapter, name in (("peft", "peft"), ("checkpoints/1", "adapter-1")):  # 1 is a checkpoint's
        done = score(here, f"ADAPTER={adapter}", "JSON=1")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["name"] == name
    made = {str(path.relative_to(here)) for path in here.rglob("*") if path.is_file() and path not in before}
    kept = ("logs/", ".scratch/", "metrics/others/", "data/others/")
    assert [path for path in made if not path.startswith(kept)] == []
    one, other = ((here / "data/others" / name / "math.jsonl").read_text() for name in ("peft", "adapter-1"))
    assert one == other, "it is the same adapter"
    assert json.loads((here / "metrics/others/peft.json").read_text())["step"] is None
