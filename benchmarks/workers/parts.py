"""A training as a stage of any commit runs it, one step of which MindSpore's profiler looks at: seconds by kind of operator.

parts.py 6 figures.json stages.finetune --train data/profile/train.yaml ...
"""

import csv
import json
import runpy
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import median

import mindspore
from mindspore.profiler import ProfilerActivity, profile, tensorboard_trace_handler
from mindspore.train import Callback

PRODUCTS = {"MatMul": "products", "BatchMatMul": "attention"}  # all others: others


class Parts(Callback):
    """Looks at the step after so many; those before it, but for the first two, tell what a step takes."""

    def __init__(self, steps: int, figures: Path) -> None:
        super().__init__()
        self.steps, self.figures, self.ends = steps, figures, []
        folder = str(figures.with_suffix(""))
        self.look = profile(
            activities=[ProfilerActivity.CPU], on_trace_ready=tensorboard_trace_handler(folder)
        )

    def on_train_step_end(self, run_context) -> None:
        self.ends.append(time.perf_counter())
        if len(self.ends) == self.steps:
            self.look.start()
        elif len(self.ends) == self.steps + 1:
            self.look.stop()
            self.write()

    def write(self) -> None:
        ends = self.ends[1 : self.steps]
        step = median(end - start for start, end in pairwise(ends))
        seconds: defaultdict[str, float] = defaultdict(float)
        found = self.figures.with_suffix("").glob("*/FRAMEWORK/cpu_op_type_info_*.csv")
        with next(found).open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                seconds[PRODUCTS.get(row["op_type"], "others")] += float(row["total_compute_time"]) / 1000
        between = step - sum(seconds.values())
        self.figures.write_text(json.dumps({**seconds, "between": between, "step": step}), encoding="utf-8")


def main(steps: str, figures: str, module: str) -> None:
    train = mindspore.Model.train

    def watched(self, epoch, dataset, callbacks=None, **options):
        return train(self, epoch, dataset, [*callbacks, Parts(int(steps), Path(figures))], **options)

    mindspore.Model.train = watched
    sys.path.insert(0, str(Path.cwd()))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    arguments = sys.argv[1:4]
    del sys.argv[1:4]
    main(*arguments)
