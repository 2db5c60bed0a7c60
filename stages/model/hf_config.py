"""config.json of a Hugging Face Llama: to our architecture numbers and back, and the special ids beside it."""

from pathlib import Path
from typing import Any

from stages.command import InputError, read_json
from stages.model.tokenizer import SPECIALS
from stages.model.weights import Shape, check_possible

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


def shape_of(folder: Path) -> Shape:
    """The architecture numbers in config.json; InputError for what is not a plain Llama."""
    place = folder / "config.json"
    config = read_json(place, "the configuration of a Hugging Face model")
    _check_plain(config, place)
    rope = config.get("rope_parameters") or {}  # where newer releases of transformers keep it
    shape: Shape = {}
    for name, (key, default) in NUMBERS.items():
        value = config.get(key)
        if value is None:
            value = rope.get(key, shape.get(default, default))
        whole = name not in ("rms_norm_eps", "rope_theta")
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value <= 0:
            kind = "a whole number" if whole else "a number"
            raise InputError(f"{place}: {key} is {value!r}, expected {kind} above 0")
        shape[name] = value
    check_possible(shape, str(place))
    head_size = config.get("head_dim")
    if head_size not in (None, shape["hidden_size"] / shape["num_heads"]):
        raise InputError(
            f"{place}: head_dim is {head_size}, expected hidden_size / num_attention_heads "
            f"({shape['hidden_size']} / {shape['num_heads']})"
        )
    return {**shape, "tie_word_embeddings": bool(config.get("tie_word_embeddings", False))}


def _check_plain(config: dict[str, Any], place: Path) -> None:
    """Raise InputError for an architecture, or an option of Llama, that MindFormers' Llama does not have."""
    found = config.get("architectures") or [config.get("model_type")]
    if found not in (["LlamaForCausalLM"], ["llama"]):
        names = ", ".join(map(str, found)) if isinstance(found, list) else found
        raise InputError(f"{place}: its architecture is {names}, expected LlamaForCausalLM")
    plain = {
        "hidden_act": ("silu",),
        "attention_bias": (False, None),
        "mlp_bias": (False, None),
        "quantization_config": (None,),
    }
    for key, good in plain.items():
        value = config.get(key, good[0])
        if value not in good:
            shown = value.get("quant_method", "set") if isinstance(value, dict) else value
            raise InputError(f"{place}: {key} is {shown!r}, which is not supported, expected {good[0]!r}")
    for key in ("rope_scaling", "rope_parameters"):
        rope = config.get(key)
        if rope is None:
            continue
        if not isinstance(rope, dict):
            raise InputError(f"{place}: {key} is {rope!r}, expected a JSON object")
        kind = rope.get("rope_type", rope.get("type"))
        if kind != "default":
            raise InputError(
                f"{place}: {key} is {kind!r} (Llama 3.1 and later have 'llama3'), which is not supported, "
                "expected a model without scaled rotary positions"
            )


def special_ids(folder: Path, inner: Any) -> dict[str, int | None]:
    """The ids of bos, eos and pad, from config.json, generation_config.json or tokenizer_config.json.

    Where config.json has several ends, tokenizer_config.json's is taken if it is one of them, else the first.
    """
    files = {
        name: read_json(folder / name, "a JSON object") if (folder / name).is_file() else {}
        for name in ("config.json", "generation_config.json", "tokenizer_config.json")
    }
    ids: dict[str, int | None] = {}
    for key in SPECIALS:
        token = files["tokenizer_config.json"].get(key.removesuffix("_id"))
        text = token.get("content") if isinstance(token, dict) else token
        named = inner.token_to_id(text) if isinstance(text, str) else None
        found = [files[name].get(key) for name in ("config.json", "generation_config.json")]
        choice = next((value for value in found if value not in (None, -1, [])), named)
        if isinstance(choice, list):
            choice = named if named in choice else choice[0]
        ids[key] = choice if type(choice) is int else None
    return ids


def config(shape: Shape, ids: dict[str, int], tied: bool, kind: str) -> dict[str, Any]:
    """What config.json says of a model of this `shape` with weights of the type `kind`."""
    numbers = {key: shape[name] for name, (key, _) in NUMBERS.items()}
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **numbers,
        "head_dim": shape["hidden_size"] // shape["num_heads"],
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "rope_scaling": None,
        "tie_word_embeddings": tied,
        "torch_dtype": kind,
        "use_cache": True,
        **ids,
    }
