"""tokenizer_config.json, and what else lies beside a tokenizer.json: held to the tokenizer, as transformers reads both.

Read at transformers 4.57.1: `tokenization_utils_base.py` (`_from_pretrained`) and `tokenization_llama_fast.py`.
"""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Inner

from abacus.core.documents import read_json
from abacus.core.errors import InputError
from abacus.formats.facts import Said

NAME, MAP = "tokenizer_config.json", "special_tokens_map.json"
ADDED = "added_tokens_decoder"
# Classes that put bos first unless `add_bos_token` says otherwise, whatever tokenizer.json has after its tokens.
PUT_BOS = ("LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", "CodeLlamaTokenizerFast")


def read(folder: Path, name: str = NAME) -> dict[str, Any]:
    """A file of the folder; nothing if it is not there."""
    return read_json(folder / name, "a JSON object") if (folder / name).is_file() else {}


def check_added(folder: Path, inner: Inner) -> None:
    """Raise InputError for a token to which tokenizer_config.json gives another id than tokenizer.json."""
    added = read(folder).get(ADDED) or {}
    if not isinstance(added, dict):
        raise InputError(folder / NAME, f"{ADDED} is {added!r}", "a JSON object")
    for number, token in added.items():
        text = token.get("content") if isinstance(token, dict) else None
        if not isinstance(text, str) or not (number.isascii() and number.isdecimal()):
            raise InputError(
                folder / NAME, f"{ADDED}.{number} is {token!r}", "a token's number and its content"
            )
        if inner.token_to_id(text) != int(number):
            known = inner.token_to_id(text)
            expected = "a token of tokenizer.json" if known is None else f"{known} as in tokenizer.json"
            raise InputError(folder / NAME, f"{ADDED} gives {text!r} the id {number}", expected)


def special(folder: Path, key: str, inner: Inner) -> list[Said]:
    """What is said of the id of `bos_token`, `eos_token` or `pad_token`: in one file, in an old folder in two."""
    names = (NAME,) if ADDED in read(folder) else (NAME, MAP)
    return [
        Said(folder / name, key, _ids(folder / name, key, read(folder, name).get(key), inner))
        for name in names
    ]


def _ids(place: Path, key: str, token: Any, inner: Inner) -> list[int]:
    if token is None:
        return []
    text = token.get("content") if isinstance(token, dict) else token
    number = inner.token_to_id(text) if isinstance(text, str) else None
    if number is None:
        found = text if isinstance(text, str) else token
        raise InputError(place, f"{key} is {found!r}", "a token of the tokenizer")
    return [number]


def check_bos(folder: Path, starts: bool) -> None:
    """Raise InputError unless tokenizer_config.json puts bos first just if tokenizer.json does (`starts`).

    transformers 4.57.1 asks the one for Llama's classes of tokenizers and the other for the rest; the class is
    Llama's where a Llama names none.
    """
    found, model = read(folder), read(folder, "config.json")
    kind = found.get("tokenizer_class") or model.get("tokenizer_class") or (PUT_BOS[0] if model else None)
    says = found.get("add_bos_token", True if kind in PUT_BOS else None)
    if says is not None and not isinstance(says, bool):
        raise InputError(folder / NAME, f"add_bos_token is {says!r}", "true, false or null")
    if (says is None and kind not in PUT_BOS) or bool(says) == starts:
        return
    why = "" if "add_bos_token" in found else f" where it is not said, for the tokenizer is a {kind}"
    puts = "bos" if starts else "no bos"
    raise InputError(
        folder / NAME,
        f"add_bos_token is {says}{why}",
        f"{starts} as in tokenizer.json, whose post_processor puts {puts} first",
    )
