"""What a DVC leaves that was killed while writing is set aside; what is whole stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from abacus.pipeline.mend import DAMAGED, LOCK, RWLOCK, mend
from tests.clones import wait_for

WHOLE = (Path(__file__).parents[2] / "dvc.lock").read_text(encoding="utf-8")


def put(folder: Path, name: Path, text: str) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("left", ["", '{"read": {"data/base": [{"pid": 1, "c'])
def test_a_half_written_list_of_readers_is_removed(tmp_path, left):
    """Every later DVC says that it is corrupted."""
    path = put(tmp_path, RWLOCK, left)
    assert [line.split(":")[0] for line in mend(tmp_path)] == [str(RWLOCK)]
    assert not path.exists()


@pytest.mark.parametrize(
    "left", ["", WHOLE[:30], WHOLE[: WHOLE.index("md5:") + 2], WHOLE[: WHOLE.index("  - path") + 5]]
)
def test_a_half_written_lock_is_set_aside(tmp_path, left):
    path = put(tmp_path, LOCK, left)
    assert [line.split(":")[0] for line in mend(tmp_path)] == [str(LOCK)]
    assert not path.exists()
    assert (tmp_path / DAMAGED).read_text(encoding="utf-8") == left


def test_whole_files_stay_and_missing_ones_are_none(tmp_path):
    assert mend(tmp_path) == []
    kept = [put(tmp_path, RWLOCK, '{"read": {}, "write": {}}'), put(tmp_path, LOCK, WHOLE)]
    assert mend(tmp_path) == []
    assert [path.read_text(encoding="utf-8") for path in kept] == ['{"read": {}, "write": {}}', WHOLE]


def test_a_list_of_readers_that_have_all_ended_is_removed(tmp_path):
    """Also one whose parent has not asked for its end: DVC finds that there is a process of its number."""
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    zombie = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.DEVNULL)
    wait_for(lambda: psutil.Process(zombie.pid).status() == psutil.STATUS_ZOMBIE)
    for pid in (int(gone.stdout), zombie.pid):
        held = {"write": {"checkpoints": {"pid": pid, "cmd": "dvc repro"}}, "read": {}}
        path = put(tmp_path, RWLOCK, json.dumps(held))
        assert mend(tmp_path) == [f"{RWLOCK}: held by a DVC that was killed; removed"]
        assert not path.exists()
    held["read"] = {"data/base": [{"pid": os.getpid(), "cmd": "dvc repro"}]}
    path = put(tmp_path, RWLOCK, json.dumps(held))
    assert mend(tmp_path) == [] and path.exists(), "one of them is at work"
    zombie.wait()
