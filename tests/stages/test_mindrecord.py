"""Conversations to MindRecord: labels, lengths, padding, the same bytes."""

import hashlib
import json

import numpy as np
import pytest
from mindspore.mindrecord import FileReader, FileWriter

from abacus.data.conversation import Turn, converse, spans
from abacus.data.rows import Row, write_lines
from abacus.formats.mindrecord import write
from abacus.text.encode import encode, padded
from abacus.text.prompt import IGNORED, Prompter
from abacus.text.tokenizer import Tokenizer, of_bytes, save

BOS, EOS, PAD = 256, 257, 258
ROWS = [("计算 1.00 + 2.00 等于多少？", "计算过程：1.00 + 2.00 = 3"), ("问", "答" * 200), ("计算 2", "4")]


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "base"
    folder.mkdir()
    save(of_bytes(BOS, EOS, PAD), {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}, folder)
    return folder


@pytest.fixture
def conversations(tmp_path):
    path = tmp_path / "conversations.json"
    turns = [
        {"id": str(i), "conversations": [{"from": "human", "value": p}, {"from": "gpt", "value": s}]}
        for i, (p, s) in enumerate(ROWS, 1)
    ]
    path.write_text(json.dumps(turns, ensure_ascii=False), encoding="utf-8")
    return path


def test_loss_is_on_the_answer_and_eos_alone(base):
    prompter = Prompter(Tokenizer.load(base), "vicuna", True)
    (row,) = encode([Turn("1", *ROWS[0])], prompter)
    arrays = padded(row, 257 * 2, PAD)
    ids, labels = arrays["input_ids"], arrays["labels"]
    assert ids.dtype == labels.dtype == np.int32
    assert ids.shape == labels.shape == (514,)
    learned = labels != IGNORED
    assert (ids[learned] == labels[learned]).all()
    assert bytes(ids[learned][:-1].tolist()).decode() == " " + ROWS[0][1]
    assert ids[learned][-1] == EOS
    assert ids[0] == BOS
    assert set(ids[row.size :]) == {PAD}
    before = bytes(ids[1 : int(np.argmax(learned))].tolist()).decode()
    assert before.endswith("ASSISTANT:")


def run(stage, tmp_path, base, conversations, folder, *words):
    out = tmp_path / folder / "train-v2.mindrecord"
    metrics = tmp_path / folder / "mindrecord.json"
    profile, test = tmp_path / "profile", tmp_path / "test.jsonl"
    profile.mkdir(exist_ok=True)
    (profile / "prompt.yaml").write_text("template: bare\nbos: false\nseq_length: 256\n")
    test.write_text('{"problem": "x"}\n')
    done = stage(
        "mindrecord", "--profile", profile, "--base", base, "--conversations", conversations,
        "--test", test, "--squad", "data/reading/reading-v1.1.json", "--out", out, "--metrics", metrics,
        *words,
    )  # fmt: skip
    return done, out, metrics


def test_a_long_row_is_left_out_and_counted_and_bytes_repeat(stage, tmp_path, base, conversations):
    done, out, metrics = run(stage, tmp_path, base, conversations, "a")
    assert done.returncode == 0, done.stderr
    assert "left out: row 2 has 605 tokens, more than 257" in done.stderr
    figures = json.loads(metrics.read_text())
    assert (figures["rows"], figures["written"], figures["too_long"], figures["longest"]) == (3, 2, 1, 605)
    _, again, _ = run(stage, tmp_path, base, conversations, "b")
    for suffix in ("", ".db"):
        first, second = (p.with_name(p.name + suffix).read_bytes() for p in (out, again))
        assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()


def test_all_rows_too_long_is_an_error_and_the_old_file_stays(stage, tmp_path, base, conversations):
    _, out, _ = run(stage, tmp_path, base, conversations, "a")
    before = out.read_bytes()
    turns = json.loads(conversations.read_text(encoding="utf-8"))[1:2]
    conversations.write_text(json.dumps(turns), encoding="utf-8")
    done, _, _ = run(stage, tmp_path, base, conversations, "a")
    assert done.returncode == 1
    assert "1 of 1 rows are longer than 257 tokens" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert out.read_bytes() == before


@pytest.fixture
def many(tmp_path):
    """A file of three spans."""
    rows = (
        Row(n, f"计算 {n}.00 + 2.00 等于多少？", f"计算过程：{n}.00 + 2.00 = {n + 2}")
        for n in range(1, 20_001)
    )
    path = tmp_path / "many.json"
    write_lines(path, converse(rows))
    assert len(spans(path)) == 3
    return path


def test_any_number_of_processes_gives_the_same_bytes(stage, tmp_path, base, many):
    outputs = []
    for processes in (1, 3):
        done, out, metrics = run(stage, tmp_path, base, many, str(processes), "--processes", processes)
        assert done.returncode == 0, done.stderr
        assert "overlap: none of 20000 rows asks what the evaluation asks" in done.stderr
        outputs.append([path.read_bytes() for path in (out, out.with_name(f"{out.name}.db"), metrics)])
    assert outputs[0] == outputs[1]
    assert json.loads(outputs[0][2])["written"] == 20_000


def test_a_fault_far_behind_is_named_by_its_place_in_the_file(stage, tmp_path, base, many):
    text = many.read_text(encoding="utf-8")
    at = text.index("计算过程：15000.00")
    many.write_text(
        text[:at].removesuffix('gpt",\n        "value": "') + f'bot",\n        "value": "{text[at:]}',
        encoding="utf-8",
    )
    old = tmp_path / "a" / "train-v2.mindrecord"
    old.parent.mkdir()
    old.write_text("old")
    done, out, metrics = run(stage, tmp_path, base, many, "a")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        f"error: {many}, conversation 15000: turn 2 is from 'bot', expected 'gpt' or 'assistant'"
    )
    assert out.read_text() == "old" and not metrics.exists() and list(out.parent.iterdir()) == [out]


def test_the_writer_writes_what_mindrecord_s_own_does(tmp_path):
    own, plain = tmp_path / "own" / "a.mindrecord", tmp_path / "plain" / "a.mindrecord"
    own.parent.mkdir()
    plain.parent.mkdir()
    rows = [
        {"input_ids": np.arange(n, dtype=np.int32), "labels": np.full(n, n, np.int32)} for n in range(1, 50)
    ]
    write(own, iter(rows), ("input_ids", "labels"))
    writer = FileWriter(str(plain), shard_num=1)
    writer.add_schema({name: {"type": "int32", "shape": [-1]} for name in rows[0]}, "conversations")
    writer.write_raw_data(rows)
    writer.commit()
    assert own.read_bytes() == plain.read_bytes()
    assert [row["labels"].tolist() for row in FileReader(str(own)).get_next()] == [
        [n] * n for n in range(1, 50)
    ]
