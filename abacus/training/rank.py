"""One rank of a run that `msrun` started (its scheduler is such a process too): train, and leave checkpoints.

python -m abacus.training.rank .scratch/finetune/run.yaml
"""

import argparse
import os
from pathlib import Path

from abacus.core import ranks
from abacus.core.quiet import places
from abacus.training.configuration import read_run

LOGS = Path("logs/mindformers")


def main() -> None:
    """Train the resolved configuration that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path, help="a resolved configuration, written by stages.finetune")
    run = read_run(parser.parse_args().config)
    if ranks.is_worker():
        ranks.leave_number(run.output)
    os.environ.update(places(LOGS))  # for a rank that was started by hand, too
    from abacus.training import trainer

    trainer.train(run)


if __name__ == "__main__":
    ranks.rank(main)
