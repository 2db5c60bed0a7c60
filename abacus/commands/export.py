"""One checkpoint, or the data, for everybody else: whole weights, a PEFT adapter, GGUF, training rows, tasks.

    make export CHECKPOINT=5 [AS=peft|gguf] [TYPE=q8_0] [OUT=exports/5] [REPLACE=1]
    make export CHECKPOINT=lr4_v2_3905.ckpt OUT=exports/lr4 [AS=gguf]
    make export SHARDS=lr4_v2_ckpts STRATEGY=strategy STEP=3905_2 OUT=exports/lr4
    make export DATA=1 [OUT=exports/data]

Without AS: model.ckpt (MindFormers' names) and huggingface/ (what transformers, vLLM and llama.cpp's converter read),
LoRA folded in. AS=peft: the LoRA weights alone as PEFT has them, with a model card; BASE_NAME names their base model.
AS=gguf: one file for llama.cpp, LoRA folded in, matrices as TYPE (f16 or q8_0), and a Modelfile for Ollama.
DATA=1: rows and a card for `datasets`, the same LoRA run for LLaMA-Factory and axolotl, tasks for lm-evaluation-harness.
Shards and checkpoints of other runs may hold the LoRA weights alone or beside a whole model; their optimiser's
states are left out. Each folder has an export.json. Host memory: about three times model.ckpt.
"""

import argparse
import sys
from pathlib import Path
from typing import TextIO

from abacus.core.errors import InputError
from abacus.core.files import check_out
from abacus.core.quiet import framework_log
from abacus.core.typed import nearest
from abacus.formats.export import MARK, collect, write
from abacus.pipeline.lock import BASE, EXPORTS, check_base, checkpoint_folder
from abacus.pipeline.measured import measured
from abacus.profile import load
from abacus.weights.architecture import Architecture, check_same, read_architecture

FORMS = ("folded", "peft", "gguf")
TYPES = ("f16", "q8_0")
BASE_NAME = EXPORTS / "0" / "huggingface"  # where `make export CHECKPOINT=0` writes the base model


def main(args: argparse.Namespace) -> None:
    """Write one folder."""
    resolve(args)
    check_apart(args)
    check_out(args.out, (MARK,), "an export")
    if args.out.is_dir() and any(args.out.iterdir()) and not args.replace:
        raise InputError(args.out, "holds an earlier export", "a new name, or REPLACE=1")
    if args.data:
        return export_data(args)
    if args.adapter:
        check_base(args.base, args.adapter)
    profile = load.profile(args.profile or load.chosen())
    architecture = read_architecture(args.base)
    check_same(architecture, profile.llama.architecture, args.base / "model.json")
    with framework_log(args.log) as user:
        export_checkpoint(args, profile, architecture, user)


def export_checkpoint(
    args: argparse.Namespace, profile: load.Profile, architecture: Architecture, user: TextIO
) -> None:
    """A checkpoint in the form that was asked for."""
    from abacus.neighbours import folders

    if args.form == "peft":
        # Of an adapter or a base model that lies elsewhere nothing is known.
        ours = args.checkpoint and args.base.resolve() == BASE.resolve()
        found, before = (measured(int(args.checkpoint)), measured(0)) if ours else ({}, {})
        about = profile, architecture, args.base_name
        folders.adapter(args.out, args.adapter, args.base, *about, found, before)
        print(f"{args.out}: a PEFT adapter for {args.base_name}", file=user)
        if Path(args.base_name) == BASE_NAME and not BASE_NAME.is_dir():
            print("export: `make export CHECKPOINT=0` writes that base model", file=user)
        return
    folded, about = collect(args, profile.lora.lora_alpha / profile.lora.lora_rank, architecture, user)
    if args.form == "gguf":
        path = folders.gguf(args.out, folded, args.base, profile, architecture, args.type, about, user)
        print(
            f"{path}: {path.stat().st_size:,} bytes; `ollama create NAME -f {args.out}/Modelfile`", file=user
        )
    else:
        write(args.out, folded, architecture, args.base, about, user)


