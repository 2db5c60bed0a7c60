import json
import subprocess
import sys
import unicodedata
from itertools import pairwise
from random import Random

import pytest
import tokenizers
from tokenizers import pre_tokenizers

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


DIGITS = (pre_tokenizers.Digits(individual_digits=True), *tokenizer.GPT2)
MERGES = [
    *pairwise("Ġ="),
    *pairwise("12"),
    *pairwise("ab"),
    *pairwise("Ġ1"),
    *pairwise("1Ġ"),
    ("Ġ", "Ġ"),
    ("ĠĠ", "a"),
]


def cutting(split, **added):
    """A tokenizer that cuts texts so, and merges some of what stands together."""
    alphabet = tokenizer.byte_alphabet()
    tokens = [*alphabet, "<|bos|>", "<|eos|>", "<|pad|>", *("".join(pair) for pair in MERGES)]
    inner = tokenizer.byte_level(tokens, MERGES, tokens[256:259], split)
    if added:
        inner.add_tokens([tokenizers.AddedToken(**added)])
    return inner


def test_what_stands_between_digits_is_remembered_and_changes_no_id():
    loaded, random = Tokenizer(cutting(DIGITS), *IDS.values()), Random(4)
    plain = cutting(DIGITS)
    plain.encode_special_tokens = True
    signs = [
        *"0123456789  ab=.\n\t'",
        "１",
        "½",
        "①",
        "٣",
        "计算",
        "\u0301",
        "  ",
        "<|eos|>",
        "1" * 9,
        "a" * 70,
        "'s",
    ]
    texts = ["".join(random.choices(signs, k=random.randrange(12))) for _ in range(3000)]
    composed = [unicodedata.normalize("NFC", text) for text in texts]
    wanted = [one.ids for one in plain.encode_batch(composed, add_special_tokens=False)]
    assert loaded.encode_batch(texts) == wanted
    assert loaded.encode_batch(texts) == wanted  # now all of it is known
    assert loaded._pieces and max(map(len, loaded._pieces)) <= tokenizer.LONGEST


def test_no_more_pieces_are_remembered_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(tokenizer, "KNOWN", 3)
    loaded = Tokenizer(cutting(DIGITS), *IDS.values())
    assert bytes(loaded.encode("x1y2z3w4")) == b"x1y2z3w4" and len(loaded._pieces) <= 3


@pytest.mark.parametrize(
    "inner",
    [
        cutting(tokenizer.GPT2),
        cutting([*tokenizer.GPT2, DIGITS[0]]),
        cutting([pre_tokenizers.Digits(individual_digits=False), *tokenizer.GPT2]),
        cutting(DIGITS, content="a1b", special=False),
    ],
    ids=["no digits", "digits later", "digits together", "a token with a digit"],
)
def test_a_tokenizer_that_cuts_otherwise_is_asked_each_time(inner):
    assert Tokenizer(inner, *IDS.values())._pieces is None


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
