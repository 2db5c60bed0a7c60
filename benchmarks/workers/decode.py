"""Greedy answers by the project's decoder, so many prompts at a time; of several goes the last counts.

python decode.py data/base checkpoints/5 prompts.json 32 2 figures.json
"""

import json
import sys
import time
from pathlib import Path

from abacus.core.documents import write_json
from abacus.core.quiet import framework_log
from abacus.text.prompt import Prompt
from abacus.text.tokenizer import Tokenizer
from abacus.weights.architecture import read_architecture


def main(base: str, adapter: str, prompts: str, size: str, goes: str, figures: str) -> None:
    with framework_log(Path("decode.log")):
        from abacus.inference.cached import CachedDecoder
        from abacus.weights.checkpoint import load_checkpoint
        from abacus.weights.lora import fold

        weights = fold(load_checkpoint(Path(base) / "model.ckpt"), Path(adapter))
        asked = json.loads(Path(prompts).read_text(encoding="utf-8"))
        tokenizer = Tokenizer.load(Path(base))
        architecture = read_architecture(Path(base))
        decoder = CachedDecoder(weights, architecture, eos_id=tokenizer.eos_id, batch_size=int(size))
        texts = [Prompt(one["ids"]) for one in asked]
        new = asked[0]["most"]
        for _ in range(int(goes)):
            start = time.perf_counter()
            found = decoder.complete(texts, max_new_tokens=new, min_new_tokens=new)
            seconds = time.perf_counter() - start
    write_json(Path(figures), {"tokens": sum(len(one.ids) for one in found), "seconds": seconds})


if __name__ == "__main__":
    main(*sys.argv[1:])
