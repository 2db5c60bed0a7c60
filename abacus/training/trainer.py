"""Fine-tuning by MindFormers' Trainer: one run of a resolved configuration, seen step by step.

Importing this module imports MindFormers: do it within `quiet.framework_log`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from mindformers import MindFormerConfig, Trainer, build_context
from mindformers.core.callback import CheckpointMonitor
from mindformers.tools.register import MindFormerModuleType, MindFormerRegister
from mindformers.tools.utils import get_real_rank
from mindformers.trainer.causal_language_modeling import CausalLanguageModelingTrainer
from mindformers.utils import set_output_path
from mindspore.dataset import MindDataset
from mindspore.nn import TrainOneStepCell
from mindspore.train import Callback

import abacus.training.layerwise
import abacus.training.packed
import abacus.training.repeatable  # noqa: F401  registers the classes that profiles name
from abacus.core.cores import place_threads
from abacus.core.errors import InputError
from abacus.core.graphs import kept
from abacus.profile.model import FIELDS, PACKED_FIELDS
from abacus.training.configuration import Run
from abacus.training.health import Watch
from abacus.training.live import LiveFigures, step_of
from abacus.training.progress import STEPS, Progress, StepLog, read_steps

GRAPHS = "graphs"
ROWS_READ = 1000  # of a MindRecord, to see that it fits the model


class StepRecorder(Callback):
    """Writes every step to the run's step file, shows it if asked to, and ends the run after its last step.

    Not named in the YAML like other callbacks because it holds the terminal. With data sinking the
    framework hands over one step of each call of the device. `done` steps were made by an earlier process.
    """

    def __init__(self, run: Run, log: StepLog | None, progress: Progress | None, done: int = 0) -> None:
        super().__init__()
        self.steps = run.steps
        self.watch = Watch(run, done)
        self.log, self.progress, self.done = log, progress, done

    def on_train_begin(self, run_context) -> None:
        """Say what the user waits for."""
        if self.progress:
            self.progress.begin(self.done)

    def on_train_step_end(self, run_context) -> None:
        """Record the step; InputError if the run has gone wrong."""
        done = step_of(run_context)
        if self.log:
            self.log.write(done)
        self.watch.see(done)
        if self.progress:
            self.progress.show(done)
        if done.step >= self.steps:
            run_context.request_stop()

    def on_train_end(self, run_context) -> None:
        """Leave the last line of progress standing."""
        if self.progress:
            self.progress.close()
        if self.log:
            self.log.close()


@MindFormerRegister.register(MindFormerModuleType.CALLBACK)
class AdapterMonitor(CheckpointMonitor):
    """CheckpointMonitor whose resumable checkpoint leaves out the frozen weights, which the base has.

    An earlier process has saved what there is to save up to `resume_step`.
    """

    def __init__(self, *, prefix: str, resume_step: int = 0, **options: Any) -> None:
        super().__init__(prefix=prefix, **options)
        # ModelCheckpoint counts up its prefix where there are files of a run before: here they are this run's.
        self._prefix = f"{prefix}_rank_{self.rank_id}"
        self._last_triggered_step = resume_step

    def remove_redundancy(self, network, cur_file, append_dict, train_network):
        """Save to `cur_file`: the hook through which CheckpointMonitor writes all its files."""
        if isinstance(network, list):  # the trainable weights alone
            super().remove_redundancy(network, cur_file, append_dict, train_network)
            return
        left_out = frozen(network)
        mindspore.save_checkpoint(
            network,
            cur_file,
            integrated_save=False,  # with tensor parallel every rank keeps its own part
            append_dict=append_dict,
            choice_func=lambda name: name not in left_out,
        )


def frozen(step: TrainOneStepCell) -> set[str]:
    """Names of the weights that a training step leaves as they are."""
    weights = {parameter.name for parameter in step.network.get_parameters() if not parameter.requires_grad}
    return weights - {step.optimizer.global_step.name}  # LoRA's dropout reads it


def count_rows(mindrecord: Path, seq_length: int, vocab_size: int, learned: int | None = None) -> int:
    """Number of rows in `mindrecord`; InputError if they do not fit the model.

    `learned`: rows are sequences of packed ones, with so many places that are learned.
    """
    one, packed = (seq_length + 1,), (seq_length,)
    shapes = dict.fromkeys(FIELDS, one)
    if learned:
        shapes = dict(zip(PACKED_FIELDS, (packed, packed, (learned,), (learned,)), strict=True))
    try:
        rows = MindDataset(str(mindrecord), shuffle=False)
        count, columns = rows.get_dataset_size(), rows.get_col_names()
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(mindrecord, f"not a MindRecord file with its .db: {reason}") from error
    if sorted(columns) != sorted(shapes):
        raise InputError(mindrecord, f"fields {', '.join(columns)}", " and ".join(shapes))
    for number, row in enumerate(_read(rows, mindrecord), 1):
        for field, shape in shapes.items():
            _check_field(row[field], f"{mindrecord}, row {number}: {field}", shape)
        if not 0 <= row["input_ids"].min() <= row["input_ids"].max() < vocab_size:
            largest = row["input_ids"].max()
            raise InputError(
                f"{mindrecord}, row {number}",
                f"input_ids up to {largest}",
                f"less than the model's vocab_size {vocab_size}",
            )
        if number == ROWS_READ:
            break
    return count


def _read(rows: MindDataset, mindrecord: Path) -> Iterator[dict[str, np.ndarray]]:
    try:
        yield from rows.create_dict_iterator(num_epochs=1, output_numpy=True)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(mindrecord, f"damaged, its rows cannot be read: {reason}") from error


def _check_field(values: np.ndarray, place: str, shape: tuple[int, ...]) -> None:
    if values.shape != shape or values.dtype != np.int32:
        why = "as the profile's abacus.prompt has it (rows that are not packed have seq_length + 1)"
        raise InputError(place, f"{values.dtype} of shape {values.shape}", f"int32 of shape {shape}, {why}")


@MindFormerRegister.register(MindFormerModuleType.TRAINER)
class ResumingTrainer(CausalLanguageModelingTrainer):
    """CausalLanguageModelingTrainer that can begin in an epoch of its own, `runner_config.resume_epoch`.

    MindFormers' own resuming takes all weights from one checkpoint, and ours hold no frozen ones: the base is
    loaded as ever, `data_skip_steps` skips rows, and Resume puts what was trained over it.
    """

    def create_model_wrapper(self, network, optimizer):
        """Build the training step; by now MindFormers has set the epoch to 0."""
        self.config.runner_config.initial_epoch = self.config.runner_config.resume_epoch or 0
        return super().create_model_wrapper(network, optimizer)


class Resume(Callback):
    """Goes on from a resumable checkpoint: trained weights, optimiser's states, counters."""

    def __init__(self, step: int, checkpoint: str) -> None:
        super().__init__()
        self.step, self.checkpoint = step, checkpoint

    def on_train_begin(self, run_context) -> None:
        """Put all that the checkpoint holds in its place; it must be all that training changes."""
        at = run_context.original_args()
        found = mindspore.load_checkpoint(self.checkpoint)
        missing, _ = mindspore.load_param_into_net(at.train_network, found)
        if lost := set(missing) - frozen(at.train_network):
            raise InputError(self.checkpoint, f"{min(lost)} is missing", "all that training changes")
        at.cur_step_num = self.step


