"""Whole weights of a checkpoint, LoRA folded in, written for MindSpore and for Hugging Face."""

import argparse
import hashlib
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from tqdm import tqdm

from abacus.core.documents import read_json, write_json
from abacus.core.errors import InputError
from abacus.core.files import check_room, replacing
from abacus.weights.architecture import Architecture, Weights, check, expected, parameters
from abacus.weights.checkpoint import load_checkpoint, save_checkpoint
from abacus.weights.lora import PART, fold, fold_pairs

MARK = "export.json"  # by which an earlier export is known
# What a checkpoint of MindFormers holds beside the model: the optimiser's states and where the run stood.
STATES = ("adam_m.", "adam_v.", "accu_grads.")
COUNTERS = {"global_step", "scale_sense", "loss_scale", "epoch_num", "step_num", "current_iterator_step"}


def collect(
    args: argparse.Namespace, lora_scale: float, architecture: Architecture, user: TextIO
) -> tuple[Weights, dict[str, Any]]:
    """The whole weights with LoRA folded in, and what they were made of.

    `lora_scale` (alpha / rank) is for LoRA weights of other runs; an adapter of ours knows its own.
    """
    path = args.base / "model.ckpt"
    if args.adapter:
        about = read_json(args.adapter / "adapter.json", "the adapter of a checkpoint")
        print(f"export: {args.adapter}, step {about.get('step')}", file=user)
        folded = fold(load_checkpoint(path), args.adapter)
        made_of = {"source": args.adapter.name, "step": about["step"]}
        if about["step"]:  # step 0 is the base model, which has no adapter
            made_of["adapter_sha256"] = digest(args.adapter / "adapter.ckpt")
        return folded, made_of
    if args.shards:
        from abacus.training import shards

        files = shards.find(args.shards, args.step)
        print(f"export: joining {len(files)} ranks of {files[min(files)].name}", file=user)
        found = shards.join(files, args.strategy, args.out.parent / f".part-{args.out.name}-joined")
        name = files[min(files)].name
    else:
        print(f"export: reading {args.checkpoint}", file=user)
        found, name = load_checkpoint(args.checkpoint), args.checkpoint.name
    place = str(args.shards or args.checkpoint)
    model, lora, left = sort(found, architecture, place)
    print(
        f"export: {len(model)} weights of the model, {len(lora)} of LoRA; {left} states of the optimiser left out",
        file=user,
    )
    if model:
        check(model, architecture, place)
    else:
        model = load_checkpoint(path)
    if lora:
        model = fold_pairs(model, lora, lora_scale, place)
    return model, {"source": name, "lora_weights": len(lora), "states_left_out": left}


def sort(found: Weights, architecture: Architecture, place: str) -> tuple[Weights, Weights, int]:
    """The model's weights, LoRA's, and the number of the rest; InputError for a name that is none of these."""
    known = expected(architecture)
    model, lora, left = {}, {}, 0
    for name, array in found.items():
        if name in known:
            model[name] = array
        elif name.startswith(STATES) or name in COUNTERS:
            left += 1
        elif PART.fullmatch(name):
            lora[name] = array
        else:
            raise InputError(place, f"{name} is unknown", "weights of a Llama, of LoRA, or of AdamW")
    if not model and not lora:
        raise InputError(place, "holds no weights", "those of a Llama or of LoRA")
    return {name: model[name] for name in known if name in model}, lora, left


def write(
    out: Path, folded: Weights, architecture: Architecture, base: Path, about: dict[str, Any], user: TextIO
) -> None:
    """Write the folder `out`, all or nothing; the weights are of one type, the base model's."""
    from abacus.formats import huggingface

    size = sum(array.nbytes for array in folded.values())
    check_room(out, 2 * size)
    types = sorted({np.dtype(array.dtype).name for array in folded.values()})
    with replacing(out) as part, tqdm(total=4, unit="part", desc="export", file=user) as bar:
        part.mkdir()
        bar.set_postfix_str(f"model.ckpt, {size / 1e9:.2f} GB")
        save_checkpoint(part / "model.ckpt", folded)
        bar.update()
        bar.set_postfix_str("huggingface")
        huggingface.write(part / "huggingface", architecture, folded, base)
        bar.update()
        bar.set_postfix_str("sha256")
        files = {
            str(path.relative_to(part)): digest(path) for path in sorted(part.rglob("*")) if path.is_file()
        }
        bar.update()
        about |= {"parameters": parameters(architecture), "dtype": ", ".join(types), "files": files}
        write_json(part / MARK, about)
        bar.update()
    print(
        f"{out}: model.ckpt and huggingface/, {parameters(architecture):,} parameters as {types[0]}",
        file=user,
    )


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
