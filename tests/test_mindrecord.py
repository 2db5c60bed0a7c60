"""Conversations to MindRecord: labels, lengths, padding, the same bytes."""

import hashlib
import json

import numpy as np
import pytest

from stages.command import InputError
from stages.mindrecord import IGNORED, Turn, encode, padded, read_turns
from stages.model.prompt import Prompter
from stages.model.tokenizer import Tokenizer, of_bytes, save

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
    assert set(ids[len(row.input_ids) :]) == {PAD}
    before = bytes(ids[1 : int(np.argmax(learned))].tolist()).decode()
    assert before.endswith("ASSISTANT:")


def run(stage, tmp_path, base, conversations, folder):
    out = tmp_path / folder / "train-v2.mindrecord"
    metrics = tmp_path / folder / "mindrecord.json"
    done = stage(
        "mindrecord", "--profile", "tiny", "--base", base, "--conversations", conversations,
        "--out", out, "--metrics", metrics,
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
    assert "all 1 rows are longer than 257 tokens" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: not JSON"),
        ("[]", "expected a JSON array of conversations"),
        ("{}", "expected a JSON array of conversations"),
        ('[{"id": "1"}]', "conversation 1: expected an id and two turns"),
        ('[{"id": "1", "conversations": [{"from": "gpt", "value": "x"}]}]', "conversation 1"),
        (
            '[{"id": "1", "conversations": [{"from": "human", "value": 1}, {"from": "gpt", "value": ""}]}]',
            "conversation 1",
        ),
    ],
)
def test_a_bad_conversation_file_is_one_clear_line(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.json") as caught:
        read_turns(path)
    assert message in str(caught.value)
