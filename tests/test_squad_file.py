"""Putting the real SQuAD file in place: only the right bytes get there, through DVC's cache."""

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stages import squad
from stages.command import InputError

ROOT = Path(__file__).parents[1]
REAL = "95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A DVC repository of its own with the pinned import, as the current folder."""
    folder = tmp_path / "clone"
    (folder / "data/squad").mkdir(parents=True)
    shutil.copyfile(ROOT / squad.PIN, folder / squad.PIN)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    subprocess.run(["dvc", "init", "-q", "--no-scm"], check=True)
    return folder


@pytest.fixture
def put(monkeypatch):
    """Run the command as `make squad FROM=...` does."""

    def run(source: Path | None = None) -> None:
        words = ["--from", str(source)] if source else []
        monkeypatch.setattr(sys, "argv", ["squad", *words])
        squad.main()

    return run


@pytest.fixture
def served(tmp_path, clone):
    """A folder behind a web server on this machine; the pin's address points there."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    text = squad.PIN.read_text(encoding="utf-8")
    public = "https://rajpurkar.github.io/SQuAD-explorer/dataset/"
    assert public in text
    squad.PIN.write_text(text.replace(public, f"http://127.0.0.1:{server.server_port}/"), encoding="utf-8")
    yield folder
    server.shutdown()
    server.server_close()


def test_the_hash_is_the_published_one():
    assert squad.SHA256 == REAL


def test_a_local_copy_is_put_in_place_and_dvc_is_content(shared, clone, put, capsys):
    put(shared / "squad-dev-v1.1.json")
    assert squad.PLACE.read_bytes() == (shared / "squad-dev-v1.1.json").read_bytes()
    assert "is in place; use it by `predict.squad: data/squad/dev-v1.1.json`" in capsys.readouterr().out
    done = subprocess.run(["dvc", "repro", str(squad.PIN)], capture_output=True, text=True, check=True)
    assert "didn't change, skipping" in done.stdout


def test_a_download_is_put_in_place(shared, served, put):
    shutil.copyfile(shared / "squad-dev-v1.1.json", served / squad.PLACE.name)
    put()
    assert squad.checked(squad.PLACE)


def test_a_download_that_fails_says_what_else_can_be_done(served, put):
    with pytest.raises(InputError, match=r"dvc get-url: .*; with a copy of your own: make squad FROM=path"):
        put()
    assert not squad.PLACE.exists()


def test_a_changed_download_is_refused(served, put):
    (served / squad.PLACE.name).write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=f"its sha256 is 44136fa.*, expected {REAL}"):
        put()
    assert not squad.PLACE.exists()


def test_another_file_does_not_replace_what_is_there(tmp_path, clone, put):
    squad.PLACE.write_bytes(b"old")
    (tmp_path / "other.json").write_bytes(b"{}")
    with pytest.raises(InputError, match=f"other.json: its sha256 is 44136fa.*, expected {REAL}"):
        put(tmp_path / "other.json")
    assert squad.PLACE.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["missing.json", "folder"])
def test_a_source_that_is_no_file_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"{name}: no such file, expected SQuAD's dev-v1.1.json"):
        squad.checked(tmp_path / name)


def test_the_command_fails_in_one_line(stage, error_line, tmp_path):
    message = error_line(stage("squad", "--from", tmp_path / "none.json"))
    assert message == f"{tmp_path / 'none.json'}: no such file, expected SQuAD's dev-v1.1.json"
