"""Greedy answers by `transformers.generate`, sorted by length, so many prompts at a time; of several goes the last counts.

python generate.py model prompts.json 32 2 figures.json
"""

import itertools
import json
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

PAD = 2


def complete(model, prompts, size):
    """Answer all prompts; how many tokens came."""
    tokens = 0
    for (most, least), some in itertools.groupby(prompts, lambda one: (one["most"], one["least"])):
        ordered = sorted((one["ids"] for one in some), key=len)
        for start in range(0, len(ordered), size):
            batch = ordered[start : start + size]
            longest = max(map(len, batch))
            ids = torch.tensor([[PAD] * (longest - len(one)) + one for one in batch])
            mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in batch])
            found = model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=most,
                min_new_tokens=least,
                pad_token_id=PAD,
            )
            tokens += (found.shape[1] - longest) * len(batch)
    return tokens


def main(folder, prompts, size, goes, figures):
    with Path(prompts).open(encoding="utf-8") as file:
        prompts = json.load(file)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for _ in range(int(goes)):
        start = time.perf_counter()
        tokens = complete(model, prompts, int(size))
        seconds = time.perf_counter() - start
    with Path(figures).open("w", encoding="utf-8") as file:
        json.dump({"tokens": tokens, "seconds": seconds}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
