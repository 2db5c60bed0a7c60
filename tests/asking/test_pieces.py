"""Text that comes token by token: whole characters, and nothing that a terminal would obey."""

from hypothesis import given
from hypothesis import strategies as st

from abacus.asking.pieces import Pieces, visible
from abacus.text.tokenizer import Tokenizer, of_bytes

BYTES = Tokenizer(
    of_bytes(256, 257, 258), 256, 257, 258
)  # an id a byte: no character of Chinese is whole at once


@given(st.text(), st.lists(st.integers(0, 255), max_size=3))
def test_all_pieces_are_the_text_and_no_character_is_torn(text, broken):
    ids = [*text.encode(), *broken]
    pieces = Pieces(BYTES.decode)
    told = [pieces.new(ids[:end]) for end in range(len(ids) + 1)]
    assert "".join(told) + pieces.new(ids, last=True) == BYTES.decode(ids)
    if not broken and "\ufffd" not in text:
        assert "\ufffd" not in "".join(told)
        assert "".join(told) == text


def test_a_character_comes_with_its_last_byte():
    pieces, ids = Pieces(BYTES.decode), list("一 = 1".encode())
    assert [pieces.new(ids[:end]) for end in range(1, len(ids) + 1)] == ["", "", "一", " ", "=", " ", "1"]


def test_several_tokens_at_once_are_one_piece():
    pieces, ids = Pieces(BYTES.decode), list("等于 20".encode())
    assert [pieces.new(ids[:4]), pieces.new(ids)] == ["等", "于 20"]


def test_what_a_terminal_would_obey_is_shown():
    said = "a\x1b[31mb\rc\td\x07\u202ee\n计算\u3000 ~"
    assert visible(said) == "a\\x1b[31mb\\rc d\\x07\\u202ee\n计算\u3000 ~"
