"""Tokenizers as models bring them: each gives the ids of the library that its model was trained with."""

import base64
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abacus.core.errors import InputError
from abacus.formats import vocabulary
from abacus.formats.wheel import member_file
from abacus.profile.load import profile
from abacus.text import tokenizer
from abacus.text.tokenizer import Tokenizer
from tests.llama import SHAPE, write_gguf

ROOT = Path(__file__).parents[2]
TEXTS = [
    "",
    "计算 967.09 - -688.16 等于多少？",
    "计算过程：gcd(6, 8) = 2, 6 / 2 = 3, 最简化的形式为：3/4",
    "\\boxed{\\frac{1}{2}} $x^2 + \\sqrt{3}$\r\n\r\n  \tdon't I'LL WE'VE",
    "123456789012345678901234567890 1e+34 -0.0",
    "🙂👨‍👩‍👧‍👦 é ½ Ⅳ ٣٤ \u00a0\u3000\u2028\u200b",
    "<|begin_of_text|> is text here",
    " " * 50 + "\n" * 20 + "a",
]


@pytest.fixture(scope="module")
def llama3():
    """Our tokenizer of the real file, and tiktoken's."""
    import tiktoken

    with member_file(profile("llama3-8b").source.tokenizer, ROOT / ".cache" / "wheels") as path:
        ours = vocabulary.read(path)
        lines = [line.split() for line in path.read_bytes().splitlines()]
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    theirs = tiktoken.Encoding(
        "llama3", pat_str=vocabulary.LLAMA3_WORDS, mergeable_ranks=ranks, special_tokens={}
    )
    return ours, theirs


@pytest.mark.model
def test_llama3_has_its_published_ids(llama3):
    inner, _ = llama3
    ours = Tokenizer(inner, 128000, 128001, 128002)
    assert ours.vocab_size == 128256
    assert [inner.id_to_token(number) for number in (128000, 128001, 128002, 128006, 128009, 128255)] == [
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|reserved_special_token_0|>",
        "<|start_header_id|>",
        "<|eot_id|>",
        "<|reserved_special_token_250|>",
    ]
    assert len(ours.encode(TEXTS[1])) == 14
    assert inner.encode("a").ids == [128000, 64]  # for those who export the model


@pytest.mark.model
def test_llama3_gives_tiktokens_ids(llama3):
    inner, theirs = llama3
    ours = Tokenizer(inner, 128000, 128001, 128002)
    assert ours.encode_batch(TEXTS) == theirs.encode_ordinary_batch(TEXTS)
    assert [ours.decode(ids) for ids in ours.encode_batch(TEXTS)] == TEXTS


@pytest.mark.model
@given(st.text())
def test_llama3_gives_tiktokens_ids_for_any_text(llama3, text):
    inner, theirs = llama3
    text = unicodedata.normalize("NFC", text)
    assert Tokenizer(inner, 128000, 128001, 128002).encode(text) == theirs.encode_ordinary(text)


@pytest.mark.model
def test_llama3_gives_tiktokens_ids_for_published_rows(llama3, shared):
    inner, theirs = llama3
    lines = (shared / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [text for line in lines for text in json.loads(line).values() if isinstance(text, str)]
    assert len(texts) >= 2 * len(lines)
    assert Tokenizer(inner, 128000, 128001, 128002).encode_batch(texts) == theirs.encode_ordinary_batch(texts)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"YQ== 0\nnot base64 1", r"tokenizer.model, line 2: expected a token in base64 and its rank, 1"),
        (b"YQ== 0\nYg== 2", r"line 2: expected a token in base64 and its rank, 1"),
        (b"\x0a\x0e\x0a\x05<unk>", r"line 1: expected a token in base64"),
        (b"YQ==", r"line 1: expected a token in base64"),
    ],
)
def test_another_file_than_tiktokens_is_named(tmp_path, lines, message):
    (tmp_path / "tokenizer.model").write_bytes(lines)
    with pytest.raises(InputError, match=message):
        vocabulary.read(tmp_path / "tokenizer.model")


def test_small_tiktoken_file(tmp_path):
    tokens = [b"a", b"b", b"c", b"ab", b"bc", b"abc"]
    lines = [base64.b64encode(token) + b" %d" % rank for rank, token in enumerate(tokens)]
    (tmp_path / "tokenizer.model").write_bytes(b"\n".join(lines))
    inner = vocabulary.read(tmp_path / "tokenizer.model")
    assert inner.encode("abcab", add_special_tokens=False).ids == [
        5,
        3,
    ]  # abc before bc: the whole is a token
    assert inner.get_vocab_size() == 6 + 256


def bpe(pre, bos=False):
    """A tokenizer for write_gguf: bytes, one merge, one special token and one of its own; `bos` may be unsaid (None)."""

    def add(writer):
        tokens = [*tokenizer.byte_alphabet(), "12", "<|bos|>", "<own>"]
        writer.add_tokenizer_model("gpt2")
        if pre:
            writer.add_tokenizer_pre(pre)
        writer.add_token_list(tokens)
        writer.add_token_types([1] * 257 + [3, 4])
        writer.add_token_merges(["1 2"])
        writer.add_bos_token_id(257)
        if bos is not None:
            writer.add_add_bos_token(bos)

    return add


def gguf_file(folder, add):
    write_gguf(folder / "model.gguf", SHAPE, {}, tokenizer=add)
    return folder / "model.gguf"


