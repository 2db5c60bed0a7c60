"""Run by an interpreter that has torch, transformers, peft and datasets: what these make of our exports, as JSON.

python peers.py asked.json said.json
"""

import json
import sys
from pathlib import Path

import torch
from datasets import load_dataset
from huggingface_hub import DatasetCard, ModelCard
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
base, adapter, data = (Path(asked[name]) for name in ("base", "adapter", "data"))
ids = torch.tensor([asked["ids"]])
said = {}
with torch.no_grad():
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    said["plain"] = model(ids).logits[0].tolist()
    over = PeftModel.from_pretrained(model, adapter).eval()
    said["logits"] = over(ids).logits[0].tolist()
    said["trained"] = sorted(name for name, _ in over.named_parameters() if "lora_" in name)
    alone = AutoPeftModelForCausalLM.from_pretrained(adapter, dtype=torch.float32).eval()
    said["alone"] = alone(ids).logits[0].tolist()
tokenizer = AutoTokenizer.from_pretrained(base)


def encoded(text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


# As LLaMA-Factory's template `empty` and axolotl's `input_output` encode a row: each part by itself.
rows = json.loads((data / "llama-factory/abacus.json").read_text(encoding="utf-8"))
said["factory"] = [[encoded(turn["value"]) for turn in row["conversations"]] for row in rows]
rows = load_dataset("json", data_files=str(data / "axolotl/abacus.jsonl"), split="train")
said["axolotl"] = [[encoded(one["text"]) for one in row["segments"]] for row in rows]
said["labels"] = [[one["label"] for one in row["segments"]] for row in rows]
found = load_dataset(str(data))
said["datasets"] = {split: [[row["problem"], row["solution"]] for row in found[split]] for split in found}
said["features"] = {split: str(found[split].features) for split in found}
card = ModelCard.load(adapter / "README.md")
said["card"] = {"library": card.data.library_name, "language": card.data.language}
said["results"] = [
    [one.dataset_type, one.metric_type, one.metric_value] for one in card.data.eval_results or []
]
said["data"] = DatasetCard.load(data / "README.md").data.to_dict()
Path(sys.argv[2]).write_text(json.dumps(said), encoding="utf-8")
