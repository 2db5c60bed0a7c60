"""DVC's cache linked into the workspace in each way it knows: the same bytes out, and the cache as it was."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.workspace import PATH, ROOT, dvc, ran, small_clone


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """A tiny run up to the first answers."""
    folder = tmp_path_factory.mktemp("done")
    small_clone(folder)
    dvc(folder, "repro", "predict@2", "-q")
    return folder


def cached(folder: Path) -> dict[str, str]:
    """MD5 of every file of the cache, by its place."""
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted((folder / ".dvc/cache/files").rglob("*"))
        if path.is_file()
    }


def outputs(folder: Path) -> dict[str, str]:
    stages = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_training_and_answers_from_a_linked_cache(done, tmp_path, kind):
    folder = tmp_path / "clone"
    shutil.copytree(done, folder, symlinks=True)
    dvc(folder, "config", "--local", "cache.type", kind)
    dvc(folder, "checkout", "--relink", "--allow-missing", "-q")
    base = folder / "data/base/model.ckpt"
    linked = {
        "symlink": base.is_symlink(),
        "hardlink": base.stat().st_nlink > 1,
    }
    assert linked[kind]
    before = cached(folder)
    for stage in ("finetune", "predict@2"):
        assert ran(dvc(folder, "repro", "--force", "--single-item", stage)) == {stage}
    after = cached(folder)
    assert {path: after[path] for path in before} == before, (
        "nothing is written through a link into the cache"
    )
    export = [sys.executable, "-m", "abacus", "export", "CHECKPOINT=2"]
    made = subprocess.run(
        export, cwd=folder, env={**os.environ, "PATH": PATH, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert made.returncode == 0, made.stderr
    assert cached(folder) == after
    assert outputs(folder) == outputs(done)
