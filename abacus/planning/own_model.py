"""A profile for a model of one's own: what its files and the recipe's rows say it should be."""

import math
from statistics import fmean
from typing import Any, NamedTuple

from tokenizers import Tokenizer as Inner

from abacus.core.errors import InputError
from abacus.data.conversation import Turn
from abacus.formats import source
from abacus.planning.sample import Sampled
from abacus.profile.template import ASCEND, CPU, LAYERWISE, TEMPLATE
from abacus.text.encode import encode
from abacus.text.prompt import Prompter
from abacus.text.tokenizer import Tokenizer
from abacus.weights.architecture import Architecture, parameters

SMALL = 10**9  # parameters
SHARED = 4  # rows of a packed sequence, as in the default profile
BATCH = 8  # rows of a step


class Measured(NamedTuple):
    """The longest and the mean row and answer, in ids, EOS and BOS included."""

    row: int
    answer: int
    mean_row: float
    mean_answer: float


def describe(name: str, own: source.Source, architecture: Architecture, device: str, rows: Sampled) -> str:
    """The text of the profile, with the reasons for what it chooses as comments."""
    inner = source.tokenizer(own)
    special, notes, adds_bos = special_ids(own, inner)
    count = parameters(architecture)
    rate, why_rate = ("1.0e-4", "the reference run's, for 8 B parameters")
    if count < SMALL:
        rate, why_rate = "1.0e-3", "ten times the 8B model's: a small model learns little at 1e-4"
    prompt = chosen_prompt(Tokenizer(inner, *special.values()), device, adds_bos, architecture, rows)
    values = {
        **architecture.model_dump(),
        **special,
        **notes,
        **prompt,
        "name": name,
        "parameters": count,
        "origin": f"{own.path.resolve().name} ({'GGUF' if own.kind == source.GGUF else 'Hugging Face'})",
        "engine": "cached" if device == "CPU" else "mindformers",
        # On a CPU minutes; on an NPU one epoch of the default recipe's 99 994 rows.
        "steps": 20 if device == "CPU" else 99_994 // BATCH,
        "rate": rate,
        "why_rate": why_rate,
        "device": (CPU + LAYERWISE * bool(prompt["packing"])) if device == "CPU" else ASCEND,
    }
    for key in ("rms_norm_eps", "rope_theta"):
        values[key] = spelled(float(getattr(architecture, key)))
    return TEMPLATE.format(**values)


def spelled(number: float) -> str:
    """A number as YAML reads it as one: 1e-05 would be a text."""
    text = repr(number)
    return text if "e" not in text or "." in text else text.replace("e", ".0e")


def special_ids(own: source.Source, inner: Inner) -> tuple[dict[str, int], dict[str, str], bool]:
    """bos, eos and pad; comments on those that the model does not name; whether its tokenizer puts bos first."""
    found = source.special_ids(own, inner)
    bos, eos, pad = (found[f"{key}_token_id"] for key in ("bos", "eos", "pad"))
    if eos is None:
        raise InputError(own.path, "names no end-of-text token", "an eos_token_id")
    starts = source.puts_bos(own, inner, bos)
    notes = {
        "why_bos": " # the model has none; not used" if bos is None else "",
        "why_pad": " # the model has none; as eos" if pad is None else "",
    }
    ids = {
        "bos_token_id": eos if bos is None else bos,
        "eos_token_id": eos,
        "pad_token_id": eos if pad is None else pad,
    }
    return ids, notes, starts


def chosen_prompt(
    tokenizer: Tokenizer, device: str, bos: bool, architecture: Architecture, rows: Sampled
) -> dict[str, Any]:
    """The keys of section `prompt` with reasons, and how many tokens an answer may take."""
    positions = architecture.max_position_embedding
    found = {name: longest(Prompter(tokenizer, name, bos), rows.turns) for name in ("bare", "vicuna")}
    bare, vicuna = found["bare"].row, found["vicuna"].row
    if vicuna - 1 > positions:
        template, why = "bare", f"bare: with vicuna's words a row is longer than {positions} positions"
    elif device == "CPU":
        template, why = (
            "bare",
            f"bare: vicuna's words would make the longest row {vicuna} ids instead of {bare}",
        )
    else:
        template, why = "vicuna", "vicuna, as the reference run"
    if found[template].row - 1 > positions:
        raise InputError(
            "",
            f"the model has {positions} positions",
            f"{found[template].row - 1} for the longest row of the recipe",
        )
    return {
        "template": template,
        "why_template": why + ("; the tokenizer puts bos first" if bos else "; the tokenizer adds no bos"),
        "bos": str(bos).lower(),  # as DVC spells it, so that it changes one line alone
        "new_tokens": rounded(found[template].answer),
        **chosen_length(found[template], device, positions, len(rows.turns)),
    }


def chosen_length(found: Measured, device: str, positions: int, count: int) -> dict[str, Any]:
    """The keys about a sequence with their reason: on a CPU several of the `count` measured rows share one, if they fit.

    Without padding, and then a layer at a time, training takes a fraction of the time and memory.
    """
    most = f"the longest of {count:,} rows measured has {found.row} ids"
    shared = rounded(max(SHARED * found.mean_row, found.row - 1))
    if device == "CPU" and shared <= positions:
        learned = min(shared, rounded(max(SHARED * found.mean_answer, found.answer)))
        return {
            "seq_length": shared,
            "packing": f", packing: {{learned: {learned}}}",
            "batch_rows": BATCH // SHARED,
            "why_length": f"{SHARED} rows of {found.mean_row:.1f} ids, {found.mean_answer:.1f} of them learned; {most}",
        }
    return {
        "seq_length": min(positions, rounded(found.row - 1)),
        "packing": "",
        "batch_rows": BATCH,
        "why_length": most,
    }


def longest(prompter: Prompter, rows: list[Turn]) -> Measured:
    """Measure rows in a template."""
    sizes = [(row.size, len(row.learned)) for row in encode(rows, prompter)]
    each = list(zip(*sizes, strict=True))
    return Measured(*map(max, each), *map(fmean, each))


def rounded(count: float) -> int:
    """A little more, for rows that were not measured, and a multiple of 8."""
    return math.ceil(count * 33 / 32 / 8) * 8
