"""A run of another revision, out of git's objects and DVC's cache, with index and worktree as they were."""

import shutil
import subprocess
from pathlib import Path

import pytest

from abacus.core.errors import InputError
from abacus.pipeline.revision import commit_of, lay_out


def state(folder: Path) -> list[str]:
    """What git says of index and worktree, and of the index's bytes."""
    words = (["status", "--porcelain"], ["diff", "--cached", "--raw"], ["ls-files", "--stage"])
    return [subprocess.run(["git", *one], cwd=folder, capture_output=True, text=True).stdout for one in words]


def test_a_revision_is_laid_out_and_nothing_else_is_touched(here, tmp_path, monkeypatch):
    folder = here.folder
    (folder / "metrics.json").write_text('{"f1": 0.25}', encoding="utf-8")
    here.commit("other")
    (folder / "metrics.json").write_text('{"f1": 0.125}', encoding="utf-8")
    monkeypatch.chdir(folder)
    before, out = state(folder), tmp_path / "laid"
    kept, adapter = [Path("metrics.json"), Path("absent.json")], Path("checkpoints/1/adapter.ckpt")
    # Within an output, nothing, and a folder of outputs.
    cached = [adapter, Path("none"), Path("data")]
    assert lay_out(commit_of("HEAD"), kept, cached, out) == []
    assert (out / "metrics.json").read_text(encoding="utf-8") == '{"f1": 0.25}'
    found = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    assert found == {
        *(adapter, Path("dvc.lock"), Path("metrics.json"), Path("data/train.json")),
        *(Path("data/base") / name for name in ("model.ckpt", "tokenizer.json")),
    }
    for path in found - {Path("metrics.json")}:
        assert (out / path).read_bytes() == (folder / path).read_bytes()
    assert state(folder) == before


def test_what_is_in_neither_cache_nor_remote_is_said(here, tmp_path, monkeypatch):
    shutil.rmtree(here.folder / ".dvc/cache")
    monkeypatch.chdir(here.folder)
    wanted = [Path("checkpoints/1/adapter.ckpt")]
    assert lay_out(commit_of("HEAD"), [], wanted, tmp_path / "laid") == wanted


def test_an_unknown_revision_is_an_error(here, monkeypatch):
    monkeypatch.chdir(here.folder)
    with pytest.raises(InputError, match="nowhere: is known neither to git nor as an experiment"):
        commit_of("nowhere")