@pytest.mark.parametrize(("pre", "ids"), [("smollm", 2), ("gpt-2", 1), ("llama-bpe", 1)])
def test_gguf_pre_tokenisers_cut_numbers_as_they_should(tmp_path, pre, ids):
    inner = vocabulary.read(gguf_file(tmp_path, bpe(pre)))
    assert len(inner.encode("12").ids) == ids
    assert inner.encode("<own>").ids == [258]
    assert inner.decode(inner.encode("计算 12").ids) == "计算 12"


def test_gguf_that_puts_bos_first_says_so_to_others(tmp_path):
    inner = vocabulary.read(gguf_file(tmp_path, bpe("smollm", bos=True)))
    assert inner.encode("a").ids == [257, tokenizer.byte_alphabet().index("a")]
    assert Tokenizer(inner, 257, 257, 257).encode("a") == inner.encode("a").ids[1:]


@pytest.mark.parametrize(("pre", "usual"), [("smollm", False), ("gpt-2", False), ("llama-bpe", True)])
@pytest.mark.parametrize("said", [None, True, False])
def test_bos_comes_first_where_llama_cpp_puts_it(tmp_path, pre, usual, said):
    """Its `llama-vocab.cpp` sets add_bos for the pre-tokeniser of Llama 3, before it reads what the file says."""
    inner = vocabulary.read(gguf_file(tmp_path, bpe(pre, bos=said)))
    assert (inner.encode("a").ids[0] == 257) == (usual if said is None else said)


def change(name, value):
    """bpe("smollm") with one field changed."""

    def add(writer):
        bpe("smollm", bos=True)(writer)
        writer.kv_data[-1][f"tokenizer.ggml.{name}"].value = value

    return add


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda writer: None, r"model.gguf: it has no list of tokens and their types"),
        (
            bpe("qwen2"),
            r"its tokenizer is 'gpt2' with 'qwen2', expected one of: .*tokenizer.json beside the file",
        ),
        # llama.cpp's "default" is a guess: the file does not say what the model was trained with.
        (bpe("default"), r"its tokenizer is 'gpt2' with 'default', expected"),
        (bpe(None), r"its tokenizer is 'gpt2' with None, expected"),
        (change("merges", ["1 3"]), r"its tokenizer merges 1 and 3, expected tokens that it has"),
        (change("merges", [1]), r"its tokenizer has no merges of two tokens each"),
        (change("token_type", ["1"] * 259), r"it has no list of tokens and their types"),
        (change("tokens", list(range(259))), r"it has no list of tokens and their types"),
        (change("merges", ["1 2 3"]), r"its tokenizer has no merges of two tokens each"),
        (change("tokens", ["a"] * 259), r"a token of its tokenizer is there twice"),
        (change("token_type", [1]), r"it has no list of tokens and their types"),
        (change("model", "llama"), r"its tokenizer has no scores or no unknown token"),
        (change("bos_token_id", 259), r"bos_token_id is 259, expected one of its 259 tokens"),
        (change("model", "bert"), r"its tokenizer is 'bert' with 'smollm', expected"),
    ],
)
def test_gguf_tokenizers_that_cannot_be_read_are_named(tmp_path, add, message):
    with pytest.raises(InputError, match=message):
        vocabulary.read(gguf_file(tmp_path, add))


@pytest.fixture(scope="module")
def sentencepiece_model(tmp_path_factory, small):
    """A SentencePiece BPE as Llama 2's, trained on the texts of a thousandth of the data."""
    import sentencepiece

    path = tmp_path_factory.mktemp("sentencepiece") / "trained"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for row in small for text in (row.problem, row.solution)]),
        model_prefix=str(path),
        model_type="bpe",
        vocab_size=900,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        num_threads=1,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_file=f"{path}.model")


def test_gguf_of_sentencepiece_gives_sentencepieces_ids(tmp_path, sentencepiece_model, small):
    theirs = sentencepiece_model

    def add(writer):
        numbers = range(theirs.get_piece_size())
        kinds = [
            2 if theirs.is_unknown(n) else 3 if theirs.is_control(n) else 6 if theirs.is_byte(n) else 1
            for n in numbers
        ]
        writer.add_tokenizer_model("llama")
        writer.add_token_list([theirs.id_to_piece(n) for n in numbers])
        writer.add_token_scores([theirs.get_score(n) for n in numbers])
        writer.add_token_types(kinds)
        writer.add_bos_token_id(1)

    inner = vocabulary.read(gguf_file(tmp_path, add))
    ours = Tokenizer(inner, 1, 2, 2)
    texts = [text for row in small for text in (row.problem, row.solution)] + [
        t for t in TEXTS[1:] if t[0] != " "
    ]
    assert ours.encode_batch(texts) == theirs.encode(texts)
    assert [ours.decode(ids) for ids in ours.encode_batch(texts)] == texts
    assert inner.encode("1").ids[0] == 1  # bos first, as llama.cpp has it


def test_a_panic_of_the_library_is_one_line(tmp_path, capfd):
    document = json.loads(tokenizer.byte_level(["1", "2", "12"], [("1", "2")], [], tokenizer.GPT2).to_str())
    document["model"]["continuing_subword_prefix"] = "longer"  # than the parts of the merge
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"tokenizer.json: byte index .*, expected a file of the `tokenizers`"
    ):
        vocabulary.read(path)
    assert capfd.readouterr().err == ""


def test_json_must_be_a_tokenizer(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match=r"tokenizer.json: .*, expected a file of the `tokenizers` library"):
        vocabulary.read(tmp_path / "tokenizer.json")
    with pytest.raises(InputError, match=r"none.json: no such file"):
        vocabulary.read(tmp_path / "none.json")
