"""What git has is git's: a run changes one line of params.yaml, whatever state the clone is in, and however it ends."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from abacus.pipeline.reproduce import LEFT
from tests.workspace import PATH, ROOT, small_clone, tracked

STATE = ("HEAD", "MERGE_HEAD", "MERGE_MSG", "ORIG_HEAD", "index", "packed-refs", "config")
WHO = ("-c", "user.name=t", "-c", "user.email=t@example.org")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def state(folder: Path) -> dict[str, str]:
    """All that git knows of a clone but its objects: HEAD, refs, stash, a merge, and what is staged."""
    found = {
        name: (folder / ".git" / name).read_text("latin-1")
        for name in STATE[:4]
        if (folder / ".git" / name).exists()
    }
    found["refs"] = git(folder, "for-each-ref")
    found["staged"] = git(folder, "diff", "--cached", "--raw")
    found["unmerged"] = git(folder, "ls-files", "--unmerged")
    found["stash"] = git(folder, "stash", "list")
    return found


def abacus(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "abacus", *words],
        cwd=folder,
        env={**os.environ, "PATH": PATH, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def committed(tmp_path_factory) -> Path:
    """A clone with two branches that differ, nothing run yet, no git identity."""
    folder = tmp_path_factory.mktemp("committed")
    params = small_clone(folder)
    params["profile"] = "smollm2-135m"
    text = yaml.safe_dump(params, sort_keys=False).replace(
        "profile: smollm2-135m", "profile: smollm2-135m  # why"
    )
    (folder / "params.yaml").write_text(f"# mine\n{text}", encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, *WHO, "commit", "-qm", "first")
    git(folder, "checkout", "-qb", "other")
    (folder / "README.md").write_text("theirs\n", encoding="utf-8")
    git(folder, *WHO, "commit", "-qam", "theirs")
    git(folder, "checkout", "-q", "-")
    return folder


@pytest.fixture
def busy(committed, tmp_path) -> Path:
    """A clone in a merge, with something staged, something changed, and something in the stash."""
    folder = tmp_path / "busy"
    shutil.copytree(committed, folder)
    (folder / "LICENSE").write_text("stashed\n", encoding="utf-8")
    git(folder, *WHO, "stash")
    git(folder, *WHO, "merge", "--no-commit", "--no-ff", "other")
    (folder / "new.txt").write_text("staged\n", encoding="utf-8")
    git(folder, "add", "new.txt")
    (folder / "LICENSE").write_text("changed\n", encoding="utf-8")
    assert (folder / ".git/MERGE_HEAD").is_file()
    return folder


NOBODY = {"HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


@pytest.mark.parametrize(
    ("number", "wait"),
    [
        pytest.param(signal.SIGTERM, 3, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 6, marks=pytest.mark.slow),
        (signal.SIGKILL, 5),
    ],
)
def test_a_run_with_another_profile_that_is_killed_twice(busy, number, wait):
    before, text = state(busy), (busy / "params.yaml").read_text(encoding="utf-8")
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-m", "abacus", "repro", "PROFILE=tiny"],
            cwd=busy,
            env={**os.environ, "PATH": PATH, "PYTHONPATH": str(ROOT), **NOBODY},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        time.sleep(wait)
        os.killpg(process.pid, number)
        said = process.communicate()[1]
        if number != signal.SIGKILL:
            assert process.returncode == 128 + number
            assert "Traceback" not in said and "exited with" not in said, said
            assert said.count(LEFT) == 1, said
        assert state(busy) == before
        after = (busy / "params.yaml").read_text(encoding="utf-8")
        assert after == text.replace("profile: smollm2-135m  # why", "profile: tiny  # why")
    assert (busy / "LICENSE").read_text(encoding="utf-8") == "changed\n"


@pytest.mark.slow
def test_a_run_to_the_end_leaves_git_alone(busy):
    before = state(busy)
    done = abacus(busy, "repro", "PROFILE=tiny", **NOBODY)
    assert done.returncode == 0, done.stderr
    assert state(busy) == before
    assert abacus(busy, "diff", **NOBODY).returncode == 0
    # A conflict in what DVC reads: named with its line, left as it is.
    (busy / "data/mine.json.dvc").write_text(
        "outs:\n- md5: 0\n  hash: md5\n  path: mine.json\n", encoding="utf-8"
    )
    for name in ("dvc.lock", "params.yaml", "dvc.yaml", "profiles/tiny.yaml", "data/mine.json.dvc"):
        path = busy / name
        whole = path.read_text(encoding="utf-8")
        lines = whole.splitlines(keepends=True)
        marked = f"{''.join(lines[:2])}<<<<<<< HEAD\n{lines[2]}=======\n{lines[2]}>>>>>>> other\n{''.join(lines[3:])}"
        path.write_text(marked, encoding="utf-8")
        for command in ("repro", "eval"):
            done = abacus(busy, command, **NOBODY)
            assert done.returncode == 1
            assert re.fullmatch(rf"error: {name}, line 3: a merge conflict: .*\n", done.stderr), done.stderr
        assert path.read_text(encoding="utf-8") == marked
        path.write_text(whole, encoding="utf-8")
    # What DVC itself refuses.
    (busy / "dvc.yaml").write_text("stages:\n  a:\n    cmdd: x\n", encoding="utf-8")
    done = abacus(busy, "eval", **NOBODY)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: dvc.yaml: stages.a"), done.stderr


LOCKED = "import sys\nfrom dvc.repo import Repo\nwith Repo('.').lock:\n    print('held', flush=True)\n    sys.stdin.readline()"


def test_another_dvc_at_work_is_said(committed, tmp_path):
    folder = tmp_path / "clone"
    shutil.copytree(committed, folder)
    other = subprocess.Popen(
        [sys.executable, "-c", LOCKED], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"held\n"
    done = abacus(folder, "eval")
    other.communicate(b"\n")
    assert (
        done.stderr
        == "error: .dvc/tmp: another DVC is at work in this folder, expected its end; then run again\n"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("command", ["verify", "diff"])
def test_gits_own_reason_in_a_folder_of_another_owner(committed, tmp_path, command):
    folder = tmp_path / "clone"
    shutil.copytree(committed, folder)
    for path in (folder, folder / ".git"):
        os.chown(path, 65534, 65534)
    done = abacus(folder, command, GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_SYSTEM=os.devnull)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert re.search("dubious ownership|not owned by current user", done.stderr), done.stderr


def test_verify_finds_its_folder_in_a_larger_repository(tmp_path):
    from abacus.commands.verify import clone

    whole, inner = tmp_path / "whole", tmp_path / "whole" / "some" / "abacus"
    inner.mkdir(parents=True)
    (inner / "dvc.lock").write_text("schema: '2.0'\n", encoding="utf-8")
    git(whole, "init", "-q")
    git(whole, "add", "-A")
    git(whole, *WHO, "commit", "-qm", "x")
    before = Path.cwd()
    os.chdir(inner)
    try:
        place = clone(tmp_path / "again")
    finally:
        os.chdir(before)
    assert place == tmp_path / "again" / "some" / "abacus"
    assert (place / "dvc.lock").is_file()


def test_a_clone_with_other_line_ends_has_the_same_bytes(committed, tmp_path):
    subprocess.run(
        [
            "git",
            "-c",
            "core.autocrlf=true",
            "clone",
            "-q",
            "--config",
            "core.autocrlf=true",
            str(committed),
            "crlf",
        ],
        cwd=tmp_path,
        check=True,
    )
    names = [name for name in git(committed, "ls-files").splitlines() if (committed / name).is_file()]
    assert len(names) > 200 and ".gitattributes" in names and len(names) <= len(tracked())
    digests = [
        {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
        for folder in (committed, tmp_path / "crlf")
    ]
    assert digests[0] == digests[1]
    assert git(tmp_path / "crlf", "status", "--porcelain") == ""
