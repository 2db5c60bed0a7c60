"""The submission folder: everything from the run's files, the reference's figures to the digit, nothing stale."""

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from abacus.core.documents import write_csv
from abacus.core.errors import InputError
from abacus.pipeline import lock
from abacus.profile import concerns, load
from abacus.scoring.metrics import BY_CATEGORY
from abacus.submission.bundle import anonymous
from abacus.training.configuration import training_of
from tests.scores import checkpoint, write_answers

ROOT = Path(__file__).parents[2]
ROWS, STEPS, TRAINABLE = 99_994, 1562, 3_407_872
RATIO = "0.00042439252801992525"
# The reference run's reading and math scores, checkpoint 0 being the base model.
READING = {0: (59.87023775108988, 44.17029511369134), 5: (58.4921336310527, 43.29946782776972)}
NAMES = [f"llama3_8b_{calls}_0.ckpt" for calls in (781, 1562, 2343, 3124, 3905)]


def metrics(number: int) -> dict[str, float]:
    """What evaluate would write of one of the reference's checkpoints; 5 is the best."""
    f1, em = READING.get(number, (56.0 + number / 10, 42.0))
    strict = 36.44 if number == 5 else 20.0 + number
    shown = checkpoint(
        step=STEPS * number,
        squad_f1=70.5,
        squad_em=55.5,
        mindformers_f1=f1,
        mindformers_em=em,
        answer_nll=1.25,
        math_strict=strict,
        math_tolerant=strict + 1,
        math_nll=0.5,
    )
    counts = {"squad_questions": 2067, "squad_empty": 3, "math_problems": 2000}
    sizes = {"trainable_parameters": TRAINABLE if number else 0, "base_parameters": 8_030_261_248}
    by_category = {"math_strict_root": 12.5, "math_tolerant_root": 25.0, "math_problems_root": 146}
    return shown | counts | sizes | by_category


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_checkpoints(folder: Path) -> None:
    training = training_of(
        load.profile("llama3-8b", ROOT / "profiles"), checkpoints=5, steps_per_checkpoint=STEPS, seed=42
    )
    run = training.resolve(
        base=Path("base"), mindrecord=Path("train-v2.mindrecord"), rows=ROWS, output=Path()
    )
    folder.mkdir()
    text = yaml.safe_dump(run.document(), sort_keys=False)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    (folder / "training.csv").write_text("step,loss,learning_rate\n1,2.5,0.0\n", encoding="utf-8")
    for number in range(6):
        about = {"step": STEPS * number, "trainable_parameters": TRAINABLE if number else 0}
        write_json(folder / str(number) / "adapter.json", about)
        if number:
            (folder / str(number) / "adapter.ckpt").write_bytes(bytes([number]) * 100)


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=Mallory Tester", "-c", "user.email=mallory@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A clone after a run with the reference's numbers: params, lock, metrics, checkpoints, answers, log."""
    folder = tmp_path / "clone"
    folder.mkdir()
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")) | {"profile": "llama3-8b"}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    used = {key: params[key] for key in ("prepare", "finetune")}
    out = {"path": "data/train-v2.json", "md5": "0" * 32, "size": 123}
    profile = load.profile("llama3-8b", ROOT / "profiles")
    concerns.write(folder / "data" / "profile", concerns.documents(profile))
    lock = {
        "configure": {
            "cmd": "x",
            "deps": [{"path": "profiles", "md5": "1" * 32 + ".dir"}],
            "params": {
                "params.yaml": {},
                "profiles/llama3-8b.yaml": {"lr_schedule": {"learning_rate": 1e-4}},
            },
        },
        "prepare": {"cmd": "x", "params": {"params.yaml": {"prepare": used["prepare"]}}, "outs": [out]},
        "finetune": {
            "cmd": "python -m stages.finetune --out checkpoints",
            "params": {"params.yaml": {"finetune": used["finetune"]}},
        },
        "predict@5": {
            "cmd": "x",
            "params": {"params.yaml": {"prepare.decimals": params["prepare"]["decimals"]}},
        },
    }
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": lock}), encoding="utf-8")
    counts = {"rows": 809_993, "unique": 548_942, "duplicate": 261_051, "english": 9_993, "verified": 538_949}
    root = {"unique": 39_227, "train": 7_278, "test": 146}
    prepared = counts | {"wrong": 0, "train": ROWS, "test": 2000}
    write_json(folder / "metrics" / "prepare.json", prepared)
    write_json(
        folder / "metrics" / "mindrecord.json",
        {"written": ROWS, "longest": 116, "too_long": 0, "overlap_left_out": 6},
    )
    (folder / "metrics" / "categories").mkdir(parents=True)
    write_csv(
        folder / "metrics" / "prepare.csv",
        [{"category": "root", "verified": 39_227, "wrong": 0, "share": 0.0714} | root],
        ("category", "unique", "verified", "wrong", "train", "test", "share"),
    )
    for number in range(6):
        write_csv(
            folder / "metrics" / "categories" / f"{number}.csv",
            [dict(zip(BY_CATEGORY, ("root", 146, 12.5, 8.1, 18.8, 25.0, 18.7, 32.6), strict=True))],
        )
        write_json(folder / "metrics" / "checkpoints" / f"{number}.json", metrics(number))
    write_answers(folder / "metrics" / "answers", range(6))
    write_checkpoints(folder / "checkpoints")
    answers = folder / "data" / "predictions" / "5"
    about = {"step": STEPS * 5, "trainable_parameters": TRAINABLE, "base_parameters": 8_030_261_248}
    about |= {"template": "trained"}
    write_json(answers / "about.json", about | {"squad": "data/squad/dev-v1.1.json"})
    for name in ("math", "squad"):
        (answers / f"{name}.jsonl").write_text(f'{{"completion": "{name}"}}\n', encoding="utf-8")
    (folder / "logs").mkdir()
    log = f"reading {folder}/data/base at {Path.home()}/x and /opt/lib/python3.11/warnings.py:109\n"
    (folder / "logs" / "finetune.log").write_text(log, encoding="utf-8")
    (folder / ".gitignore").write_text("/checkpoints\n/data/predictions\n/logs/\n/exports\n/submission\n")
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "--message", "x")
    return folder


