"""Text to token ids and back, with the tokenizer of `data/base`, read by `tokenizers`.

No MindSpore here: the data stages use it too.
"""

import contextlib
import itertools
import json
import os
import re
import sys
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from abacus.core.documents import read_json, write_json
from abacus.core.errors import InputError

SPECIALS = ("bos_token_id", "eos_token_id", "pad_token_id")
GPT2 = (pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),)  # GPT-2's way to cut a text
BETWEEN_DIGITS = re.compile(r"[0-9]|[^0-9]+")
KNOWN, LONGEST = 1 << 16, 64  # pieces of text whose ids are remembered, and characters of the longest of them


class Tokenizer:
    """The tokenizer of one model: `bos_id`, `eos_id`, `pad_id` and `vocab_size`, and text both ways."""

    def __init__(self, inner: tokenizers.Tokenizer, bos_id: int, eos_id: int, pad_id: int):
        inner.no_padding()
        inner.no_truncation()
        inner.encode_special_tokens = True  # "<|im_end|>" in a text is text, not the end of a turn
        self._inner = inner
        self._pieces = _Pieces(inner) if _splits_digits(inner) else None
        self._specials = frozenset(inner.get_added_tokens_decoder()) | {bos_id, eos_id, pad_id}
        self.bos_id = bos_id
        self.eos_id = eos_id
        self.pad_id = pad_id
        self.vocab_size: int = inner.get_vocab_size()

    @classmethod
    def load(cls, folder: Path) -> "Tokenizer":
        """The tokenizer whose two files are in `folder`."""
        ids = specials(folder)
        return cls(from_json(folder / "tokenizer.json"), *ids)

    def encode(self, text: str) -> list[int]:
        """The ids of `text` in Unicode's composed form (NFC); no special id is among them."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts at once, on all cores."""
        composed = [unicodedata.normalize("NFC", text) for text in texts]
        if self._pieces is not None:
            return [self._pieces.encode(text) for text in composed]
        found = self._inner.encode_batch_fast(composed, add_special_tokens=False)
        return [encoding.ids for encoding in found]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, special ids left out; bytes that are no UTF-8 come back as U+FFFD."""
        plain = [int(token) for token in ids if token not in self._specials]
        return self._inner.decode(plain, skip_special_tokens=False)


def specials(folder: Path) -> tuple[int, int, int]:
    """The ids of BOS, EOS and padding of the tokenizer in `folder`."""
    config = folder / "tokenizer_config.json"
    wanted = f"a JSON object with {', '.join(SPECIALS)}"
    found = read_json(config, wanted)
    bos, eos, pad = (found.get(key) for key in SPECIALS)
    if not all(type(token) is int for token in (bos, eos, pad)):
        raise InputError(config, f"found {found}", wanted)
    return bos, eos, pad


class _Pieces(dict[str, list[int]]):
    """The ids of pieces of text as they have been met, for a tokenizer to which each digit is a word of its own.

    What stands between the digits of arithmetic is nearly always the same, and to look it up is quicker than to cut
    and merge it once more.
    """

    def __init__(self, inner: tokenizers.Tokenizer) -> None:
        super().__init__()
        self._inner = inner

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        return list(itertools.chain.from_iterable(map(self.__getitem__, BETWEEN_DIGITS.findall(text))))

    def __missing__(self, piece: str) -> list[int]:
        ids: list[int] = self._inner.encode(piece, add_special_tokens=False).ids
        if len(piece) <= LONGEST:
            if len(self) == KNOWN:
                self.clear()
            self[piece] = ids
        return ids


def _splits_digits(inner: tokenizers.Tokenizer) -> bool:
    """Whether a tokenizer cuts a text before and after each digit, whatever stands there, before all else."""
    cuts = inner.pre_tokenizer and json.loads(inner.pre_tokenizer.__getstate__())
    first = (cuts or {}).get("pretokenizers", [cuts])[0]
    added = inner.get_added_tokens_decoder().values()  # a special one in a text is text here
    return (
        first == {"type": "Digits", "individual_digits": True}
        and inner.normalizer is None
        and not inner.model.dropout
        and all(token.special for token in added)
    )


def from_json(path: Path) -> tokenizers.Tokenizer:
    """The tokenizer of a file of the `tokenizers` library."""
    read_json(path, "a file of the `tokenizers` library")
    try:
        with silent():
            return tokenizers.Tokenizer.from_file(str(path))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises nothing narrower, and its panics are no Exception
        raise InputError(path, str(error), "a file of the `tokenizers` library") from error


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keep what a panic in Rust says to file descriptor 2 off the terminal: its error is raised as well."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def of_bytes(bos_id: int, eos_id: int, pad_id: int) -> tokenizers.Tokenizer:
    """A tokenizer for tests: an id a byte (0 to 255), no merges, and three special ids after them."""
    if {bos_id, eos_id, pad_id} != {256, 257, 258}:
        raise InputError(
            "",
            f"bos, eos and pad are {bos_id}, {eos_id} and {pad_id}",
            "the ids 256, 257 and 258, which follow the bytes",
        )
    names = {bos_id: "<|bos|>", eos_id: "<|eos|>", pad_id: "<|pad|>"}
    specials = [names[token] for token in sorted(names)]
    return byte_level(byte_alphabet() + specials, [], specials, GPT2)


def byte_alphabet() -> list[str]:
    """GPT-2's visible character for each byte: itself if it prints, else one from U+0100 on.

    Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py, `bytes_to_unicode`.
    """
    printing = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printing else next(others)) for byte in range(256)]


def save(inner: tokenizers.Tokenizer, special_ids: dict[str, int], folder: Path) -> None:
    """Write the two files that `Tokenizer.load` reads."""
    (folder / "tokenizer.json").write_text(inner.to_str(pretty=True) + "\n", encoding="utf-8")
    write_json(folder / "tokenizer_config.json", special_ids)


def byte_level(
    tokens: Sequence[str],
    merges: Sequence[tuple[str, ...]],
    specials: Collection[str],
    split: Sequence[pre_tokenizers.PreTokenizer],
    *,
    whole_words: bool = False,
) -> tokenizers.Tokenizer:
    """A BPE over bytes in GPT-2's alphabet, of texts cut by `split`; an id is a token's place in `tokens`.

    With `whole_words` a piece that is a token as a whole is not put together by merges.
    """
    vocabulary = {token: number for number, token in enumerate(tokens)}
    inner = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges), ignore_merges=whole_words))
    inner.pre_tokenizer = pre_tokenizers.Sequence(list(split))
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(
        [tokenizers.AddedToken(name, normalized=False, special=True) for name in specials]
    )
    return inner
