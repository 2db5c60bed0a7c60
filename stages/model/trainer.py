"""Fine-tuning by MindFormers' Trainer: one run of a resolved configuration, seen step by step.

Importing this module imports MindFormers: do it within `quiet.framework_log`.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import mindspore
import numpy as np
from mindformers import MindFormerConfig, Trainer, build_context
from mindformers.core.callback import CheckpointMonitor
from mindformers.tools.register import MindFormerModuleType, MindFormerRegister
from mindformers.tools.utils import get_real_rank
from mindspore.dataset import MindDataset
from mindspore.train import Callback
from tqdm import tqdm

import stages.model.portable  # noqa: F401  registers the wrapper that profiles name
from stages.command import InputError

FIELDS = ("input_ids", "labels")
ROWS_READ = 1000  # of a MindRecord, to see that it fits the model


class Step(NamedTuple):
    """One step of training, counted from 1, and the learning rate that it used."""

    step: int
    loss: float
    learning_rate: float


class StepRecorder(Callback):
    """Records every step, shows progress on the user's terminal and ends the run after `steps` steps.

    Not named in the YAML like other callbacks because it holds the terminal.
    """

    def __init__(self, steps: int, user: TextIO) -> None:
        super().__init__()
        self.steps, self.user, self.history = steps, user, []
        self.bar: tqdm | None = None
        self.started = 0.0

    def on_train_begin(self, run_context) -> None:
        """Say what the user waits for."""
        self.started = time.monotonic()
        print("step 1: compiling the training graph (a minute or so, once)", file=self.user)

    def on_train_step_end(self, run_context) -> None:
        """Record the step; InputError if its loss is not a finite number."""
        loss, overflow, _, rate, *_ = run_context.original_args().net_outputs
        # The shortest decimals that give the float32 back: the same file for the same run.
        done = Step(len(self.history) + 1, *(float(str(t.asnumpy().reshape(-1)[0])) for t in (loss, rate)))
        self.history.append(done)
        if not math.isfinite(done.loss):
            raise InputError(
                f"step {done.step} of {self.steps}: the loss is {done.loss}, expected a finite number; "
                "a smaller lr_schedule.learning_rate in the profile may help"
            )
        self._show(done, bool(overflow.asnumpy().any()))
        if done.step >= self.steps:
            run_context.request_stop()

    def on_train_end(self, run_context) -> None:
        """Leave the last line of progress standing."""
        if self.bar is not None:
            self.bar.close()

    def _show(self, done: Step, overflow: bool) -> None:
        if self.bar is None:
            print(
                f"step 1: loss {done.loss:.4f}, after {time.monotonic() - self.started:.0f} s",
                file=self.user,
            )
            # From here on, so that the time left does not count compiling again.
            quick = self.user.isatty()
            self.bar = tqdm(
                total=self.steps,
                initial=1,
                unit="step",
                file=self.user,
                desc="finetune",
                mininterval=0.2 if quick else 30,
            )
        else:
            self.bar.set_postfix_str(f"loss {done.loss:.4f}, rate {done.learning_rate:.2e}", refresh=False)
            self.bar.update()
        if overflow:
            self.bar.write(f"step {done.step}: a gradient is not finite, no update", file=self.user)


@MindFormerRegister.register(MindFormerModuleType.CALLBACK)
class AdapterMonitor(CheckpointMonitor):
    """CheckpointMonitor whose resumable checkpoint leaves out the frozen weights, which the base has."""

    def remove_redundancy(self, network, cur_file, append_dict, train_network):
        """Save to `cur_file`: the hook through which CheckpointMonitor writes all its files."""
        if isinstance(network, list):  # the trainable weights alone
            super().remove_redundancy(network, cur_file, append_dict, train_network)
            return
        model = network.network.parameters_and_names()
        frozen = {parameter.name for _, parameter in model if not parameter.requires_grad}
        mindspore.save_checkpoint(
            network,
            cur_file,
            integrated_save=False,  # with tensor parallel every rank keeps its own part
            append_dict=append_dict,
            choice_func=lambda name: name not in frozen,
        )


def count_rows(mindrecord: Path, seq_length: int, vocab_size: int) -> int:
    """Number of rows in `mindrecord`; InputError if they do not fit the model."""
    try:
        rows = MindDataset(str(mindrecord), shuffle=False)
        count, columns = rows.get_dataset_size(), rows.get_col_names()
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{mindrecord}: not a MindRecord file with its .db: {reason}") from error
    if sorted(columns) != sorted(FIELDS):
        raise InputError(f"{mindrecord}: fields {', '.join(columns)}, expected {' and '.join(FIELDS)}")
    for number, row in enumerate(_read(rows, mindrecord), 1):
        for field in FIELDS:
            _check_field(row[field], f"{mindrecord}, row {number}: {field}", seq_length)
        if not 0 <= row["input_ids"].min() <= row["input_ids"].max() < vocab_size:
            largest = row["input_ids"].max()
            raise InputError(
                f"{mindrecord}, row {number}: input_ids up to {largest}, expected less than the "
                f"model's vocab_size {vocab_size}"
            )
        if number == ROWS_READ:
            break
    return count


def _read(rows: MindDataset, mindrecord: Path) -> Iterator[dict[str, np.ndarray]]:
    try:
        yield from rows.create_dict_iterator(num_epochs=1, output_numpy=True)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{mindrecord}: damaged, its rows cannot be read: {reason}") from error


def _check_field(values: np.ndarray, place: str, seq_length: int) -> None:
    if values.shape != (seq_length + 1,) or values.dtype != np.int32:
        raise InputError(
            f"{place} is {values.dtype} of shape {values.shape}, expected int32 of shape "
            f"({seq_length + 1},): the profile's abacus.prompt.seq_length + 1"
        )


def train(config: dict[str, Any], user: TextIO) -> list[Step]:
    """Run `config` (from `config.resolve`) to its end; the checkpoints are then in its output folder."""
    settings = MindFormerConfig(**{key: config[key] for key in config if key != "abacus"})
    build_context(settings)
    recorder = StepRecorder(config["lr_schedule"]["total_steps"], user)
    trainer = Trainer(args=settings, callbacks=[recorder])
    # Without the argument `finetune` forgets the base named in the configuration.
    trainer.finetune(resume_from_checkpoint=config["load_checkpoint"])
    return recorder.history


def rank() -> int:
    """This process's number among those that `msrun` started; 0 if there is but one."""
    return get_real_rank()


def adapters(output: Path, steps_per_epoch: int) -> dict[int, Path]:
    """Step and file of every adapter that a run left in its output folder, in order."""
    found = {}
    for path in (output / "checkpoint_trainable" / f"rank_{rank()}").glob("*.ckpt"):
        epoch, step = map(int, path.stem.rpartition("-")[2].split("_"))
        found[(epoch - 1) * steps_per_epoch + step] = path
    return dict(sorted(found.items()))