def submit(place: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "abacus", "submission", *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        encoding="utf-8",
    )


def refused(place: Path, *words: str) -> str:
    """The one line of a submission that is refused; nothing is left of it."""
    done = submit(place, *words)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: "), done.stderr
    assert not (place / "submission").exists()
    assert not list(place.glob(".part-*"))
    return done.stderr.removeprefix("error: ").rstrip("\n")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_reference_run_comes_out_to_the_digit(place):
    done = submit(place)
    assert done.returncode == 0, done.stderr
    folder = place / "submission"
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert f"低参比例 = 3407872 / 8030000000 = {RATIO}" in report
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    assert repr(scores["ratio_of_8_03e9"]) == RATIO
    assert round(scores["final_score_strict"], 9) == 0.554952682
    assert f"= {scores['final_score_strict']}" in report
    assert (scores["best_checkpoint"], scores["gate_passed"]) == (5, True)
    for number in ("53.88321397598089", "39.75326560232221", "59.87023775108988", "43.29946782776972"):
        assert number in report
    listed = json.loads((folder / "checkpoints.json").read_text(encoding="utf-8"))["checkpoints"]
    assert [entry["file"] for entry in listed] == NAMES
    assert [entry["shard"] for entry in listed] == [
        f"llama3_8b_rank_0-{calls}_2.ckpt" for calls in (781, 1562, 2343, 3124, 3905)
    ]
    assert [entry["step"] for entry in listed] == [1562, 3124, 4686, 6248, 7810]
    assert [entry["best"] for entry in listed] == [False] * 4 + [True]
    assert all(name in report for name in NAMES)


