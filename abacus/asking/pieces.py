"""Text that comes token by token, in whole characters, and as a terminal may show it."""

import unicodedata
from collections.abc import Callable, Sequence

HALF = "\ufffd"  # what bytes decode to that are no whole character yet


class Pieces:
    """What is new of a text each time that more of its ids are known; all pieces together are the text.

    A token may be a part of a character, as most of a Chinese one are in GPT-2's alphabet of bytes: it waits.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode, self._told = decode, ""

    def new(self, ids: Sequence[int], last: bool = False) -> str:
        """The characters that these ids, all so far, add to those told before; with `last` all that is left."""
        text = self._decode(ids)
        whole = text if last else text.rstrip(HALF)
        if not whole.startswith(self._told):
            return ""
        piece = whole[len(self._told) :]
        self._told = whole
        return piece


def visible(text: str) -> str:
    """A text with nothing in it that moves a cursor or sets a colour, but for its line ends."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character.isprintable() or character == "\n" or unicodedata.category(character) == "Zs":
        return character
    return " " if character == "\t" else character.encode("unicode_escape").decode("ascii")
