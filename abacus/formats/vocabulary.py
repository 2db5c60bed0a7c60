"""Tokenizers made from what a model comes with: a GGUF file, Llama 3's tokenizer.model, a tokenizer.json."""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors

from abacus.core.errors import InputError
from abacus.text.tokenizer import GPT2, byte_alphabet, byte_level, from_json

# GGUF's token types.
NORMAL, UNKNOWN, CONTROL, OWN = 1, 2, 3, 4

# How Llama 3 cuts a text into words: the pattern of its reference implementation, which is tiktoken's cl100k_base
# (https://github.com/meta-llama/llama-models/blob/main/models/llama3/tokenizer.py).
LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = (
    pre_tokenizers.Split(Regex(LLAMA3_WORDS), behavior="isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
)
SMOLLM = (pre_tokenizers.Digits(individual_digits=True), *GPT2)
LLAMA3_SPECIALS = {
    0: "begin_of_text",
    1: "end_of_text",
    6: "start_header_id",
    7: "end_header_id",
    9: "eot_id",
}
LLAMA3_SPECIAL = 256  # special tokens, most of them reserved

# GGUF's `tokenizer.ggml.pre`, and whether whole words go before merges.
LLAMA3_PRE = "llama-bpe"
PRE = {"smollm": (SMOLLM, False), LLAMA3_PRE: (LLAMA3, True), "gpt-2": (GPT2, False)}


def read(path: Path) -> tokenizers.Tokenizer:
    """The tokenizer in a file: tokenizer.json, a GGUF file, or Llama 3's tokenizer.model."""
    if path.suffix == ".json":
        return from_json(path)
    if path.suffix == ".gguf":
        from abacus.formats import gguf

        return from_gguf(gguf.fields(gguf.reader(path)), path.name)
    return from_tiktoken(path)


def from_tiktoken(path: Path) -> tokenizers.Tokenizer:
    """The tokenizer of Llama 3's tokenizer.model: a line a token, its bytes in base64 and its rank.

    After the tokens come 256 special ones; the names are those of Llama 3, 8B.
    """
    ranks = {}
    try:
        for number, line in enumerate(path.read_bytes().splitlines()):
            text, rank = line.split()
            ranks[base64.b64decode(text, validate=True)] = int(rank)
            if int(rank) != number:
                raise ValueError
    except (ValueError, binascii.Error):
        raise InputError(
            f"{path.name}, line {number + 1}", f"expected a token in base64 and its rank, {number}"
        ) from None
    alphabet = byte_alphabet()
    specials, reserved = [], 0
    for number in range(LLAMA3_SPECIAL):
        if number not in LLAMA3_SPECIALS:
            specials.append(f"<|reserved_special_token_{reserved}|>")
            reserved += 1
        else:
            specials.append(f"<|{LLAMA3_SPECIALS[number]}|>")
    tokens = ["".join(alphabet[byte] for byte in token) for token in ranks]
    merges = [
        tuple("".join(alphabet[byte] for byte in part) for part in pair)
        for token in ranks
        for pair in halves(token, ranks)
    ]
    inner = byte_level(tokens + specials, merges, specials, LLAMA3, whole_words=True)
    start_with(inner, specials[0])
    return inner


def halves(token: bytes, ranks: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    """Every pair of tokens that make up `token`, in the order of their ranks.

    tiktoken joins the neighbours whose union has the lowest rank, whatever the parts are; so each pair is a
    merge of its own, and all pairs of a token stand together.
    """
    pairs = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
    known = [pair for pair in pairs if pair[0] in ranks and pair[1] in ranks]
    return sorted(known, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))


def start_with(inner: tokenizers.Tokenizer, token: str) -> None:
    """Let others who encode with special tokens (transformers does) get `token` before a text."""
    inner.post_processor = processors.TemplateProcessing(
        single=f"{token} $A",
        pair=f"{token} $A {token}:1 $B:1",
        special_tokens=[(token, inner.token_to_id(token))],
    )


def from_gguf(fields: dict[str, Any], place: str) -> tokenizers.Tokenizer:
    """The tokenizer among the `fields` of a GGUF file: byte-level BPE, or the BPE of SentencePiece."""
    found = {key: fields.get(f"tokenizer.ggml.{key}") for key in ("model", "pre", "tokens", "token_type")}
    tokens, types = found["tokens"], found["token_type"]
    if not are(str, tokens) or not are(int, types) or len(tokens) != len(types):
        raise InputError(place, "it has no list of tokens and their types", "a tokenizer in the file")
    if len(set(tokens)) != len(tokens):
        raise InputError(place, "a token of its tokenizer is there twice", "each once")
    specials = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    if found["model"] == "llama":
        inner = _sentencepiece(fields, tokens, types.index(UNKNOWN) if UNKNOWN in types else None, place)
        inner.add_special_tokens(_added(specials, special=True))
    elif found["model"] == "gpt2" and found["pre"] in PRE:
        split, whole_words = PRE[found["pre"]]
        inner = byte_level(tokens, _merges(fields, tokens, place), specials, split, whole_words=whole_words)
    else:
        kinds = ", ".join(f"gpt2 with {pre!r}" for pre in PRE)
        raise InputError(
            place,
            f"its tokenizer is {found['model']!r} with {found['pre']!r}",
            f"one of: {kinds}, llama",
            "or the model's tokenizer.json beside the file",
        )
    inner.add_tokens(_added([t for t, kind in zip(tokens, types, strict=True) if kind == OWN], special=False))
    bos = fields.get("tokenizer.ggml.bos_token_id")
    # llama.cpp starts a text of SentencePiece and of Llama 3 with BOS unless the file says otherwise.
    usual = found["model"] == "llama" or found["pre"] == LLAMA3_PRE
    if fields.get("tokenizer.ggml.add_bos_token", usual) and isinstance(bos, int):
        if not 0 <= bos < len(tokens):
            raise InputError(place, f"bos_token_id is {bos}", f"one of its {len(tokens)} tokens")
        start_with(inner, tokens[bos])
    return inner


def check_same(inner: tokenizers.Tokenizer, beside: Path, fields: dict[str, Any], place: str) -> None:
    """Raise InputError unless the tokenizer `beside` a GGUF file has the tokens that are in the file, if any are.

    Only plain ones are compared: llama.cpp's converter writes some of the added ones otherwise, and pads the list.
    """
    tokens, types = fields.get("tokenizer.ggml.tokens"), fields.get("tokenizer.ggml.token_type")
    if not are(str, tokens) or not are(int, types):
        return
    for number, (token, kind) in enumerate(zip(tokens, types, strict=False)):
        if kind == NORMAL and inner.id_to_token(number) != token:
            found = inner.id_to_token(number)
            raise InputError(beside, f"its token {number} is {found!r}", f"{token!r} as in {place}")


def are(kind: type, values: Any) -> bool:
    """Whether a field is a list of such values."""
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _merges(fields: dict[str, Any], tokens: list[str], place: str) -> list[tuple[str, ...]]:
    merges, known = fields.get("tokenizer.ggml.merges"), set(tokens)
    pairs = [tuple(pair.split(" ")) for pair in merges] if are(str, merges) else []
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise InputError(place, "its tokenizer has no merges of two tokens each", "a BPE")
    for pair in pairs:
        if not {*pair, "".join(pair)} <= known:
            raise InputError(place, f"its tokenizer merges {' and '.join(pair)}", "tokens that it has")
    return pairs


def _added(names: Sequence[str], *, special: bool) -> list[tokenizers.AddedToken]:
    return [tokenizers.AddedToken(name, normalized=False, special=special) for name in names]


def _sentencepiece(
    fields: dict[str, Any], tokens: list[str], unknown: int | None, place: str
) -> tokenizers.Tokenizer:
    """A BPE whose merges follow from the tokens' scores, with the byte tokens for what is not in it."""
    scores = fields.get("tokenizer.ggml.scores")
    if not are(float, scores) or len(scores) != len(tokens) or unknown is None:
        raise InputError(place, "its tokenizer has no scores or no unknown token", "SentencePiece's")
    score = dict(zip(tokens, scores, strict=True))
    merges = []
    for token in tokens:
        pairs = ((token[:cut], token[cut:]) for cut in range(1, len(token)))
        merges += [(score[token], pair) for pair in pairs if pair[0] in score and pair[1] in score]
    merges.sort(key=lambda merge: -merge[0])  # the best first; those of one token stay together
    numbers = {token: number for number, token in enumerate(tokens)}
    inner = tokenizers.Tokenizer(
        models.BPE(
            vocab=numbers,
            merges=[pair for _, pair in merges],
            unk_token=tokens[unknown],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    prefix = bool(fields.get("tokenizer.ggml.add_space_prefix", True))
    inner.normalizer = normalizers.Sequence(
        [*([normalizers.Prepend("▁")] if prefix else []), normalizers.Replace(" ", "▁")]
    )
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    return inner