def test_the_files_are_the_runs_own(place):
    assert submit(place).returncode == 0
    folder = place / "submission"
    found = contents(folder)
    for ours, theirs in {
        "config.yaml": "checkpoints/config.yaml",
        "logs/training.csv": "checkpoints/training.csv",
        "predictions/math.jsonl": "data/predictions/5/math.jsonl",
        "predictions/squad.jsonl": "data/predictions/5/squad.jsonl",
        "code/params.yaml": "params.yaml",
        "code/dvc.lock": "dvc.lock",
    }.items():
        assert found[ours] == (place / theirs).read_bytes()
    assert not any(name.startswith("weights") for name in found)
    with (folder / "checkpoints.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["math_strict"]) for row in rows] == [metrics(n)["math_strict"] for n in range(6)]


def test_the_report_has_the_parts_that_the_contest_lists_and_says_what_the_files_say(place):
    assert submit(place).returncode == 0
    report = (place / "submission" / "report.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (\d)\. ", report, re.MULTILINE)
    assert heads == list("123456789")
    for fact in (
        "| root | 39227 | 7278 | 146 |",
        "与评测题目重叠而舍弃 6 条",
        "rank 8，alpha 16，dropout 0.2，作用于 `.*wq|.*wv`",
        "| `data/train-v2.json` | " + "0" * 32 + " | 123 |",
        "| root | 146 | 12.50 [8.1, 18.8] | 25.00 [18.7, 32.6] |",
        "USER: {problem} ASSISTANT: {solution}",
        "| 总步数 total steps | 7810 |",
        "| mindspore | 2.7.2 |",
    ):
        assert fact in report
    assert "只问了" not in report
    placeholders = set(re.findall(r"\{(\w+)\}", report))
    assert placeholders == {"problem", "solution", "context", "question"}


def test_few_questions_are_admitted(place):
    for number in range(6):
        write_json(place / f"metrics/checkpoints/{number}.json", metrics(number) | {"squad_questions": 40})
    assert submit(place).returncode == 0
    assert "只问了 40 题" in (place / "submission" / "report.md").read_text(encoding="utf-8")


def test_no_absolute_path_and_no_name_of_a_person_is_in_it(place):
    assert submit(place).returncode == 0
    found = contents(place / "submission")
    for name, data in found.items():
        for word in (str(place), str(Path.home()) + "/", "Mallory", "mallory@example.org", str(ROOT)):
            assert word.encode() not in data, name
    assert found["logs/finetune.log"].decode() == "reading ./data/base at ~/x and .../warnings.py:109\n"


@given(
    st.lists(st.sampled_from(["/opt", "/a.b", "x", " ", ":", "'", "https://a.b/c/d", "./e/f", "\n", "log"]))
)
def test_of_absolute_paths_only_the_last_part_stays(parts):
    found = anonymous("".join(parts))
    assert not re.search(r"(?<![\w./~:-])/[\w.]+/", found)
    assert anonymous(found) == found


def test_the_same_run_gives_the_same_bytes_and_replaces_the_last_one(place):
    assert submit(place).returncode == 0
    first = contents(place / "submission")
    (place / "submission" / "old").write_text("of the first")
    assert submit(place).returncode == 0
    assert contents(place / "submission") == first


def test_uncommitted_work_is_handed_in_and_said(place):
    with (place / "params.yaml").open("a", encoding="utf-8") as stream:
        stream.write("# a note\n")
    assert submit(place).returncode == 0
    found = contents(place / "submission")
    assert found["code/params.yaml"].endswith(b"# a note\n")
    assert "未提交的修改" in found["report.md"].decode()


def test_weights_are_put_in_under_their_names(place):
    for number in range(1, 6):
        (place / "exports" / str(number)).mkdir(parents=True)
        (place / "exports" / str(number) / "model.ckpt").write_bytes(bytes([number]) * 1000)
        adapter = (place / "checkpoints" / str(number) / "adapter.ckpt").read_bytes()
        about = {"adapter_sha256": hashlib.sha256(adapter).hexdigest()}
        (place / "exports" / str(number) / "export.json").write_text(json.dumps(about))
    done = submit(place, "--weights", "--out", "handed/in")
    assert done.returncode == 0, done.stderr
    folder = place / "handed" / "in"
    found = contents(folder)
    listed = json.loads(found["checkpoints.json"])["checkpoints"]
    assert [found[f"weights/{name}"] for name in NAMES] == [bytes([n]) * 1000 for n in range(1, 6)]
    assert [entry["merged"]["bytes"] for entry in listed] == [1000] * 5
    assert all(entry["merged"]["sha256"] in found["report.md"].decode() for entry in listed)


def test_an_export_of_another_adapter_is_refused(place):
    (place / "exports" / "2").mkdir(parents=True)
    (place / "exports" / "2" / "model.ckpt").write_bytes(b"x")
    (place / "exports" / "2" / "export.json").write_text('{"adapter_sha256": "0"}')
    line = refused(place)
    assert (
        line
        == "exports/2: was made of another adapter than checkpoints/2; `make export CHECKPOINT=2 REPLACE=1` makes it anew"
    )


def test_weights_that_are_not_exported_are_named(place):
    for number in (1, 3, 4):
        (place / "exports" / str(number)).mkdir(parents=True)
        (place / "exports" / str(number) / "model.ckpt").write_bytes(b"x")
        adapter = (place / "checkpoints" / str(number) / "adapter.ckpt").read_bytes()
        about = {"adapter_sha256": hashlib.sha256(adapter).hexdigest()}
        (place / "exports" / str(number) / "export.json").write_text(json.dumps(about))
    line = refused(place, "--weights")
    assert line == "exports: no model.ckpt of checkpoint 2, 5; `make export CHECKPOINT=2` makes one"


@pytest.mark.parametrize(
    "name",
    [
        "dvc.lock",
        "params.yaml",
        "metrics/prepare.json",
        "metrics/mindrecord.json",
        "metrics/checkpoints/3.json",
        "checkpoints/config.yaml",
        "checkpoints/training.csv",
        "checkpoints/2/adapter.json",
        "checkpoints/2/adapter.ckpt",
        "data/predictions/5/about.json",
        "data/predictions/5/math.jsonl",
        "data/predictions/5/squad.jsonl",
    ],
)
def test_what_is_missing_is_one_line(place, name):
    (place / name).unlink()
    assert refused(place).startswith(f"{name}: no such file")


def change(path: Path, **changes: object) -> None:
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | changes)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("metrics/checkpoints/3.json", {"step": 60}, "step is 60, but 4686 in checkpoints/3; `make eval`"),
        (
            "metrics/checkpoints/3.json",
            {"trainable_parameters": 5},
            "trainable_parameters is 5, but 3407872 in",
        ),
        ("data/predictions/5/about.json", {"step": 1}, "step is 1, but 7810 in checkpoints/5; `make eval`"),
        ("checkpoints/4/adapter.json", {"step": "x"}, "step is 'x' (text), expected a whole number"),
        ("metrics/prepare.json", {"verified": None}, "verified is None (nothing), expected"),
        ("metrics/mindrecord.json", {"written": "many"}, "written is 'many' (text), expected"),
    ],
)
def test_what_is_stale_or_damaged_is_one_line(place, name, changes, message):
    change(place / name, **changes)
    assert refused(place).startswith(f"{name}: {message}")


