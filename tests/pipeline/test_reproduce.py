"""A run that is asked to end leaves no stage behind, whatever the stage is about."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from abacus.pipeline.reproduce import LEFT
from tests.ranks import waited
from tests.workspace import PATH, ROOT

# A stage as all of ours are, in a call that hears no signal for some minutes, as MindSpore does while it compiles.
DEAF = """
import hashlib, os
from pathlib import Path
from abacus.core.process import run

def main():
    Path("pid").write_text(str(os.getpid()))
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)

run(main)
"""
RUN = "from abacus.core.process import run; from abacus.pipeline.reproduce import reproduce; run(lambda: reproduce('it'))"


@pytest.mark.parametrize(
    ("number", "shell"),
    [
        (signal.SIGTERM, ""),
        (signal.SIGINT, "; true"),  # below a shell, which ends at once
        pytest.param(signal.SIGTERM, "; true", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "", marks=pytest.mark.slow),
    ],
)
def test_a_stage_that_hears_no_signal_ends_with_the_run(
    tmp_path: Path, number: signal.Signals, shell: str
) -> None:
    (tmp_path / "deaf.py").write_text(DEAF)
    (tmp_path / "run.py").write_text(RUN)
    (tmp_path / "dvc.yaml").write_text(f"stages: {{it: {{cmd: python deaf.py{shell}}}}}\n")
    (tmp_path / "params.yaml").write_text("profile: tiny\n")  # whose times are kept
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=tmp_path, check=True)
    process = subprocess.Popen(
        [sys.executable, "run.py"],
        cwd=tmp_path,
        env={**os.environ, "PATH": PATH, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    place = tmp_path / "pid"
    assert waited(lambda: (place.is_file() and place.read_text()) or process.poll() is not None)
    assert process.poll() is None, process.communicate()[1]
    stage = psutil.Process(int((tmp_path / "pid").read_text()))
    time.sleep(0.5)  # it is in its call
    try:
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 128 + number
        assert said.splitlines()[-1].endswith(LEFT)
        assert waited(lambda: not stage.is_running(), 5)
    finally:
        process.kill()
        if stage.is_running():
            stage.kill()
