"""What MindFormers' own launcher does with a YAML and its options, for where there is none: the wheel has no run_mindformer.py.

msrun ... launcher.py --config train.yaml --register_path folder --epochs 1 ... --section.key value
"""

import argparse
import os
import sys

from mindformers import MindFormerConfig, Trainer, build_context
from mindformers.tools.utils import parse_value
from mindformers.utils import set_output_path

# Its options, and where they stand in the document.
PLACES = {
    "load_checkpoint": "load_checkpoint",
    "train_dataset_dir": "train_dataset.data_loader.dataset_dir",
    "output_dir": "output_dir",
    "seed": "seed",
    "epochs": "runner_config.epochs",
    "batch_size": "runner_config.batch_size",
}


def put(document, place: str, value) -> None:
    *path, last = place.split(".")
    for key in path:
        document = document[key]
    document[last] = value


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("config", "register_path", *PLACES):
        parser.add_argument(f"--{name}", type=int if name in ("seed", "epochs", "batch_size") else str)
    args, others = parser.parse_known_args()
    os.environ["REGISTER_PATH"] = args.register_path
    sys.path.append(args.register_path)
    document = MindFormerConfig(args.config)
    for name, place in PLACES.items():
        put(document, place, getattr(args, name))
    for key, value in zip(others[::2], others[1::2], strict=True):
        put(document, key.removeprefix("--"), parse_value(value))
    set_output_path(document.output_dir)
    build_context(document)
    Trainer(document).train()


if __name__ == "__main__":
    main()
