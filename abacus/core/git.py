"""Git, asked about the clone in the current folder."""

import subprocess
from pathlib import Path

from abacus.core.errors import InputError


def git(*words: str, folder: Path = Path()) -> str:
    """What a git command prints; InputError with git's own reason if it fails: no clone, or another owner's folder."""
    done = subprocess.run(
        ["git", *words],
        cwd=folder,
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="surrogateescape",
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise InputError(f"git {words[0]}", said[0] if said else f"exit code {done.returncode}")
    return done.stdout