def export_data(args: argparse.Namespace) -> None:
    """The rows of a run, and what it asks."""
    from abacus.neighbours import data

    profile = load.profile(args.profile or load.chosen())
    found = data.write(args.out, profile, args.base, args.base_name)
    folders = ", ".join(f"{folder}/" for folder in data.FOLDERS)
    print(*found.said, sep="\n", file=sys.stderr)
    print(f"{args.out}: {len(found.turns)} rows, {len(found.problems)} problems, {folders}", file=sys.stderr)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("--profile", help="of the base model; params.yaml's if not given")
    parser.add_argument("--base", type=Path, default=BASE, help="folder of the base model")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--adapter", type=Path, help="folder of a checkpoint that lies elsewhere")
    source.add_argument("--shards", type=Path, help="folder of rank_0, rank_1, ... of a tensor-parallel run")
    source.add_argument(
        "--checkpoint", help="number of one in checkpoints/, or a MindSpore .ckpt of MindFormers"
    )
    source.add_argument(
        "--data", action="store_true", help="the training rows and the evaluation's questions"
    )
    parser.add_argument("--as", dest="form", default=FORMS[0], help=f"of a checkpoint: {', '.join(FORMS)}")
    parser.add_argument("--type", help=f"of the matrices of AS=gguf: {', '.join(TYPES)}")
    parser.add_argument("--base-name", help="of AS=peft and DATA: the base model's name or folder")
    parser.add_argument(
        "--strategy", type=Path, help="strategy file of the shards, or a folder of one a rank"
    )
    parser.add_argument("--step", help="of the shards, as their names end: 3905_2")
    parser.add_argument("--out", type=Path, help="by default exports/CHECKPOINT, with what AS and TYPE say")
    parser.add_argument("--replace", action="store_true", help="write over an earlier export")
    parser.add_argument("--log", type=Path, default=Path("logs/export.log"))


def resolve(args: argparse.Namespace) -> None:
    """Make `adapter`, `checkpoint` and `out` paths; InputError for options that do not go together."""
    check_words(args)
    if bool(args.shards) != bool(args.strategy):
        raise InputError("", "SHARDS and STRATEGY go together", "both or none")
    if args.checkpoint and args.checkpoint.isdecimal():
        args.adapter = checkpoint_folder(None, int(args.checkpoint))
        name = args.checkpoint if args.form == FORMS[0] else f"{args.checkpoint}-{args.form}"
        args.out = args.out or EXPORTS / (name if args.type in (None, TYPES[0]) else f"{name}-{args.type}")
    elif args.checkpoint:
        args.checkpoint = Path(args.checkpoint)
    if args.data:
        args.out = args.out or EXPORTS / "data"
    if args.form == "peft" and not args.adapter:
        raise InputError("", "AS=peft needs LoRA's own weights", "CHECKPOINT=number or ADAPTER=folder")
    if args.out is None:
        raise InputError("", "OUT is missing", "a folder for the export")
    args.type = args.type or TYPES[0]
    args.base_name = args.base_name or str(BASE_NAME)


def check_words(args: argparse.Namespace) -> None:
    """Raise InputError for a form or a type that there is not, and for an option that says nothing here."""
    for key, value, known in (("AS", args.form, FORMS), ("TYPE", args.type, TYPES)):
        if value not in (None, *known):
            raise InputError("", f"{key} is {value!r}", advice=nearest(value, known))
    if args.data and args.form != FORMS[0]:
        raise InputError("", f"AS={args.form} is of a checkpoint", "DATA=1 alone, or CHECKPOINT")
    if args.type and args.form != "gguf":
        raise InputError("", f"TYPE={args.type} is of AS=gguf", "AS=gguf with it")
    if args.step and not args.shards:
        raise InputError("", f"STEP={args.step} is of SHARDS", "SHARDS with it")
    if args.base_name and args.form != "peft" and not args.data:
        raise InputError("", f"BASE_NAME={args.base_name} is of AS=peft and DATA=1", "one of them with it")


def check_apart(args: argparse.Namespace) -> None:
    """Raise InputError for an output that would replace what is exported."""
    out = args.out.resolve()
    sources = [path.resolve() for path in (args.base, args.adapter, args.shards, args.strategy) if path]
    if any(out == path or out in path.parents or path in out.parents for path in sources):
        raise InputError(args.out, "is, holds or lies in what is exported", "a new name")
