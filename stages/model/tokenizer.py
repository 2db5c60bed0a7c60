"""Text to token ids and back, with the tokenizer of `data/base`: byte-level BPE, read by `tokenizers`.

No MindSpore here: the data stages use it too.
"""

import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from stages.command import InputError, read_json, write_json

CONTROL = 3  # gguf's token type of special tokens
SPECIALS = ("bos_token_id", "eos_token_id", "pad_token_id")


class Tokenizer:
    """The tokenizer of one model: `bos_id`, `eos_id`, `pad_id` and `vocab_size`, and text both ways."""

    def __init__(self, inner: tokenizers.Tokenizer, bos_id: int, eos_id: int, pad_id: int):
        inner.no_padding()
        inner.no_truncation()
        inner.encode_special_tokens = True  # "<|im_end|>" in a text is text, not the end of a turn
        self._inner = inner
        self._specials = frozenset(inner.get_added_tokens_decoder()) | {bos_id, eos_id, pad_id}
        self.bos_id = bos_id
        self.eos_id = eos_id
        self.pad_id = pad_id
        self.vocab_size: int = inner.get_vocab_size()

    @classmethod
    def load(cls, folder: Path) -> "Tokenizer":
        """The tokenizer whose two files are in `folder`."""
        config = folder / "tokenizer_config.json"
        wanted = f"a JSON object with {', '.join(SPECIALS)}"
        found = read_json(config, wanted)
        ids = [found.get(key) for key in SPECIALS]
        if not all(type(token) is int for token in ids):
            raise InputError(f"{config}: found {found}, expected {wanted}")
        path = folder / "tokenizer.json"
        read_json(path, "a file of the `tokenizers` library")
        try:
            inner = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise InputError(f"{path}: {error}, expected a file of the `tokenizers` library") from error
        return cls(inner, *ids)

    def encode(self, text: str) -> list[int]:
        """The ids of `text` in Unicode's composed form (NFC); no special id is among them."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts at once, on all cores."""
        composed = [unicodedata.normalize("NFC", text) for text in texts]
        found = self._inner.encode_batch_fast(composed, add_special_tokens=False)
        return [encoding.ids for encoding in found]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, special ids left out; bytes that are no UTF-8 come back as U+FFFD."""
        plain = [int(token) for token in ids if token not in self._specials]
        return self._inner.decode(plain, skip_special_tokens=False)


def from_gguf(fields: Any) -> tokenizers.Tokenizer:
    """The BPE of a GGUF file's `fields` whose pre-tokeniser is `smollm`: digits one by one, then bytes."""
    kind = tuple(fields[f"tokenizer.ggml.{key}"].contents() for key in ("model", "pre"))
    if kind != ("gpt2", "smollm"):
        raise InputError(f"the GGUF file's tokenizer is {kind}, expected ('gpt2', 'smollm')")
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"].contents()]
    specials = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    return _byte_level(tokens, merges, specials, digits=True)


def of_bytes(bos_id: int, eos_id: int, pad_id: int) -> tokenizers.Tokenizer:
    """A tokenizer for tests: an id a byte (0 to 255), no merges, and three special ids after them."""
    if {bos_id, eos_id, pad_id} != {256, 257, 258}:
        raise InputError(
            f"bos, eos and pad are {bos_id}, {eos_id} and {pad_id}, "
            "expected the ids 256, 257 and 258, which follow the bytes"
        )
    names = {bos_id: "<|bos|>", eos_id: "<|eos|>", pad_id: "<|pad|>"}
    specials = [names[token] for token in sorted(names)]
    return _byte_level(byte_alphabet() + specials, [], specials, digits=False)


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


def _byte_level(
    tokens: Sequence[str],
    merges: Sequence[tuple[str, ...]],
    specials: Collection[str],
    *,
    digits: bool,
) -> tokenizers.Tokenizer:
    vocabulary = {token: number for number, token in enumerate(tokens)}
    inner = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges)))
    by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    one_by_one = [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    inner.pre_tokenizer = pre_tokenizers.Sequence([*one_by_one, by_bytes])
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(
        [tokenizers.AddedToken(name, normalized=False, special=True) for name in specials]
    )
    return inner
