"""Whole weights of one checkpoint: LoRA folded into the base model, for MindSpore and for everybody else.

    make export CHECKPOINT=5 [OUT=exports/5] [REPLACE=1]
    make export CHECKPOINT=lr4_v2_3905.ckpt OUT=exports/lr4
    make export SHARDS=lr4_v2_ckpts STRATEGY=strategy STEP=3905_2 OUT=exports/lr4

Writes model.ckpt (MindFormers' names), huggingface/ (what transformers, vLLM and llama.cpp's converter read) and
export.json (from what, and the files' sha256). Shards and checkpoints of other runs may hold the LoRA weights alone
or beside a whole model; their optimiser's states are left out. Host memory: about three times model.ckpt.
"""

import argparse
from pathlib import Path

from abacus.core.errors import InputError
from abacus.core.files import check_out
from abacus.core.quiet import framework_log
from abacus.formats.export import MARK, collect, write
from abacus.pipeline.lock import EXPORTS, check_base, checkpoint_folder
from abacus.profile import load
from abacus.weights.architecture import check_same, read_architecture


def main(args: argparse.Namespace) -> None:
    """Fold one checkpoint into the base model and write it out."""
    resolve(args)
    check_apart(args)
    check_out(args.out, (MARK,), "an export")
    if args.out.is_dir() and any(args.out.iterdir()) and not args.replace:
        raise InputError(args.out, "holds an earlier export", "a new name, or REPLACE=1")
    if args.adapter:
        check_base(args.base, args.adapter)
    profile = load.profile(args.profile or load.chosen())
    architecture = read_architecture(args.base)
    check_same(architecture, profile.llama.architecture, args.base / "model.json")
    with framework_log(args.log) as user:
        folded, about = collect(args, profile.lora.lora_alpha / profile.lora.lora_rank, architecture, user)
        write(args.out, folded, architecture, args.base, about, user)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--profile", help="of the base model; params.yaml's if not given")
    parser.add_argument("--base", type=Path, default=Path("data/base"), help="folder of the base model")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--adapter", type=Path, help="folder of a checkpoint that lies elsewhere")
    source.add_argument("--shards", type=Path, help="folder of rank_0, rank_1, ... of a tensor-parallel run")
    source.add_argument(
        "--checkpoint", help="number of one in checkpoints/, or a MindSpore .ckpt of MindFormers"
    )
    parser.add_argument(
        "--strategy", type=Path, help="strategy file of the shards, or a folder of one a rank"
    )
    parser.add_argument("--step", help="of the shards, as their names end: 3905_2")
    parser.add_argument("--out", type=Path, help="by default exports/CHECKPOINT")
    parser.add_argument("--replace", action="store_true", help="write over an earlier export")
    parser.add_argument("--log", type=Path, default=Path("logs/export.log"))


def resolve(args: argparse.Namespace) -> None:
    """Make `adapter`, `checkpoint` and `out` paths; InputError for options that do not go together."""
    if bool(args.shards) != bool(args.strategy):
        raise InputError("", "SHARDS and STRATEGY go together", "both or none")
    if args.checkpoint and args.checkpoint.isdecimal():
        args.adapter, args.out = (
            checkpoint_folder(None, int(args.checkpoint)),
            args.out or EXPORTS / args.checkpoint,
        )
        args.checkpoint = None
    elif args.checkpoint:
        args.checkpoint = Path(args.checkpoint)
    if args.out is None:
        raise InputError("", "OUT is missing", "a folder for the export")


def check_apart(args: argparse.Namespace) -> None:
    """Raise InputError for an output that would replace what is exported."""
    out = args.out.resolve()
    sources = [path.resolve() for path in (args.base, args.adapter, args.shards, args.strategy) if path]
    if any(out == path or out in path.parents or path in out.parents for path in sources):
        raise InputError(args.out, "is, holds or lies in what is exported", "a new name")
