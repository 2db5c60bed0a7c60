"""One rank of a run that `msrun` started (its scheduler is such a process too): train, and leave checkpoints.

python -m abacus.training.rank .scratch/finetune/run.yaml
"""

import argparse
import os
import sys
from pathlib import Path

from abacus.core.process import end_with_parent
from abacus.core.process import run as run_command
from abacus.core.quiet import places
from abacus.training.configuration import read_run

LOGS = Path("logs/mindformers")


def main() -> None:
    """Train the resolved configuration that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path, help="a resolved configuration, written by stages.finetune")
    run = read_run(parser.parse_args().config)
    if os.environ.get("MS_ROLE") == "MS_WORKER":  # not the scheduler, which has no rank
        run.output.mkdir(parents=True, exist_ok=True)
        (run.output / f"rank_{os.environ.get('RANK_ID', '0')}.pid").write_text(
            str(os.getpid()), encoding="utf-8"
        )
    os.environ.update(places(LOGS))  # for a rank that was started by hand, too
    from abacus.training import trainer

    trainer.train(run)


if __name__ == "__main__":
    end_with_parent()
    if "msrun" not in Path(f"/proc/{os.getppid()}/cmdline").read_text(encoding="utf-8", errors="replace"):
        sys.exit("error: msrun, which started this rank, is gone")
    run_command(main)
