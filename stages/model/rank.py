"""One rank of a run that `msrun` started (its scheduler is such a process too): train, and leave checkpoints.

python -m stages.model.rank .scratch/finetune/run.yaml
"""

import argparse
import os
import sys
from pathlib import Path

from stages.command import end_with_parent, run
from stages.params import read_yaml


def main() -> None:
    """Train the resolved configuration that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path, help="a resolved configuration, written by stages.finetune")
    config = read_yaml(parser.parse_args().config)
    if os.environ.get("MS_ROLE") == "MS_WORKER":  # not the scheduler, which has no rank
        output = Path(config["output_dir"])
        output.mkdir(parents=True, exist_ok=True)
        (output / f"rank_{os.environ.get('RANK_ID', '0')}.pid").write_text(str(os.getpid()))
    from stages.model import trainer

    trainer.train(config)


if __name__ == "__main__":
    end_with_parent()
    if "msrun" not in Path(f"/proc/{os.getppid()}/cmdline").read_text():
        sys.exit("error: msrun, which started this rank, is gone")
    run(main)
