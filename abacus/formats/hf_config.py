"""config.json of a Hugging Face Llama: to our architecture numbers and back, and the special ids beside it."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Inner

from abacus.core.documents import read_json
from abacus.core.errors import InputError
from abacus.formats import tokenizer_config
from abacus.formats.facts import Said, agreed
from abacus.text.tokenizer import SPECIALS
from abacus.weights.architecture import Architecture, possible

# Numbers of an architecture: config.json's keys, and transformers' own defaults where it has one.
NUMBERS: dict[str, tuple[str, Any]] = {
    "hidden_size": ("hidden_size", None),
    "num_layers": ("num_hidden_layers", None),
    "num_heads": ("num_attention_heads", None),
    "n_kv_heads": ("num_key_value_heads", "num_heads"),
    "intermediate_size": ("intermediate_size", None),
    "vocab_size": ("vocab_size", None),
    "rms_norm_eps": ("rms_norm_eps", 1e-6),
    "rope_theta": ("rope_theta", 10000.0),
    "max_position_embedding": ("max_position_embeddings", 2048),
}
ROPE = ("rope_scaling", "rope_parameters")
DEFAULT_ROPE = ("rope_type", "type", "rope_theta", "partial_rotary_factor")


def architecture_of(folder: Path) -> Architecture:
    """The architecture numbers in config.json; InputError for what is not a plain Llama."""
    place = folder / "config.json"
    config = read_json(place, "the configuration of a Hugging Face model")
    _check_plain(config, place)
    config["rope_theta"] = _rope_theta(config, place)
    numbers: dict[str, Any] = {}
    for name, (key, default) in NUMBERS.items():
        value = config.get(key)
        if value is None:
            value = numbers.get(default, default)
        whole = name not in ("rms_norm_eps", "rope_theta")
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value <= 0:
            kind = "a whole number" if whole else "a number"
            raise InputError(place, f"{key} is {value!r}", f"{kind} above 0")
        numbers[name] = value
    tied = config.get("tie_word_embeddings")
    if tied is not None and not isinstance(tied, bool):
        raise InputError(place, f"tie_word_embeddings is {tied!r}", "true or false")
    found = possible(numbers | {"tie_word_embeddings": bool(tied)}, place)
    head_size = config.get("head_dim")
    if head_size not in (None, found.hidden_size / found.num_heads):
        raise InputError(
            place,
            f"head_dim is {head_size}",
            f"hidden_size / num_attention_heads ({found.hidden_size} / {found.num_heads})",
        )
    return found


def _rope_theta(config: dict[str, Any], place: Path) -> Any:
    """The base of the rotary angles, from wherever it stands; None if nowhere.

    transformers 4 reads the outer key and no other; 5 writes `rope_parameters`, and reads either mapping before it.
    """
    said = [Said(place, "rope_theta", [] if config.get("rope_theta") is None else [config["rope_theta"]])]
    for key in ROPE:
        inner = (config.get(key) or {}).get("rope_theta")
        said.append(Said(place, f"{key}.rope_theta", [] if inner is None else [inner]))
    return agreed(said)


def _check_plain(config: dict[str, Any], place: Path) -> None:
    """Raise InputError for an architecture, or an option of Llama, that MindFormers' Llama does not have."""
    classes, kind = config.get("architectures"), config.get("model_type")
    if (classes and classes != ["LlamaForCausalLM"]) or (not classes and kind != "llama"):
        found = classes or kind
        names = ", ".join(map(str, found)) if isinstance(found, list) else found
        raise InputError(place, f"its architecture is {names}", "LlamaForCausalLM")
    if kind not in (None, "llama"):
        raise InputError(place, f"model_type is {kind!r}", "'llama' as its architecture, LlamaForCausalLM")
    plain = {
        "hidden_act": ("silu",),
        "attention_bias": (False, None),
        "mlp_bias": (False, None),
        "quantization_config": (None,),
        "partial_rotary_factor": (1, None),
    }
    for key, good in plain.items():
        value = config.get(key, good[0])
        if value not in good:
            shown = value.get("quant_method", "set") if isinstance(value, dict) else value
            raise InputError(place, f"{key} is {shown!r}, which is not supported", f"{good[0]!r}")
    for key in ROPE:
        if config.get(key) is not None:
            _check_rope(config[key], key, place)


def _check_rope(rope: Any, key: str, place: Path) -> None:
    """Raise InputError for rotary positions that are scaled; a mapping without a type holds the default's keys alone."""
    if not isinstance(rope, dict):
        raise InputError(place, f"{key} is {rope!r}", "a JSON object")
    kinds = [rope[name] for name in ("rope_type", "type") if rope.get(name) is not None]
    others = [f"has {name} without a rope_type" for name in rope if name not in DEFAULT_ROPE and not kinds]
    found = [*(f"is {kind!r}" for kind in kinds if kind != "default"), *others]
    if found:
        raise InputError(
            place,
            f"{key} {found[0]} (Llama 3.1 and later have 'llama3'), which is not supported",
            "a model without scaled rotary positions",
        )
    if rope.get("partial_rotary_factor") not in (1, None):
        share = rope["partial_rotary_factor"]
        raise InputError(place, f"{key}.partial_rotary_factor is {share!r}, which is not supported", "1")


def special_ids(folder: Path, inner: Inner) -> dict[str, int | None]:
    """The ids of bos, eos and pad on which the folder's files agree; None for one that none of them names.

    Where config.json or generation_config.json has several ends, the tokenizer's is taken, or else the first.
    """
    files = {name: tokenizer_config.read(folder, name) for name in ("config.json", "generation_config.json")}
    ids: dict[str, int | None] = {}
    for key in SPECIALS:
        said = [
            Said(folder / name, key, _ids(folder / name, key, found.get(key)))
            for name, found in files.items()
        ]
        ids[key] = agreed([*said, *tokenizer_config.special(folder, key.removesuffix("_id"), inner)])
    return ids


def _ids(place: Path, key: str, value: Any) -> list[int]:
    """The ids that a file allows: none, one or several; old files have -1 for none."""
    ids = value if isinstance(value, list) else [] if value in (None, -1) else [value]
    if not all(type(number) is int and number >= 0 for number in ids):
        raise InputError(place, f"{key} is {value!r}", "a whole number, a list of them, or null")
    return ids


def config(architecture: Architecture, ids: dict[str, int], tied: bool, kind: str) -> dict[str, Any]:
    """What config.json says of a model of this `architecture` with weights of the type `kind`."""
    numbers = {key: getattr(architecture, name) for name, (key, _) in NUMBERS.items()}
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **numbers,
        "head_dim": architecture.hidden_size // architecture.num_heads,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "rope_scaling": None,
        "tie_word_embeddings": tied,
        "torch_dtype": kind,
        "use_cache": True,
        **ids,
    }
