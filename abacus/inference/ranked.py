"""What a checkpoint is asked, shared out to several ranks by msrun, and their answers put together again.

A completion is the same to the last bit whichever rank makes it: the cached decoder's depends on its prompt alone,
MindFormers' on its batch too, so there whole batches are shared out.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from tqdm import tqdm

from abacus.core.documents import read_json
from abacus.core.errors import InputError
from abacus.core.files import alone, replacing
from abacus.core.ranks import Ranks
from abacus.inference.answering import Decoder, How, load_decoder
from abacus.profile.model import Decode
from abacus.text.prompt import Completion, Prompt
from abacus.text.tokenizer import Tokenizer

TASKS, SHARE = "tasks.json", "share_{}.json"  # what the ranks read and leave in their folder
EXPECTED = "what the ranks of stage predict hand over"


class Task(NamedTuple):
    """What a checkpoint is asked in one go: prompts, and how many tokens a completion has at most."""

    prompts: Sequence[Prompt]
    max_new_tokens: int


class Places(NamedTuple):
    """Where ranks read and write: the profile's folder, the checkpoint, their own folder, MindSpore's words, graphs."""

    profile: Path
    base: Path
    adapter: Path
    folder: Path
    log: Path
    graphs: Path


def shares(lengths: Sequence[int], ranks: int, together: int = 1) -> list[list[int]]:
    """Share out texts of some lengths: each rank's places among them, in order; about as many tokens a rank.

    `together` neighbours stay together. The longest go first, to the rank that has the least so far.
    """
    blocks = [range(start, start + together) for start in range(0, len(lengths), together)]
    sizes = [sum(lengths[block.start : block.stop]) for block in blocks]
    owned: list[list[int]] = [[] for _ in range(ranks)]
    filled = [0] * ranks
    for number in sorted(range(len(blocks)), key=lambda number: -sizes[number]):
        least = filled.index(min(filled))
        filled[least] += sizes[number]
        owned[least] += [place for place in blocks[number] if place < len(lengths)]
    return [sorted(places) for places in owned]


def complete_share(
    decoder: Decoder, tasks: Sequence[Task], how: Decode, rank: int, progress: Callable[[int], object]
) -> list[dict[int, Completion]]:
    """Return what a rank (of how.ranks) makes of each task: completions by the places of their prompts."""
    decoder.prepare(tasks)
    found = []
    for prompts, most in tasks:
        lengths = [len(prompt.ids) + max(len(prompt.reference), most) for prompt in prompts]
        together = 1 if how.engine == "cached" else max(1, min(how.batch_size, len(prompts)))
        places = shares(lengths, how.ranks, together)[rank]
        own = [prompts[place] for place in places]
        limits = {"max_new_tokens": most, "min_new_tokens": how.min_new_tokens}
        done = decoder.complete(own, progress=progress, among=prompts, **limits) if own else []
        found.append(dict(zip(places, done, strict=True)))
    return found


def joined(parts: Sequence[Sequence[Mapping[int, Completion]]]) -> list[list[Completion]]:
    """Return each task's completions in the order of its prompts, given each rank's share of every task."""
    whole: list[list[Completion]] = []
    for of_task in zip(*parts, strict=True):
        found = {place: done for part in of_task for place, done in part.items()}
        whole.append([found[place] for place in range(len(found))])
    return whole


def complete(how: How, to: Places, tasks: Sequence[Task], screen: TextIO) -> list[list[Completion]]:
    """Return the completions of each task: by the profile's ranks, or in this process if that is one.

    InputError with a rank's own words if one fails.
    """
    name, total = f"predict {to.adapter.name}", sum(len(task.prompts) for task in tasks)
    print(f"{name}: loading the model", file=screen)
    if how.decode.ranks == 1:
        decoder = load_decoder(how, to.base, to.adapter, Tokenizer.load(to.base), to.graphs)
    with tqdm(desc=name, total=total, unit=" answers", file=screen) as bar:
        if how.decode.ranks == 1:
            return joined([complete_share(decoder, tasks, how.decode, 0, bar.update)])
        return _by_ranks(how, to, tasks, lambda done: done > bar.n and bar.update(done - bar.n))


def _by_ranks(
    how: How, to: Places, tasks: Sequence[Task], progress: Callable[[int], object]
) -> list[list[Completion]]:
    """Return the completions of each task; `progress` gets how many there are. Nothing is left of the ranks."""
    from abacus.inference import rank

    words = (*("--profile", to.profile, "--base", to.base), *("--adapter", to.adapter))
    words += ("--graphs", to.graphs, to.folder)
    ranks = Ranks(rank.__name__, words, how.decode.ranks, how.compute.launch, to.log.with_suffix(""))
    to.folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(to.folder.with_name(f"{to.folder.name}.lock")) as free:
        if free is False:
            raise InputError(to.folder, "the same checkpoint is being asked here", "its end")
        shutil.rmtree(to.folder, ignore_errors=True)  # of a run that was killed
        to.folder.mkdir(exist_ok=True)  # a rank of another host may be here first
        try:
            write_tasks(to.folder, tasks)
            ranks.run(to.log, to.folder, lambda: progress(answered(to.folder)))
            return joined([read_share(to.folder, number) for number in range(ranks.number)])
        finally:
            shutil.rmtree(to.folder, ignore_errors=True)


def write_tasks(folder: Path, tasks: Sequence[Task]) -> None:
    """Write what is asked; `read_tasks` reads it."""
    each = [[task.max_new_tokens, [[[*p.ids], [*p.reference]] for p in task.prompts]] for task in tasks]
    (folder / TASKS).write_text(json.dumps({"tasks": each}), encoding="utf-8")


def read_tasks(folder: Path) -> list[Task]:
    """What is asked."""
    each = read_json(folder / TASKS, EXPECTED)["tasks"]
    return [Task([Prompt(*both) for both in prompts], most) for most, prompts in each]


def write_share(folder: Path, rank: int, found: Sequence[Mapping[int, Completion]]) -> None:
    """Write what a rank has made, whole or not at all; `read_share` reads it."""
    each = [[[place, d.ids, d.reference_nll, d.ended] for place, d in part.items()] for part in found]
    with replacing(folder / SHARE.format(rank)) as part:
        part.write_text(json.dumps({"share": each}), encoding="utf-8")


def read_share(folder: Path, rank: int) -> list[dict[int, Completion]]:
    """What a rank has made; a number that went through JSON is the same."""
    each = read_json(folder / SHARE.format(rank), EXPECTED)["share"]
    return [{place: Completion(*done) for place, *done in part} for part in each]


def answered(folder: Path) -> int:
    """How many prompts are done: each rank's file of progress has a byte for each."""
    return sum(path.stat().st_size for path in folder.glob("done_*"))
