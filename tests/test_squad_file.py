"""Putting the real SQuAD file in place: only the right bytes get there."""

import subprocess
import sys

import pytest

from stages import squad
from stages.command import InputError

REAL = "95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place of its own for the file, and a `python -m stages.squad` without arguments."""
    path = tmp_path / "squad" / "dev-v1.1.json"
    monkeypatch.setattr(squad, "PLACE", path)
    monkeypatch.setattr(sys, "argv", ["squad"])
    return path


def test_the_hash_is_the_published_one():
    assert squad.SHA256 == REAL


def test_a_local_copy_is_put_in_place(shared, place, monkeypatch, capsys):
    source = shared / "squad-dev-v1.1.json"
    monkeypatch.setattr(sys, "argv", ["squad", "--from", str(source)])
    squad.main()
    assert place.read_bytes() == source.read_bytes()
    assert (
        capsys.readouterr().out == f"{place} is in place; use it by `predict.squad: {place}` in params.yaml\n"
    )


def test_another_file_does_not_replace_what_is_there(tmp_path, place, monkeypatch):
    place.parent.mkdir()
    place.write_bytes(b"old")
    (tmp_path / "other.json").write_bytes(b"{}")
    monkeypatch.setattr(sys, "argv", ["squad", "--from", str(tmp_path / "other.json")])
    with pytest.raises(InputError, match=f"other.json: its sha256 is 44136fa.*, expected {REAL}"):
        squad.main()
    assert place.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["missing.json", "folder"])
def test_a_source_that_is_no_file_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"{name}: no such file, expected SQuAD's dev-v1.1.json"):
        squad.checked(tmp_path / name)


def test_a_failed_download_says_what_else_can_be_done(place, monkeypatch):
    monkeypatch.setattr(squad.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 1))
    with pytest.raises(InputError, match=r"could not be downloaded; `make squad FROM=path` takes a copy"):
        squad.main()


def test_a_downloaded_file_is_checked_too(place, monkeypatch):
    def download(*arguments, **options):
        place.parent.mkdir()
        place.write_bytes(b"{}")
        return subprocess.CompletedProcess(arguments, 0)

    monkeypatch.setattr(squad.subprocess, "run", download)
    with pytest.raises(InputError, match="its sha256 is"):
        squad.main()


def test_the_command_fails_in_one_line(stage, error_line, tmp_path):
    message = error_line(stage("squad", "--from", tmp_path / "none.json"))
    assert message == f"{tmp_path / 'none.json'}: no such file, expected SQuAD's dev-v1.1.json"
