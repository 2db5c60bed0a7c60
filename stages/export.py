"""Whole weights of one checkpoint: LoRA folded into the base model, for MindSpore and for everybody else.

    python -m stages.export --adapter checkpoints/5 --out exports/5
    python -m stages.export --shards lr4_v2_ckpts --strategy strategy --step 3905_2 --out exports/lr4
    python -m stages.export --checkpoint lr4_v2_3905.ckpt --out exports/lr4

Writes model.ckpt (MindFormers' names), huggingface/ (what transformers, vLLM and llama.cpp's converter read) and
export.json (from what, and the files' sha256). Shards and checkpoints of other runs may hold the LoRA weights alone
or beside a whole model; their optimiser's states are left out. Host memory: about three times model.ckpt.
"""

import argparse
import hashlib
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from tqdm import tqdm

from stages.command import InputError, free_bytes, read_json, replacing, run, write_json
from stages.finished import check_base, check_out
from stages.model import config as configs
from stages.model import weights
from stages.model.lora import PART, fold, fold_pairs
from stages.model.quiet import framework_log
from stages.model.weights import Shape, Weights

MARK = "export.json"  # by which an earlier export is known
# What a checkpoint of MindFormers holds beside the model: the optimiser's states and where the run stood.
STATES = ("adam_m.", "adam_v.", "accu_grads.")
COUNTERS = {"global_step", "scale_sense", "loss_scale", "epoch_num", "step_num", "current_iterator_step"}


def main() -> None:
    """Fold one checkpoint into the base model and write it out."""
    args = arguments()
    check_apart(args)
    check_out(args.out, (MARK,), "an export")
    if args.adapter:
        check_base(args.base, args.adapter)
    profile = configs.profile(args.profile or configs.chosen())
    base = args.base / "model.json"
    shape = read_json(base, "the output of stage base")
    weights.check_shape(shape, str(base))
    weights.check_same(shape, weights.shape_of(profile["model"]["model_config"]), base)
    with framework_log(args.log) as user:
        folded, about = collect(args, profile, shape, user)
        write(args.out, folded, shape, args.base, about, user)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", help="of the base model; params.yaml's if not given")
    parser.add_argument("--base", type=Path, default=Path("data/base"), help="folder of the base model")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--adapter", type=Path, help="folder of a checkpoint, checkpoints/5")
    source.add_argument("--shards", type=Path, help="folder of rank_0, rank_1, ... of a tensor-parallel run")
    source.add_argument("--checkpoint", type=Path, help="a MindSpore checkpoint of MindFormers")
    parser.add_argument(
        "--strategy", type=Path, help="strategy file of the shards, or a folder of one a rank"
    )
    parser.add_argument("--step", help="of the shards, as their names end: 3905_2")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--log", type=Path, default=Path("logs/export.log"))
    args = parser.parse_args()
    if bool(args.shards) != bool(args.strategy):
        parser.error("--shards and --strategy go together")
    return args


def check_apart(args: argparse.Namespace) -> None:
    """Raise InputError for an output that would replace what is exported."""
    out = args.out.resolve()
    sources = [path.resolve() for path in (args.base, args.adapter, args.shards, args.strategy) if path]
    if any(out == path or out in path.parents or path in out.parents for path in sources):
        raise InputError(f"{args.out}: is, holds or lies in what is exported, expected a new name")


def collect(
    args: argparse.Namespace, profile: dict[str, Any], shape: Shape, user: TextIO
) -> tuple[Weights, dict[str, Any]]:
    """The whole weights with LoRA folded in, and what they were made of."""
    path = args.base / "model.ckpt"
    if args.adapter:
        about = read_json(args.adapter / "adapter.json", "the adapter of a checkpoint")
        print(f"export: {args.adapter}, step {about.get('step')}", file=user)
        folded = fold(weights.load_checkpoint(path), args.adapter)
        made_of = {"source": args.adapter.name, "step": about["step"]}
        if about["step"]:  # step 0 is the base model, which has no adapter
            made_of["adapter_sha256"] = digest(args.adapter / "adapter.ckpt")
        return folded, made_of
    if args.shards:
        from stages.model import shards

        files = shards.find(args.shards, args.step)
        print(f"export: joining {len(files)} ranks of {files[min(files)].name}", file=user)
        found = shards.join(files, args.strategy, args.out.parent / f".part-{args.out.name}-joined")
        name = files[min(files)].name
    else:
        print(f"export: reading {args.checkpoint}", file=user)
        found, name = weights.load_checkpoint(args.checkpoint), args.checkpoint.name
    place = str(args.shards or args.checkpoint)
    model, lora, left = sort(found, shape, place)
    print(
        f"export: {len(model)} weights of the model, {len(lora)} of LoRA; {left} states of the optimiser left out",
        file=user,
    )
    if model:
        weights.check(model, shape, place)
    else:
        model = weights.load_checkpoint(path)
    pet = profile["model"]["model_config"]["pet_config"]
    if lora:
        model = fold_pairs(model, lora, pet["lora_alpha"] / pet["lora_rank"], place)
    return model, {"source": name, "lora_weights": len(lora), "states_left_out": left}


def sort(found: Weights, shape: Shape, place: str) -> tuple[Weights, Weights, int]:
    """The model's weights, LoRA's, and the number of the rest; InputError for a name that is none of these."""
    expected = weights.expected(shape)
    model, lora, left = {}, {}, 0
    for name, array in found.items():
        if name in expected:
            model[name] = array
        elif name.startswith(STATES) or name in COUNTERS:
            left += 1
        elif PART.fullmatch(name):
            lora[name] = array
        else:
            raise InputError(f"{place}: {name} is unknown, expected weights of a Llama, of LoRA, or of AdamW")
    if not model and not lora:
        raise InputError(f"{place}: holds no weights, expected those of a Llama or of LoRA")
    return {name: model[name] for name in expected if name in model}, lora, left


def write(out: Path, folded: Weights, shape: Shape, base: Path, about: dict[str, Any], user: TextIO) -> None:
    """Write the folder `out`, all or nothing; the weights are of one type, the base model's."""
    from stages.model import huggingface

    size = sum(array.nbytes for array in folded.values())
    if free_bytes(out) < 2 * size:
        raise InputError(f"{out}: {free_bytes(out):,} bytes are free on its disk, expected {2 * size:,}")
    types = sorted({np.dtype(array.dtype).name for array in folded.values()})
    with replacing(out) as part, tqdm(total=4, unit="part", desc="export", file=user) as bar:
        part.mkdir()
        bar.set_postfix_str(f"model.ckpt, {size / 1e9:.2f} GB")
        weights.save_checkpoint(part / "model.ckpt", folded)
        bar.update()
        bar.set_postfix_str("huggingface")
        huggingface.write(part / "huggingface", shape, folded, base)
        bar.update()
        bar.set_postfix_str("sha256")
        files = {
            str(path.relative_to(part)): digest(path) for path in sorted(part.rglob("*")) if path.is_file()
        }
        bar.update()
        about |= {"parameters": weights.parameters(shape), "dtype": ", ".join(types), "files": files}
        write_json(part / MARK, about)
        bar.update()
    print(
        f"{out}: model.ckpt and huggingface/, {weights.parameters(shape):,} parameters as {types[0]}",
        file=user,
    )


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    run(main)
