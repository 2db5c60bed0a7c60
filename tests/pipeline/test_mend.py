"""What a DVC leaves that was killed while writing is set aside; what is whole stays."""

from pathlib import Path

import pytest

from abacus.pipeline.mend import DAMAGED, LOCK, RWLOCK, mend

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