class FirstStep(Callback):
    """Keeps what the first step compiles in the run's folder, for the process that goes on if this one is killed,

    and gives the threads that it has started their cores.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        # On one CPU alone: of a device and of ranks it has not been tried.
        self.alone = run.ranks == 1 and run.typed.context.device_target == "CPU"
        self.folder, self.first = run.output / GRAPHS if self.alone else None, ExitStack()

    def on_train_begin(self, run_context) -> None:
        """From here, where a run that goes on has its weights, both compile the same graphs in the same order."""
        self.first.enter_context(kept(self.folder))

    def on_train_step_end(self, run_context) -> None:
        """All is compiled, and every thread is there."""
        self.first.close()
        if self.alone:
            place_threads()


def train(run: Run, progress: Progress | None = None) -> None:
    """Train a run to its end: step file and checkpoints are in its output folder.

    A resumed one goes on from the rank's own checkpoint.
    """
    settings = MindFormerConfig(**run.framework)
    set_output_path(str(run.output))  # before the context: it decides where strategy files go
    build_context(settings)
    rank = get_real_rank()
    log = StepLog(run.output / STEPS) if rank == 0 else None
    callbacks: list[Callback] = []
    done = 0
    if run.resumed:
        done = settings.data_skip_steps = run.resumed.step
        settings.runner_config.resume_epoch = run.resumed.epoch
        callbacks.append(Resume(done, run.resumed.checkpoints[rank]))
        for callback in settings.callbacks:
            if callback["type"] == AdapterMonitor.__name__:
                callback["resume_step"] = done
    if rank == 0 and run.seen:
        callbacks.append(live_figures(run, progress))
    callbacks += [FirstStep(run), StepRecorder(run, log, progress, done)]
    trainer = Trainer(args=settings, callbacks=callbacks)
    # Without the argument `finetune` forgets the base named in the configuration.
    trainer.finetune(resume_from_checkpoint=run.framework["load_checkpoint"])


def live_figures(run: Run, progress: Progress | None) -> LiveFigures:
    """What has a run seen: its figures go on from the steps of an earlier process."""
    dataset = run.framework["train_dataset"]["data_loader"]["dataset_dir"]
    rows = run.settings.batch_rows * (problems(Path(dataset)) if run.settings.learned else 1)
    return LiveFigures(
        run.seen.folder,
        run.seen.summary,
        run.output.name,
        rows,
        read_steps(run.output / STEPS),
        progress.say if progress else print,
        dvclive=run.seen.dvclive,
        tensorboard=run.seen.tensorboard,
    )


def problems(mindrecord: Path) -> float:
    """Problems in a sequence of packed rows: the mean of the first ones."""
    rows = MindDataset(str(mindrecord), [PACKED_FIELDS[1]], shuffle=False).take(ROWS_READ)
    return float(np.mean([row[PACKED_FIELDS[1]].max() for row in _read(rows, mindrecord)]))
