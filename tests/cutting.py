"""What tests of shards share: strategy files of tensor-parallel runs, and weights cut by MindSpore along them.

Semi-automatic parallel does not run on a CPU, so the files are made here, of MindSpore's own protobuf classes and with
the cuts that MindFormers' Llama asks for (`shard` of its attention, feed-forward and LoRA layers).
"""

import re
from pathlib import Path

import mindspore
from mindspore.train import node_strategy_pb2 as pb

from abacus.weights.architecture import Weights
from abacus.weights.checkpoint import save_checkpoint

# Name and the dimension that tensor parallel cuts; what is not here is whole on every rank.
CUTS = {
    r".*\.(wq|wk|wv|w1|w3)\.weight": 0,
    r".*\.(wo|w2)\.weight": 1,
    r".*\.(wq|wv)\.mindpet_delta_lora_b": 0,
    r"lm_head\.weight": 0,  # with vocab_emb_dp: False
}


def cut_dimension(name: str) -> int | None:
    return next((dim for pattern, dim in CUTS.items() if re.fullmatch(pattern, name)), None)


def write_strategies(folder: Path, weights: Weights, data: int, tensor: int) -> None:
    """A file a rank, of a run with `data` x `tensor` ranks."""
    run = pb.ParallelStrategyMap(current_stage=0)
    item = run.parallel_strategy_item.add(node_name="MatMul-op0")
    item.parallel_strategys.stage = 0
    for name, array in weights.items():
        layouts = run.parallel_layout_item.add(param_name=name).parallel_layouts
        layouts.dev_matrix.add(dim=[data, tensor])
        at = cut_dimension(name)
        if at is not None and array.shape[at] % tensor:
            at = None  # as MindFormers does where a vocabulary cannot be divided
        layouts.tensor_map.add(dim=[0 if dim == at else -1 for dim in range(array.ndim)])
        layouts.param_split_shape.add()
        layouts.indices_offset.add()
        layouts.field, layouts.opt_weight_shard_step, layouts.opt_weight_shard_size = 0, 0, 0
    folder.mkdir(parents=True)
    for rank in range(data * tensor):
        (folder / f"ckpt_strategy_rank_{rank}.ckpt").write_bytes(run.SerializeToString())


def cut(weights: Weights, strategy: Path, folder: Path, name: str) -> dict[int, Path]:
    """Rank and file of the parts of `weights`, written by MindSpore as folder/rank_R/`name` (with R in it)."""
    whole = folder / "whole" / "rank_0"
    whole.mkdir(parents=True)
    save_checkpoint(whole / "whole.ckpt", weights)
    parts = folder / "parts"
    mindspore.transform_checkpoints(
        str(whole.parent), str(parts), "part", None, str(strategy / "ckpt_strategy_rank_0.ckpt")
    )
    files = {}
    for place in parts.iterdir():
        rank = int(place.name.removeprefix("rank_"))
        target = folder / f"rank_{rank}" / name.format(rank=rank)
        target.parent.mkdir(exist_ok=True)
        files[rank] = next(place.glob("*.ckpt")).rename(target)
    return files
