"""A copy has the files that are here, whether it is new or goes on after a kill."""

from pathlib import Path

import pytest

from abacus.experiments.copies import copied, files
from tests.journeys.test_git_state import WHO, git

FILES = {
    "abacus/one.py": "1", "abacus/two.py": "2", "abacus/folder/three.py": "3", "abacus/four": "4",
    "dvc.lock": "lock", "metrics/m.json": "{}",
    ".dvc/config": "", ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n", ".gitignore": "/ignored\n/copies\n",
}  # fmt: skip


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone with a commit of FILES, DVC in it, and the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        write(Path(name), text)
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, *WHO, "commit", "-qm", "all")


def content(folder: Path) -> dict[str, str]:
    """The files of a clone with what is in them."""
    return {name: (folder / name).read_text("utf-8") for name in files(folder) if (folder / name).is_file()}


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_copy_has_what_is_here_and_nothing_more(clone, committed, goes_on):
    if goes_on:
        write(clone / "untracked.py", "u")
        copy = copied(Path("copies/run"))
        write(copy / "ignored/training", "so far")
        write(copy / "metrics/m.json", "the run's")
        Path("untracked.py").unlink()
    Path("abacus/one.py").rename("abacus/renamed.py")  # what was renamed, removed, changed,
    git(clone, "rm", "-q", "abacus/two.py")
    write(clone / "abacus/new.py", "n")
    git(
        clone, "rm", "-q", "abacus/folder/three.py"
    )  # a file in the place of a folder, and a folder in that of a file
    write(clone / "abacus/folder", "f")
    Path("abacus/four").unlink()
    write(clone / "abacus/four/five.py", "5")
    if committed:
        commit(clone)
    for _ in range(2):  # the copy's own git may know what is no longer there
        copy = copied(Path("copies/run"))
        assert content(copy) == content(clone)
    if goes_on:
        assert (copy / "ignored/training").read_text("utf-8") == "so far"
        assert (copy / "metrics/m.json").read_text("utf-8") == "the run's"
