import json
import subprocess
import sys

import pytest

from abacus.core.errors import InputError
from abacus.text import tokenizer
from abacus.text.tokenizer import Tokenizer

IDS = {"bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 258}


@pytest.fixture
def folder(tmp_path):
    tokenizer.save(tokenizer.of_bytes(*IDS.values()), IDS, tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", ["", "计算 967.09 - -688.16 等于多少？", "a\n b\t√5", "\x00\x7f"])
def test_an_id_a_byte_and_back(folder, text):
    loaded = Tokenizer.load(folder)
    ids = loaded.encode(text)
    assert bytes(ids) == text.encode()
    assert loaded.decode(ids) == text


def test_numbers_of_the_tokenizer(folder):
    loaded = Tokenizer.load(folder)
    assert (loaded.bos_id, loaded.eos_id, loaded.pad_id) == (256, 257, 258)
    assert loaded.vocab_size == 259


def test_byte_alphabet_is_gpt2s():
    alphabet = tokenizer.byte_alphabet()
    assert len(set(alphabet)) == 256
    assert (alphabet[ord("a")], alphabet[ord(" ")], alphabet[ord("\n")]) == ("a", "Ġ", "Ċ")


def test_text_is_composed(folder):
    loaded = Tokenizer.load(folder)
    assert loaded.encode("e\u0301") == loaded.encode("\u00e9")


def test_spelling_of_a_special_token_is_text(folder):
    loaded = Tokenizer.load(folder)
    assert loaded.encode("a<|eos|>") == list(b"a<|eos|>")


def test_special_ids_are_left_out_of_text(folder):
    assert Tokenizer.load(folder).decode([256, 97, 257, 98, 258]) == "ab"


def test_broken_utf8_is_marked(folder):
    assert Tokenizer.load(folder).decode([97, 0xE8]) == "a\ufffd"


def test_batch_equals_one_by_one(folder):
    loaded = Tokenizer.load(folder)
    texts = ["a", "", "解方程 3x + -45 = 0", "long " * 50]
    assert loaded.encode_batch(texts) == [loaded.encode(text) for text in texts]
    assert loaded.encode_batch([]) == []


def test_special_ids_must_follow_the_bytes():
    with pytest.raises(InputError, match="bos, eos and pad are 1, 2 and 2, expected"):
        tokenizer.of_bytes(1, 2, 2)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "tokenizer_config.json",
            "{}",
            r"tokenizer_config.json: found {}, expected a JSON object with bos_token_id",
        ),
        (
            "tokenizer_config.json",
            "no",
            r"tokenizer_config.json, line 1: not JSON .*, expected a JSON object",
        ),
        ("tokenizer.json", json.dumps({"a": 1}), r"tokenizer.json: .*, expected a file of"),
    ],
)
def test_damaged_file_is_named(folder, file, content, message):
    (folder / file).write_text(content)
    with pytest.raises(InputError, match=message):
        Tokenizer.load(folder)


def test_mindspore_is_not_imported():
    script = "import sys, abacus.text.tokenizer; sys.exit('mindspore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
