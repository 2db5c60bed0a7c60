"""Conversations to MindRecord: labels, lengths, padding, the same bytes."""

import hashlib
import json

import numpy as np
import pytest

from abacus.data.conversation import Turn
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


def run(stage, tmp_path, base, conversations, folder):
    out = tmp_path / folder / "train-v2.mindrecord"
    metrics = tmp_path / folder / "mindrecord.json"
    profile, test = tmp_path / "profile", tmp_path / "test.jsonl"
    profile.mkdir(exist_ok=True)
    (profile / "prompt.yaml").write_text("template: bare\nbos: false\nseq_length: 256\n")
    test.write_text('{"problem": "x"}\n')
    done = stage(
        "mindrecord", "--profile", profile, "--base", base, "--conversations", conversations,
        "--test", test, "--squad", "data/reading/reading-v1.1.json", "--out", out, "--metrics", metrics,
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
