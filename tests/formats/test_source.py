"""What lies beside a GGUF file says the same as the file, or both are named."""

import json

import pytest

from abacus.core.errors import InputError
from abacus.formats import source, vocabulary
from abacus.text import tokenizer
from tests.llama import SHAPE, write_gguf

BOS, EOS = 256, 257
SPECIALS = ["<|bos|>", "<|eos|>"]


def add_tokens(writer, change=None, bos_first=None):
    """Bytes and two special tokens, as llama.cpp's converter writes them."""
    tokens = [*tokenizer.byte_alphabet(), *SPECIALS]
    if change:
        tokens[change[0]] = change[1]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("own")  # one that is not known, which is why a tokenizer.json lies beside it
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 256 + [3, 3])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    if bos_first is not None:
        writer.add_add_bos_token(bos_first)


@pytest.fixture
def own(tmp_path):
    """A GGUF file with the tokenizer.json of its tokens beside it."""

    def make(starts=False, **options):
        write_gguf(tmp_path / "m.gguf", SHAPE, {}, tokenizer=lambda writer: add_tokens(writer, **options))
        inner = tokenizer.byte_level([*tokenizer.byte_alphabet(), *SPECIALS], [], SPECIALS, tokenizer.GPT2)
        if starts:
            vocabulary.start_with(inner, "<|bos|>")
        (tmp_path / "tokenizer.json").write_text(inner.to_str())
        return source.Source(source.GGUF, tmp_path / "m.gguf")

    return make


def beside(own, **settings):
    (own.path.parent / "tokenizer_config.json").write_text(json.dumps(settings))
    return own


def test_a_tokenizer_of_the_same_tokens_is_taken(own):
    assert source.tokenizer(own()).get_vocab_size() == 258


@pytest.mark.parametrize(("number", "token"), [(65, "other"), (255, "last")])
def test_a_tokenizer_of_other_tokens_is_refused(own, number, token):
    found = own(change=(number, token))
    with pytest.raises(InputError) as error:
        source.tokenizer(found)
    there = tokenizer.byte_alphabet()[number]
    assert str(error.value) == (
        f"{found.path.parent}/tokenizer.json: its token {number} is {there!r}, expected {token!r} as in m.gguf"
    )


def test_special_tokens_may_be_spelled_otherwise(own):
    assert source.tokenizer(own(change=(BOS, "<s>"))).id_to_token(BOS) == "<|bos|>"


@pytest.mark.parametrize("starts", [True, False])
@pytest.mark.parametrize("said", [None, True, False])
def test_bos_is_put_first_by_both_or_the_file_is_refused(own, starts, said):
    found = own(starts=starts, bos_first=said)
    inner = source.tokenizer(found)
    if said in (None, starts):
        assert source.puts_bos(found, inner, BOS) is starts
        return
    with pytest.raises(InputError) as error:
        source.puts_bos(found, inner, BOS)
    assert str(error.value) == (
        f"{found.path}: tokenizer.ggml.add_bos_token is {said}, expected {starts} as its tokenizer does"
    )


def test_a_tokenizer_config_beside_is_held_to_the_file(own):
    found = own()
    inner = source.tokenizer(found)
    ids = {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": None}
    assert source.special_ids(found, inner) == ids
    beside(found, eos_token="<|eos|>", add_bos_token=False)
    assert source.special_ids(found, inner) == ids
    assert source.puts_bos(found, inner, BOS) is False
    beside(found, pad_token="<|bos|>")
    assert source.special_ids(found, inner) == ids | {"pad_token_id": BOS}
    beside(found, eos_token="<|bos|>", add_bos_token=True)
    with pytest.raises(
        InputError, match=r"tokenizer_config.json: eos_token is 256, expected 257 as eos_token_id in m.gguf$"
    ):
        source.special_ids(found, inner)
    with pytest.raises(
        InputError, match=r"tokenizer_config.json: add_bos_token is True, expected False as in tokenizer"
    ):
        source.puts_bos(found, inner, BOS)


def test_no_bos_is_put_first_by_a_model_that_has_none(own):
    found = own(starts=True)
    assert source.puts_bos(found, source.tokenizer(found), None) is False
