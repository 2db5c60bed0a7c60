"""Run by an interpreter that has lm-evaluation-harness: what it asks, holds for right and scores, as JSON.

python harness.py asked.json said.json
"""

import json
import sys
from pathlib import Path

import lm_eval
from lm_eval.tasks import TaskManager

asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
found = lm_eval.simple_evaluate(
    model="hf",
    model_args={"pretrained": asked["base"], "dtype": "float32"},
    tasks=["abacus_math", "abacus_reading"],
    task_manager=TaskManager(include_path=asked["tasks"]),
    batch_size=1,
    device="cpu",
    bootstrap_iters=0,
    log_samples=True,
)
said = {
    name: [
        {
            "prompt": one["arguments"][0][0],
            "how": one["arguments"][0][1],
            "gold": one["target"],
            "answer": one["resps"][0][0],
            "scores": {metric: one[metric] for metric in one["metrics"]},
        }
        for one in sorted(samples, key=lambda one: one["doc_id"])
    ]
    for name, samples in found["samples"].items()
}
Path(sys.argv[2]).write_text(json.dumps({"samples": said, "results": found["results"]}), encoding="utf-8")
