"""Pull from a real S3 server over TLS into a fresh clone, with every fault that can come between."""

import json
import os
import shutil
import subprocess

import pytest

from tests.clones import Clone, bucket, enlarge, impatient, one_error, wait_for

MANY = {f"data/big-{n}": 20_000_000 for n in range(6)}


@pytest.fixture
def there(here, tmp_path) -> Clone:
    """A fresh clone of a repository that has been pushed."""
    here.ok("push")
    return here.fresh(tmp_path / "there")


@pytest.fixture
def disk(tmp_path):
    """Mount a small disk of its own: `disk(size="3m")`; skipped where nothing can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(**options: object) -> Clone:
        words = ",".join(f"{name}={value}" for name, value in options.items())
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", words, "tmpfs", str(place)], capture_output=True)
        if done.returncode:
            pytest.skip(f"a disk of its own cannot be mounted here: {done.stderr.decode().strip()}")
        return place

    yield mount
    subprocess.run(["umount", str(place)], capture_output=True)


def test_a_fresh_clone_gets_the_same_workspace(here, there):
    said = there.ok("pull")
    assert "9 objects fetched and verified, 3 outputs in place" in said
    assert "not in the bucket: data/squad/dev-v1.1.json; `make squad` gets it" in said
    assert there.files() == here.files()
    assert "Running stage" not in there.ok("dvc", "repro", "finetune")
    assert set(json.loads(there.ok("dvc", "status", "--json"))) == {"data/squad/dev-v1.1.json.dvc"}
    assert json.loads(there.ok("dvc", "metrics", "show", "--json"))[""]["data"]["metrics.json"]["data"] == {
        "f1": 0.5
    }
    missing = json.loads(there.ok("dvc", "data", "status", "--not-in-remote", "--json"))["not_in_remote"]
    assert missing == ["data/squad/dev-v1.1.json"]
    assert "0 objects fetched" in there.ok("pull")


def test_what_was_never_pushed_is_named(here, tmp_path):
    other = here.fresh(tmp_path / "other")
    message = other.fails("pull")
    assert (
        "without checkpoints, data/base, data/train.json: its list of files is not in the bucket" in message
    )
    here.ok("push")
    other.ok("pull")
    assert other.files() == here.files()


def test_a_change_of_ones_own_is_not_overwritten(there):
    there.ok("pull")
    path = there.folder / "data/train.json"
    path.unlink()
    path.write_bytes(b"mine")
    message = there.fails("pull")
    assert "data/train.json" in message
    assert path.read_bytes() == b"mine"
    path.unlink()
    there.ok("pull")


def test_wrong_key_and_a_repeat_with_the_right_one(here, there):
    message = there.fails("pull", AWS_SECRET_ACCESS_KEY="wrong")
    assert "the secret key is wrong" in message
    there.ok("pull")
    assert there.files() == here.files()


def test_a_killed_pull_goes_on_where_it_was(here, tmp_path):
    enlarge(here, MANY)
    here.ok("push")
    there = here.fresh(tmp_path / "there")
    cache = there.folder / ".dvc/cache/files/md5"
    pull = there.start("pull")
    wait_for(lambda: [path for path in cache.glob("??/*") if not path.name.endswith(".tmp")])
    pull.kill()
    pull.communicate()
    assert len(there.files()) < len(here.files()), "it was not killed in the middle"
    parts = list(cache.glob("??/.*.tmp"))
    for part in parts:
        os.utime(part, (0, 0))
    there.ok("pull")
    assert there.files() == here.files()
    assert not [part for part in parts if part.exists()], "what was left of it has been removed"


def test_a_server_that_goes_away(here, s3, tmp_path):
    enlarge(here, MANY)
    here.ok("push")
    there = impatient(here.fresh(tmp_path / "there"))
    cache = there.folder / ".dvc/cache/files/md5"
    pull = there.start("pull")
    wait_for(lambda: list(cache.glob("??/*")))
    s3.stop()
    try:
        _, err = pull.communicate(timeout=100)
        message = one_error(pull.returncode, err)
        assert "the server" in message or "the connection" in message
    finally:
        s3.start()
    there.ok("pull")
    assert there.files() == here.files()


def test_a_disk_that_is_too_small_is_noticed_before(here, disk, tmp_path):
    enlarge(here, {"data/big-one": 5_000_000})
    here.ok("push")
    place = disk(size="4m")
    there = here.fresh(place / "there")
    message = there.fails("pull")
    assert "bytes are to be fetched and" in message
    assert "are free on this disk; nothing was changed" in message
    subprocess.run(["mount", "-o", "remount,size=40m", str(place)], check=True)
    there.ok("pull")
    assert there.files() == here.files()


def test_a_disk_that_fills_up_in_the_middle(here, disk, tmp_path):
    here.ok("push")
    place = disk(size="40m")
    there = here.fresh(place / "there")
    there.run("dvc", "status")  # what DVC makes for itself is there
    files = sum(1 for _ in place.rglob("*"))
    # Room for bytes is left, room for files is not: the disk is full where no look ahead sees it.
    subprocess.run(["mount", "-o", f"remount,nr_inodes={files + 8}", str(place)], check=True)
    message = there.fails("pull")
    assert "no space is left on this disk; free some and run again" in message
    subprocess.run(["mount", "-o", "remount,nr_inodes=10000", str(place)], check=True)
    there.ok("pull")
    assert there.files() == here.files()


def test_read_only_over_https(here, s3, https, tmp_path):
    here.ok("push")
    name = bucket(here)
    website = https(s3.store)
    there = here.fresh(tmp_path / "there")
    where = ["--bucket", name, "--prefix", "team/a", "--endpoint", website.address, "--ca", s3.cert]
    there.ok("remote", "--readonly", *where)
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    config = (there.folder / ".dvc/config").read_text()
    assert f"url = {website.address}/{name}/team/a" in config
    assert "the remote" in there.fails("push", **nobody)
    damaged, content = damage(s3, name)
    checked = there.run("share_check", **nobody)
    assert checked.returncode == 1
    assert "FAILED  damaged in the bucket: " in checked.stdout
    message = there.fails("pull", **nobody)
    assert "is damaged in the bucket and was not installed" in message
    damaged.write_bytes(content)
    there.ok("pull", **nobody)
    assert there.files() == here.files()
    assert "9 of 9 objects of dvc.lock" in there.ok("share_check", **nobody)
    message = there.fails("pull", "--checkpoint", "4", **nobody)
    assert "names no checkpoints/4" in message
    shutil.rmtree(there.folder / ".dvc/cache")
    assert not there.run("dvc", "pull", "checkpoints", **nobody).returncode, "DVC reads it too"


def damage(s3, name: str):
    """Alter a byte of an object that is a file; its place and its content before."""
    path = next(path for oid, path in sorted(s3.objects(name).items()) if not oid.endswith(".dir"))
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    return path, content