def test_a_parameter_that_was_changed_after_the_run_is_named(place):
    path = place / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["finetune"]["seed"] = 7
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    line = refused(place)
    assert (
        line.startswith("params.yaml: finetune is {'seed': 7, ") and "finetune ran with {'seed': 42" in line
    )
    params["finetune"]["seed"] = 42
    path.write_text(yaml.safe_dump(params | {"profile": "tiny"}), encoding="utf-8")
    assert refused(place) == "params.yaml: profile is tiny, but the run's is llama3-8b; `make repro`"


def test_a_configuration_that_lacks_something_is_named(place):
    path = place / "checkpoints" / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    del config["lr_schedule"]["learning_rate"]
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    assert refused(place).startswith("checkpoints/config.yaml: lr_schedule.learning_rate is missing")


def test_an_unfinished_run_is_named(place):
    (place / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n", encoding="utf-8")
    assert refused(place).startswith("dvc.lock: no stage 'finetune'")


def test_a_folder_that_is_no_clone_is_named(place):
    shutil.rmtree(place / ".git")
    line = refused(place)
    assert line.startswith("git rev-parse: ")
    assert line.endswith(", expected a clone with a commit: the code is part of the work")


@pytest.mark.parametrize("name", ["notes", "file"])
def test_a_place_that_holds_something_else_stays_as_it_is(place, name):
    (place / "notes").mkdir()
    (place / "notes" / "precious").write_text("mine")
    (place / "file").write_text("mine")
    before = contents(place)
    assert refused(place, "--out", name).startswith(f"{name}: ")
    assert contents(place) == before


def lock_of(base: str, used: str) -> dict:
    """What a lock says of two stages."""
    return {
        "base": {"cmd": "x", "outs": [{"path": "data/base", "md5": base}]},
        "finetune": {"cmd": "x", "deps": [{"path": "data/base", "md5": used}]},
    }


def test_a_stage_that_ran_on_another_file_than_there_is_now_is_named():
    lock.Lock.model_validate({"stages": lock_of("a.dir", "a.dir")}).check_deps()
    with pytest.raises(
        InputError, match=r"finetune ran on another data/base than base has made since; `make repro`"
    ):
        lock.Lock.model_validate({"stages": lock_of("b.dir", "a.dir")}).check_deps()


def test_a_checkpoint_of_another_base_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base, adapter = Path("data/base"), Path("checkpoints/5")
    lock.check_base(base, adapter)  # without a lock nothing is known
    for used, refused in (("a.dir", False), ("b.dir", True)):
        Path("dvc.lock").write_text(yaml.safe_dump({"stages": lock_of("a.dir", used)}), encoding="utf-8")
        lock.check_base(tmp_path / "elsewhere", adapter)
        lock.check_base(base, Path("checkpoints/0"))
        if refused:
            with pytest.raises(
                InputError, match=r"checkpoints/5: was trained on another base model than data/base is"
            ):
                lock.check_base(base, adapter)
        else:
            lock.check_base(base, adapter)
