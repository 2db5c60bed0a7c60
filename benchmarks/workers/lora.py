"""LoRA of rank 8 on q and v by `transformers` and `peft`, padded to the longest row of a batch; a line a step.

python lora.py model rows.json steps float32
"""

import contextlib
import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

BATCH, PAD, IGNORED = 8, 2, -100


def padded(rows):
    """A batch of rows as tensors."""
    longest = max(len(row["input_ids"]) for row in rows)

    def filled(key, value):
        return torch.tensor([row[key] + [value] * (longest - len(row[key])) for row in rows])

    mask = [[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in rows]
    return {
        "input_ids": filled("input_ids", PAD),
        "labels": filled("labels", IGNORED),
        "attention_mask": torch.tensor(mask),
    }


def main(folder, rows, steps, kind):
    torch.manual_seed(42)
    with Path(rows).open(encoding="utf-8") as file:
        rows = json.load(file)
    lora = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.2, target_modules=["q_proj", "v_proj"])
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), lora).train()
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    adam = torch.optim.AdamW(learned, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.0)
    half = kind == "bfloat16"
    with Path(steps).open("w", encoding="utf-8", buffering=1) as log:
        for start in range(0, len(rows), BATCH):
            batch = padded(rows[start : start + BATCH])
            with torch.autocast("cpu", dtype=torch.bfloat16) if half else contextlib.nullcontext():
                loss = model(**batch, use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learned, 1.0)
            adam.step()
            adam.zero_grad()
            log.write(f"{loss.item()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
