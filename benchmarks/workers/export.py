"""The base model as a Hugging Face directory, with an adapter folded in or, for `-`, without.

python export.py data/base checkpoints/5 folder
"""

import sys
from pathlib import Path

from abacus.formats import huggingface
from abacus.weights.architecture import read_architecture
from abacus.weights.checkpoint import load_checkpoint
from abacus.weights.lora import fold


def main(base: str, adapter: str, out: str) -> None:
    weights = load_checkpoint(Path(base) / "model.ckpt")
    folded = weights if adapter == "-" else fold(weights, Path(adapter))
    huggingface.write(Path(out), read_architecture(Path(base)), folded, Path(base))


if __name__ == "__main__":
    main(*sys.argv[1:])
