"""Stage predict as a command in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

from abacus.profile.load import Profile
from tests.workspace import ROOT, configure


def start(folder: Path, told: Profile, out: str, **changes: object) -> subprocess.Popen[str]:
    """Start stage predict for checkpoint 1 in the folder, as a profile has it; `changes` are other options."""
    options = {
        "profile": configure(folder / f"profile-{out}", told),
        "base": "base",
        "adapter": "1",
        "math": "math.jsonl",
        "squad": ROOT / "data/reading/reading-v1.1.json",
        "params": "params.yaml",
        "out": out,
    } | changes
    return subprocess.Popen(
        [sys.executable, "-m", "stages.predict", *(f"--{key}={value}" for key, value in options.items())],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
