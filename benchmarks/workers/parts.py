"""A training as a stage of any commit runs it, one step of which MindSpore's profiler looks at: seconds by kind of operator.

parts.py 6 figures.json stages.finetune --train data/profile/train.yaml ...
"""

import csv
import json
import runpy
import sys
from collections import defaultdict
from pathlib import Path

import mindspore
from mindspore.profiler import ProfilerActivity, profile, tensorboard_trace_handler
from mindspore.train import Callback

PRODUCTS = {"MatMul": "products", "BatchMatMul": "attention"}  # all others: others


class Parts(Callback):
    """Looks at the step after so many."""

    def __init__(self, steps: int, figures: Path) -> None:
        super().__init__()
        self.steps, self.figures, self.look = steps, figures, None

    def on_train_step_end(self, run_context) -> None:
        step = run_context.original_args().cur_step_num
        if step == self.steps:
            # It looks from now on: not only when it is told to start.
            folder = str(self.figures.with_suffix(""))
            self.look = profile(
                activities=[ProfilerActivity.CPU], on_trace_ready=tensorboard_trace_handler(folder)
            )
            self.look.start()
        elif step == self.steps + 1:
            self.look.stop()
            self.write()

    def write(self) -> None:
        seconds: defaultdict[str, float] = defaultdict(float)
        found = self.figures.with_suffix("").glob("*/FRAMEWORK/cpu_op_type_info_*.csv")
        with next(found).open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                seconds[PRODUCTS.get(row["op_type"], "others")] += float(row["total_compute_time"]) / 1000
        self.figures.write_text(json.dumps(seconds), encoding="utf-8")


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
