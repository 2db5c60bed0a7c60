"""One rank of a prediction that `msrun` started (its scheduler is such a process too): complete its share of the prompts.

python -m abacus.inference.rank --profile data/profile --base data/base --adapter checkpoints/N
    --graphs logs/graphs .scratch/predict/N
"""

import argparse
import os
from pathlib import Path

from abacus.core import ranks
from abacus.core.quiet import places
from abacus.inference.answering import load_decoder, read_how
from abacus.inference.ranked import complete_share, read_tasks, write_share
from abacus.text.tokenizer import Tokenizer

LOGS = Path("logs/mindformers")


def main() -> None:
    """Complete this rank's share of what lies in the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("profile", "base", "adapter", "graphs"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("folder", type=Path, help="what is asked, written by stages.predict")
    to = parser.parse_args()
    if ranks.is_worker():
        ranks.leave_number(to.folder)
    os.environ.update(places(LOGS))  # for a rank that was started by hand, too
    how = read_how(to.profile)
    number = joined_ranks(how.compute.device_target)
    tasks = read_tasks(to.folder)  # not before: ranks of another host may wait for this checkpoint's turn
    # Graphs of several ranks are not those of one: MindSpore may put the number of ranks into them.
    graphs = to.graphs / f"rank_{number}_of_{how.decode.ranks}"
    decoder = load_decoder(how, to.base, to.adapter, Tokenizer.load(to.base), graphs)
    with (to.folder / f"done_{number}").open("ab", buffering=0) as done:
        found = complete_share(decoder, tasks, how.decode, number, lambda rows: done.write(b"." * rows))
    write_share(to.folder, number, found)


def joined_ranks(device: str) -> int:
    """This rank's number, once all are there; the scheduler stays in here until they have ended."""
    import mindspore
    from mindspore import communication

    mindspore.set_context(device_target=device)
    communication.init()
    return int(communication.get_rank())


if __name__ == "__main__":
    ranks.rank(main)
