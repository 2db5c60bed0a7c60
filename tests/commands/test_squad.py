"""Putting the real SQuAD file in place: only the right bytes get there, and DVC is content with them."""

import shutil
import subprocess

import pytest
import yaml

from abacus.sharing.published import FILES, SQUAD, named
from tests.clones import ROOT, Clone

REAL = "95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9"
PLACE = "data/squad/dev-v1.1.json"


@pytest.fixture
def clone(tmp_path) -> Clone:
    """A DVC repository of its own, with nothing in it but the repository's .gitignore."""
    made = Clone(tmp_path / "clone")
    made.folder.mkdir()
    made.ok("git", "init", "-q")
    made.ok("dvc", "init", "-q")
    shutil.copyfile(ROOT / ".gitignore", made.folder / ".gitignore")
    return made


def test_it_is_a_row_of_the_table_with_the_published_hash():
    assert SQUAD in FILES
    assert named("dev-v1.1.json") == [SQUAD]
    assert SQUAD.content.sha256 == REAL
    assert str(SQUAD.place) == PLACE
    assert SQUAD.url() == "https://rajpurkar.github.io/SQuAD-explorer/dataset/dev-v1.1.json"


def test_a_local_copy_is_put_in_place_and_dvc_is_content(shared, clone):
    source = shared / "squad-dev-v1.1.json"
    said = clone.ok("squad", "--from", source)
    assert said == (
        f"{PLACE}: taken from {source}, 4,854,279 bytes; commit {PLACE}.dvc;"
        f" to start from it: predict.squad: {PLACE} in params.yaml\n"
    )
    assert (clone.folder / PLACE).read_bytes() == source.read_bytes()
    pin = yaml.safe_load((clone.folder / f"{PLACE}.dvc").read_text(encoding="utf-8"))
    assert (pin["frozen"], pin["deps"][0]["path"]) == (True, SQUAD.url())
    assert clone.ok("dvc", "status", "--json").strip() == "{}"
    assert "didn't change, skipping" in clone.ok("dvc", "repro", f"{PLACE}.dvc")
    shown = clone.ok("git", "status", "--porcelain", "-uall")
    assert f"?? {PLACE}.dvc\n" in shown
    assert f"?? {PLACE}\n" not in shown
    assert "in place, as pinned" in clone.ok("squad")
    (clone.folder / PLACE).unlink()
    shutil.rmtree(clone.folder / ".dvc/cache")
    assert "fetched, 4,854,279 bytes, as pinned" in clone.ok("squad", "--from", source)
    assert (clone.folder / PLACE).read_bytes() == source.read_bytes()


def test_a_download_is_put_in_place_and_a_changed_one_is_refused(shared, clone, https, s3, tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "dev-v1.1.json").write_text("{}", encoding="utf-8")
    words, trust = ("squad", "--from", https(folder).address), {"SSL_CERT_FILE": str(s3.cert)}
    message = clone.fails(*words, **trust)
    assert "its content is not the pinned one (MD5 3e85deb501d4e538b6bc56f786231552)" in message
    assert not (clone.folder / PLACE).exists()
    assert not (clone.folder / f"{PLACE}.dvc").exists(), "an import without its file would never be clean"
    (folder / "dev-v1.1.json").unlink()
    assert "is gone (404)" in clone.fails(*words, **trust)
    shutil.copyfile(shared / "squad-dev-v1.1.json", folder / "dev-v1.1.json")
    assert "imported, 4,854,279 bytes" in clone.ok(*words, **trust)
    assert clone.ok("dvc", "status", "--json").strip() == "{}"


def test_a_copy_that_lies_in_its_place_is_taken(shared, clone):
    (clone.folder / "data/squad").mkdir(parents=True)
    shutil.copyfile(shared / "squad-dev-v1.1.json", clone.folder / PLACE)
    assert f"taken from {PLACE}" in clone.ok("squad")
    assert clone.ok("dvc", "status", "--json").strip() == "{}"


def test_another_file_does_not_replace_what_is_there(shared, clone):
    (clone.folder / "data/squad").mkdir(parents=True)
    (clone.folder / PLACE).write_bytes(b"old")
    message = clone.fails("squad", "--from", shared / "squad-dev-v1.1.json")
    assert message.startswith(f"{PLACE}: its sha256 is ")
    assert message.endswith(f", expected {REAL} (dev-v1.1.json as published)")
    assert (clone.folder / PLACE).read_bytes() == b"old"


@pytest.mark.parametrize(
    ("name", "found"),
    [("missing.json", "no such file"), ("folder", "no such file"), ("a.json", "its sha256")],
)
def test_a_source_that_is_not_the_file_is_named(clone, tmp_path, name, found):
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    assert clone.fails("squad", "--from", tmp_path / name).startswith(f"{tmp_path / name}: {found}")
    assert not list(clone.folder.glob("data/squad/*"))


def test_the_import_can_be_committed():
    done = subprocess.run(
        ["git", "check-ignore", PLACE, f"{PLACE}.dvc"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.split() == [PLACE]
