"""Answering any file of problems: a line for a line whatever they hold, and an answer that depends on its row alone."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from abacus.commands.predict import answer_text, ask, decode, parse, read_lines, result
from abacus.core.errors import InputError
from abacus.data.rows import BOM, Row
from abacus.inference.answering import how_of, load, problems_asked
from abacus.problems.workings import recognise
from abacus.scoring.arithmetic import final_number
from tests.tiny import TINY, write_model
from tests.workspace import ROOT as REPOSITORY

LIMIT = TINY.model.max_position_embedding - TINY.decode.math_new_tokens
SHORT = TINY.decode.model_copy(update={"math_new_tokens": 12})
ROOT = {"problem": "计算 4.00 的平方根？"}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> SimpleNamespace:
    """A tiny base model with a checkpoint 0 and a checkpoint 1 whose adapter is random; 1 is loaded."""
    folder = tmp_path_factory.mktemp("answer")
    write_model(folder / "base", folder)
    with (folder / "said").open("w") as screen:
        prompter, decoder, _ = load(how_of(TINY), folder / "base", folder / "1", screen)
    return SimpleNamespace(folder=folder, prompter=prompter, decoder=decoder)


def completions(model, texts: list[str]) -> list[str]:
    """What the model says to each text, all asked at once."""
    lines = [parse(n, json.dumps({"problem": text}).encode()) for n, text in enumerate(texts, 1)]
    _, prompts = ask(lines, model.prompter, "trained", LIMIT)
    said = decode(prompts, model.prompter, model.decoder, SHORT, lambda rows: None)
    return [text for text, _ in said.values()]


def written(model, path: Path) -> list[dict]:
    """The rows that are written for a file, as a reader of the output sees them."""
    lines, prompts = ask(read_lines(path), model.prompter, "trained", LIMIT)
    said = decode(prompts, model.prompter, model.decoder, SHORT, lambda rows: None)
    texts = [json.dumps(result(line, said), ensure_ascii=False).encode() for line in lines]
    return [json.loads(text) for text in texts]


# JSON lines of every kind, broken and whole, and bytes that are no text.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
PROBLEMS = st.builds(
    lambda row, text: {**row, "problem": text}, st.dictionaries(st.text(max_size=4), VALUES), st.text()
)
LINES = st.one_of(
    PROBLEMS.map(lambda row: json.dumps(row).encode()),
    PROBLEMS.map(lambda row: json.dumps(row, ensure_ascii=False).encode(errors="surrogatepass") + b"\r"),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"")),
    st.sampled_from(
        [b"[" * 5000, b"9" * 5000, b"{", b"\xff", b'{"problem": NaN}', b'{"problem": "x", "n": 1e999}']
    ),
)


def test_a_row_that_could_not_be_written_again_is_a_fault_wherever_python_stands():
    for depth in (101, 500, 900, 940, 980):
        raw = b'{"problem": ' + b"[" * depth + b"]" * depth + b"}"
        assert parse(1, raw).fault == "nested too deep, expected a JSON object with a 'problem'"
    assert parse(1, b'{"problem": "1", "more": ' + b"[" * 99 + b"]" * 99 + b"}").fault == ""


@settings(max_examples=25)
@given(raw=st.lists(LINES, min_size=1, max_size=12), end=st.sampled_from([b"", b"\n"]))
def test_every_line_that_is_not_blank_has_one_line_in_its_place(model, raw, end):
    path = model.folder / "any.jsonl"
    path.write_bytes(b"\n".join(raw) + end)
    raw[0] = raw[0].removeprefix(BOM)
    kept = [(n, line) for n, line in enumerate(raw, 1) if line.strip()]
    if not kept:
        with pytest.raises(InputError, match="holds no rows"):
            read_lines(path)
        return
    found = written(model, path)
    assert len(found) == len(kept)
    for (number, line), row in zip(kept, found, strict=True):
        if "error" in row:  # no key of ours is so long
            assert row["line"] == number
        else:
            before = json.loads(line)
            assert row == before | {key: row[key] for key in ("completion", "answer")}
            assert row["answer"] in (None, answer_text(row["completion"], row["problem"]))


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 17])
def test_any_number_of_rows_is_answered_in_order(model, rows):
    texts = [f"计算 {n}.00 的平方根？" + "。" * (n * 37 % 90) for n in range(rows)]
    together = completions(model, texts)
    assert len(together) == rows
    assert together[::-1] == completions(model, texts[::-1])
    assert len(set(together)) > rows // 2  # the model does not say the same to everything


def test_an_answer_is_the_same_alone_and_among_others(model):
    texts = ["a", "1 + 1 = ?", "今天天气很好", "x" * 300, "y" * 700, "计算 4.00 的平方根？" * 5, "\0", "👍"]
    together = completions(model, texts)
    assert together == [completions(model, [text])[0] for text in texts]
    assert together == completions(model, [text for text in texts for _ in range(3)])[::3]


def test_an_answer_is_what_predict_says_to_the_same_problem(model, recipe):
    rows = [Row(n, text, "") for n, text in enumerate(("计算 4.00 的平方根？", "解方程 5x + 5 = 0"), 1)]
    how = {"max_new_tokens": SHORT.math_new_tokens, "min_new_tokens": SHORT.min_new_tokens}
    problems = [(row, recognise(row.problem)) for row in rows]
    for template in ("trained", "bare"):
        there = model.decoder.complete(problems_asked(model.prompter, problems, recipe(), template), **how)
        lines = [parse(row.line, json.dumps({"problem": row.problem}).encode()) for row in rows]
        _, prompts = ask(lines, model.prompter, template, LIMIT)
        here = decode(prompts, model.prompter, model.decoder, SHORT, lambda done: None)
        assert list(here.values()) == [(model.prompter.tokenizer.decode(d.ids), d.ended) for d in there]


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("计算过程：√5636.97 = 75.0798", "75.0798"),
        ("gcd(6, 8) = 2, 最简化的形式为：3/4", "3/4"),
        ("-39x = -20, x = -0.50", "-0.50"),
        ("57 * 4.03 ^ 54 = 2.769E+34", "2.769E+34"),
        ("共 1,234,567 元", "1234567"),
        ("不知道", None),
        ("", None),
    ],
)
def test_the_answer_is_the_number_that_scoring_reads(completion, answer):
    assert answer_text(completion) == answer
    assert answer is None or final_number(answer) == final_number(completion)


@pytest.mark.parametrize(
    ("problem", "said", "answer"),
    [
        ("计算 12.00 + 8.00 等于多少？", ("= 20", True), "20"),
        ("计算 12.00 + 8.00 等于多少？", ("= 20", False), None),
        ("1 + 1 = ?", ("1 + 1 = ?", True), None),
        ("商品原价为 100 元，打折后的价格为 80 元，请计算打折的折扣比例。", ("20%", True), "20"),
        ("What is a fifth?", ("20%", True), "0.20"),
    ],
)
def test_a_completion_is_kept_whether_it_answers_or_not(problem, said, answer):
    line = parse(1, json.dumps({"problem": problem}).encode())
    assert result(line, {1: said}) == {"problem": problem, "completion": said[0], "answer": answer}


def test_a_prompt_has_to_leave_room_for_the_answer(model):
    room = LIMIT - len("\n")
    lines = [parse(n, json.dumps({"id": n, "problem": "x" * n}).encode()) for n in (room, room + 1)]
    marked, prompts = ask(lines, model.prompter, "trained", LIMIT)
    assert list(prompts) == [room] and not marked[0].fault
    assert marked[1].fault.startswith(f"its prompt has {LIMIT + 1} tokens, expected at most {LIMIT}: ")
    assert result(marked[1], {})["id"] == room + 1


@pytest.fixture
def attempt(stage, model, tmp_path):
    """Run the command on bytes, with an old output in place."""

    def run(content: bytes | None, **options: object) -> tuple[subprocess.CompletedProcess, bytes]:
        out = tmp_path / "out.jsonl"
        out.write_bytes(b"old")
        if content is not None:
            (tmp_path / "in.jsonl").write_bytes(content)
        chosen = {
            "profile": "tiny",
            "base": model.folder / "base",
            "adapter": model.folder / "1",
            "input": tmp_path / "in.jsonl",
            "output": out,
        } | options
        words = [word for key, value in chosen.items() if value is not None for word in (f"--{key}", value)]
        done = stage("make predict", *words)
        assert "Traceback" not in done.stderr and done.stdout == ""
        assert {path.name for path in tmp_path.iterdir()} <= {"in.jsonl", "out.jsonl", "folder", "other"}
        return done, out.read_bytes()

    return run


def lines_of(raw: bytes) -> list[dict]:
    return [json.loads(line) for line in raw.decode().splitlines()]


def test_a_file_is_answered(attempt):
    rows = [
        ROOT | {"solution": "√4.00 = 2.0", "id": [1, None]},
        {"id": 2, "problem": "Was ist 1+1?", "answer": "?"},
    ]
    content = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    done, out = attempt(b"\xef\xbb\xbf" + content.encode() + b"\r\n")
    assert done.returncode == 0, done.stderr
    assert re.search(r"2/2 \[.*(answers/s|s/ answers)", done.stderr)
    assert done.stderr.endswith("out.jsonl: 2 answers\n")
    found = lines_of(out)
    assert [{**row, "completion": None, "answer": None} for row in rows] == [
        {**row, "completion": None, "answer": None} for row in found
    ]
    assert all(row["answer"] in (None, answer_text(row["completion"], row["problem"])) for row in found)
    assert all(row["completion"] for row in found)
    assert "平方根" in out.decode()


def test_what_an_earlier_run_has_set_is_not_kept(attempt):
    """Its output is the input of a second try."""
    stale = {"line": 4, "error": "stale", "completion": "old", "answer": "7", "id": 3}
    rows = [{"problem": "1+1"} | stale, {"problem": 5} | stale]
    done, out = attempt("".join(json.dumps(row) + "\n" for row in rows).encode())
    assert done.returncode == 1
    first, second = lines_of(out)
    assert set(first) == {"problem", "id", "completion", "answer"}
    assert first["completion"] != "old"
    assert set(second) == {"problem", "id", "line", "error"}
    assert second["line"] == 2


def test_a_link_stays_one_and_a_device_is_none_to_write(attempt, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").symlink_to(tmp_path / "folder" / "real.jsonl")
    done, old = attempt(b'{"problem": "1+1"}\n', output=tmp_path / "other")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "other").is_symlink() and old == b"old"
    assert lines_of((tmp_path / "folder" / "real.jsonl").read_bytes())[0]["problem"] == "1+1"
    os.mkfifo(tmp_path / "folder" / "pipe")
    done, _ = attempt(b'{"problem": "1+1"}\n', output=tmp_path / "folder" / "pipe")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("pipe: is a folder or a device, expected a file to write")


def test_the_profile_is_that_of_params_yaml_if_none_is_given(attempt, params):
    path = params()
    path = path.rename(path.with_name("other"))
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"profile": "tiny"}))
    done, out = attempt(json.dumps(ROOT).encode(), profile=None, params=path)
    assert done.returncode == 0, done.stderr
    assert lines_of(out)[0]["completion"]


def test_rows_that_fail_are_named_and_not_lost(attempt, tmp_path):
    bad = {
        2: (b"nonsense", "not JSON (Expecting value at character 1), expected a JSON object: nonsense"),
        3: (b'{"problem": "\\ud800"}', "holds a lone surrogate, which is no character, expected text"),
        4: (b'{"id": 4}', "key 'problem' is missing: {\"id\": 4}"),
        5: (b'{"problem": 5}', "'problem' is 5, expected text"),
        6: (b'{"problem": " "}', "'problem' is blank, expected text"),
        7: (b"[1]", "not a JSON object, expected one with a 'problem': [1]"),
        8: ("计算".encode("gbk"), "byte 1 is not UTF-8, expected a JSON object"),
        9: (b'{"problem": "' + b"x" * 2000 + b'"}', "its prompt has 2001 tokens, expected at most 1952: "),
        10: (b'{"problem": "a", "id": NaN}', "holds a number that is too long, or none (NaN, Infinity): "),
        11: (b"[" * 100_000, "nested too deep, expected a JSON object with a 'problem'"),
    }
    good = json.dumps(ROOT).encode()
    done, out = attempt(b"\n".join([good, *(raw for raw, _ in bad.values()), good]))
    assert done.returncode == 1
    path = tmp_path / "in.jsonl"
    for number, (_, message) in bad.items():
        assert f"\n{path}, line {number}: {message}" in done.stderr
    out_path = tmp_path / "out.jsonl"
    assert done.stderr.endswith(f"\nerror: {path}: 10 of 12 rows have no answer; {out_path} says which\n")
    found = lines_of(out)
    assert len(found) == 12
    assert found[0]["completion"] == found[-1]["completion"] != ""
    assert [(row["line"], row["error"][:10]) for row in found[1:-1]] == [
        (n, m[:10]) for n, (_, m) in bad.items()
    ]
    assert found[3]["id"] == 4 and found[8]["problem"] == "x" * 2000


ASKED = '{"problem": "计算 4.00 的平方根？"}\n'.encode()


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, {}, "in.jsonl: no such file, expected JSON Lines with a 'problem' each"),
        (b"", {}, "in.jsonl: holds no rows, expected JSON Lines"),
        (b"\xef\xbb\xbf\n \r\n\n", {}, "in.jsonl: holds no rows, expected JSON Lines"),
        (b"{}", {"input": "stages"}, "stages: is a folder, expected a JSON Lines file"),
        (b"{}", {"output": "stages"}, "stages: is a folder or a device, expected a file to write"),
        (ASKED, {"profile": "tini"}, "profile 'tini' does not exist"),
        (
            ASKED,
            {"adapter": "nowhere"},
            "nowhere/adapter.json: no such file, expected the output of stage finetune",
        ),
        (ASKED, {"base": "nowhere"}, "nowhere/model.json: no such file, expected the output of stage base"),
        (ASKED, {"profile": "smollm2-135m"}, "hidden_size is 64, expected 576 as in the profile"),
        (ASKED, {"params": "no.yaml"}, "no.yaml: no such file"),
        (ASKED, {"params": "no.yaml", "profile": None}, "no.yaml: no such file"),
    ],
)
def test_what_cannot_be_used_at_all_is_one_line(attempt, content, options, message):
    done, out = attempt(content, **options)
    *above, last = done.stderr.splitlines()
    assert done.returncode == 1
    assert last.startswith("error: ") and message in last
    assert all("loading the model" in line for line in above)
    assert out == b"old"


@pytest.fixture
def here(model, tmp_path):
    """Run `make predict` in a workspace of the tiny profile that has the checkpoints 0 and 1."""
    for name in ("profiles", "checkpoints", "data"):
        (tmp_path / name).mkdir()
    for name in ("base.yaml", "tiny.yaml"):
        shutil.copy(REPOSITORY / "profiles" / name, tmp_path / "profiles")
    params = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(params.replace("smollm2-135m", "tiny"), encoding="utf-8")
    (tmp_path / "data" / "base").symlink_to(model.folder / "base")
    for number in "01":
        (tmp_path / "checkpoints" / number).symlink_to(model.folder / number)
    (tmp_path / "in.jsonl").write_text(json.dumps(ROOT) + "\n", encoding="utf-8")

    def make(*words):
        command = [sys.executable, "-m", "abacus", "predict", *words]
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)

    return make


def test_a_checkpoint_is_asked_by_its_number(here, model, tmp_path):
    for number in "01":
        done = here(f"CHECKPOINT={number}", "INPUT=in.jsonl", f"OUTPUT={number}.jsonl")
        assert done.returncode == 0, done.stderr
        assert done.stderr.endswith(f"{number}.jsonl: 1 answers\n")
    base, trained = (lines_of((tmp_path / f"{n}.jsonl").read_bytes())[0]["completion"] for n in "01")
    assert base != trained
    done = here(f"ADAPTER={model.folder}/1", "INPUT=in.jsonl", "OUTPUT=again.jsonl")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "1.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["CHECKPOINT=9"], "error: CHECKPOINT is 9, expected one of those in checkpoints: 0, 1"),
        ([], "error: CHECKPOINT is missing, expected its number or ADAPTER=folder, one of them"),
        (["CHECKPOINT=1", "ADAPTER=x"], "error: CHECKPOINT and ADAPTER are both given, expected its number or"),
        (["CHECKPOINT=1", "OUTPUT=./in.jsonl"], "error: in.jsonl: is both INPUT and OUTPUT, expected another file to write"),
        (["CHECKPOINT=1", "PROFILE=tini"], "error: profile 'tini' does not exist, expected one of: tiny; did you mean"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_one_line(here, tmp_path, words, said):
    done = here("INPUT=in.jsonl", "OUTPUT=out.jsonl", *words)
    assert done.returncode == 1
    assert done.stderr.startswith(said) and done.stderr.count("\n") == 1
    assert not (tmp_path / "out.jsonl").exists()
    assert json.loads((tmp_path / "in.jsonl").read_text(encoding="utf-8")) == ROOT


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("adapter.ckpt", b"\x00garbage", "expected a MindSpore checkpoint"),
        (
            "adapter.json",
            b'{"step": 2, "rank": 8}',
            "trainable_parameters is missing",
        ),
        ("adapter.json", b"{", "not JSON"),
    ],
)
def test_a_damaged_checkpoint_is_one_line(attempt, model, tmp_path, name, content, message):
    other = tmp_path / "other"
    other.mkdir()
    for path in (model.folder / "1").iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    (other / name).write_bytes(content)
    done, out = attempt(json.dumps(ROOT).encode(), adapter=other)
    assert done.returncode == 1 and out == b"old"
    assert done.stderr.splitlines()[-1].startswith(f"error: {other / name}")
    assert message in done.stderr.splitlines()[-1]
