"""MindFormers' own launcher trains `data/profile/train.yaml` to the adapters of stage finetune, on one rank and on two."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from abacus.weights.checkpoint import load_checkpoint
from tests.training import ROOT, changed, command, free_port, make_inputs, write_training

LAUNCHER = Path(os.environ.get("ABACUS_RUN_MINDFORMER") or Path(__file__).with_name("launcher.py"))
STEPS = {"checkpoints": 2, "steps_per_checkpoint": 2}  # one epoch of 18 rows, four a step


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_the_launcher_leaves_the_same_adapter(tmp_path: Path, ranks: int) -> None:
    make_inputs(tmp_path)
    there = changed().settings.launch.model_copy(update={"port": free_port()})
    parallel = {"use_parallel": True, "parallel_config": {"data_parallel": 2}} if ranks == 2 else {}
    training = changed(settings=STEPS | {"launch": there}, **parallel)
    write_training(tmp_path, training)
    done = command(tmp_path, "ours", "ours.log")
    assert done.returncode == 0, done.stderr
    words = {
        "--config": tmp_path / "profile/train.yaml",
        "--register_path": ROOT / "abacus/training",
        "--trainer.auto_register": "trainer.ResumingTrainer",
        "--load_checkpoint": tmp_path / "base",
        "--train_dataset_dir": tmp_path / "train.mindrecord",
        "--output_dir": tmp_path / "theirs",
        "--seed": training.settings.seed,
        "--epochs": 1,
        "--batch_size": 4 // ranks,
        "--lr_schedule.total_steps": training.steps,
        "--model.model_config.seq_length": training.settings.seq_length,
        "--model.model_config.batch_size": 4 // ranks,
    }
    python, folder = Path(sys.executable), tmp_path / "logs/theirs"
    msrun = [
        python.with_name("msrun"),
        "--worker_num=2",
        "--local_worker_num=2",
        f"--master_port={free_port()}",
    ]
    start = [*msrun, f"--log_dir={folder}", "--join=True", "python"] if ranks == 2 else [python]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HOME": str(tmp_path / "home"),  # where MindFormers keeps its copy of the class
        "HF_MODULES_CACHE": str(tmp_path / "modules"),
    }
    run = [*start, LAUNCHER, *(word for pair in words.items() for word in pair)]
    done = subprocess.run(list(map(str, run)), cwd=tmp_path, env=environment, capture_output=True, text=True)
    logs = "".join(path.read_text(errors="replace")[-3000:] for path in folder.glob("worker_*.log"))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:] + logs
    (last,) = (tmp_path / "theirs").glob("checkpoint_trainable/rank_0/*-1_4.ckpt")
    theirs, ours = load_checkpoint(last), load_checkpoint(tmp_path / "ours/2/adapter.ckpt")
    assert theirs.keys() == ours.keys()
    for name, array in ours.items():
        assert np.array_equal(theirs[name], array), name
