"""The parts that tensor-parallel ranks save, joined to whole weights by MindSpore's own strategy tools.

A strategy file says how every parameter was cut. MindFormers leaves one a rank, `ckpt_strategy_rank_R.ckpt`; without
pipeline stages each of them describes all ranks.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from abacus.core.errors import InputError
from abacus.weights.architecture import Weights
from abacus.weights.checkpoint import load_checkpoint

EXPECTED = "MindSpore's strategy file of the run (ckpt_strategy_rank_0.ckpt)"


def find(folder: Path, step: str | None = None) -> dict[int, Path]:
    """Rank and file of every `rank_R/*.ckpt` in a folder; of several files a rank, the one named `...-STEP.ckpt`."""
    files = {}
    for place in sorted(folder.glob("rank_[0-9]*")):
        found = sorted(place.glob("*.ckpt"))
        names = sorted({_step(path) for path in found})
        if step is not None:
            found = [path for path in found if _step(path) == step]
        if len(found) != 1:
            wanted = f"of the step {step!r}" if step else "of one step"
            raise InputError(place, f"holds the steps {', '.join(names) or 'none'}", f"one file {wanted}")
        files[int(place.name.removeprefix("rank_"))] = found[0]
    if not files:
        raise InputError(folder, "holds no rank_0/*.ckpt", "a folder a rank")
    return files


def join(files: Mapping[int, Path], strategy: Path, scratch: Path) -> Weights:
    """The whole weights of the ranks' `files`, cut as the file (or folder of files) `strategy` says.

    `scratch` is a folder for what MindSpore writes on the way; it is removed. Errors are InputError: a rank
    that is missing, a strategy that is none or another run's, parts that do not fit each other.
    """
    import mindspore

    steps = {rank: _step(path) for rank, path in files.items()}
    if len(set(steps.values())) > 1:
        said = ", ".join(f"rank {rank}: {step}" for rank, step in sorted(steps.items()))
        raise InputError(_folder(files), f"the ranks' files are of different steps ({said})", "one")
    path = _strategy_file(strategy, set(files))
    try:
        needed = mindspore.rank_list_for_transform(0, str(path), None)
    except Exception as error:  # which one depends on how the file is damaged
        raise InputError(path, str(_first_line(error)), EXPECTED) from error
    missing = sorted(set(needed) - set(files))
    if missing:
        raise InputError(_folder(files), f"rank {missing[0]} is missing", f"all of {sorted(needed)}")
    for rank in needed:
        load_checkpoint(files[rank])  # a damaged file is named here, not by a tool that reads all of them
    scratch.mkdir(parents=True, exist_ok=True)
    whole = scratch / "whole.ckpt"
    try:
        mindspore.transform_checkpoint_by_rank(
            0, {rank: str(files[rank]) for rank in needed}, str(whole), str(path), None
        )
        return load_checkpoint(whole)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            _folder(files),
            f"the parts do not fit the strategy {path} ({_first_line(error)})",
            "files of one run",
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _strategy_file(strategy: Path, ranks: set[int]) -> Path:
    """The strategy file to use: `strategy` itself, or rank 0's in the folder, which must have one a rank."""
    if not strategy.is_dir():
        if not strategy.is_file():
            raise InputError(strategy, "no such file", EXPECTED)
        return strategy
    found = {int(match[1]): path for path in strategy.iterdir() if (match := _RANK.search(path.name))}
    if set(found) != ranks:
        raise InputError(
            strategy, f"holds strategies of the ranks {sorted(found)}", f"those of {sorted(ranks)}"
        )
    return found[min(found)]


_RANK = re.compile(r"_rank_(\d+)\.ckpt$")


def _step(path: Path) -> str:
    """What a file's name ends with: `781_2` of llama3_8b_rank_0-781_2.ckpt."""
    return path.stem.rpartition("-")[2]


def _folder(files: Mapping[int, Path]) -> Path:
    """The folder of the ranks' folders."""
    return files[min(files)].parent.parent


def _first_line(error: Exception) -> str:
    said = [line.strip() for line in str(error).splitlines() if line.strip(" -")]
    return f"{type(error).__name__}: {said[0] if said else 'no reason given'}"
