"""Push to a real S3 server over TLS, with every fault that can come between: nothing is lost, a repeat succeeds."""

import shutil

import pytest

from abacus.sharing.objects import md5
from tests.clones import Clone, bucket, enlarge, impatient, one_error, wait_for
from tests.serving import KEY, SECRET

COUNT = 9  # objects of the small repository: 7 files and 2 lists
MANY = {f"data/big-{n}": 30_000_000 for n in range(6)}


def objects(clone: Clone, s3) -> dict[str, bytes]:
    """Content of every object in the clone's bucket, by the MD5 that it should have."""
    return {oid: path.read_bytes() for oid, path in s3.objects(bucket(clone)).items()}


def assert_whole(clone: Clone, s3) -> None:
    """Every object in the bucket has the MD5 that its name says."""
    assert all(md5(content) == oid.removesuffix(".dir") for oid, content in objects(clone, s3).items())


def test_everything_of_the_lock_is_in_the_bucket_and_a_repeat_sends_nothing(here, s3):
    said = here.ok("push")
    assert f"{COUNT} objects sent, {COUNT} there and whole, 577,493 bytes" in said
    assert "not shared: data/squad/dev-v1.1.json, an import that is not here" in said
    assert_whole(here, s3)
    assert len(objects(here, s3)) == COUNT
    assert "0 objects sent, 9 there and whole" in here.ok("push")


def test_one_checkpoint_is_shared_with_what_it_needs_and_the_rest_later(here, s3, tmp_path):
    assert "6 objects sent" in here.ok("push", "--checkpoint", 3)
    other = here.fresh(tmp_path / "other")
    message = other.fails("pull")
    assert "without checkpoints, data/train.json: not in the bucket; whoever has it: `make push`" in message
    assert "2 outputs in place" in other.ok("pull", "--checkpoint", 3)
    assert set(other.files()) >= {"checkpoints/3/adapter.ckpt", "data/base/model.ckpt"}
    assert not (other.folder / "checkpoints/1").exists()
    # DVC itself would now say "Everything is up to date", for the list of the folder is there.
    assert "3 objects sent, 9 there" in here.ok("push")
    other.ok("pull")
    assert other.files() == here.files()


def test_a_checkpoint_that_is_not_there_is_named(here):
    assert here.fails("push", "--checkpoint", 9) == (
        "dvc.lock: names no checkpoints/9, expected one of checkpoints/1, checkpoints/2, checkpoints/3"
    )


def test_an_object_of_many_parts(here, s3, tmp_path):
    enlarge(here, {"data/big-one": 110_000_000})
    here.ok("push")
    assert_whole(here, s3)
    other = here.fresh(tmp_path / "other")
    other.ok("pull")
    assert other.files() == here.files()


def test_a_killed_push_goes_on_where_it_was(here, s3):
    enlarge(here, MANY)
    before = here.files()
    push = here.start("push")
    wait_for(lambda: s3.objects(bucket(here)))
    push.kill()
    push.communicate()
    arrived = len(s3.objects(bucket(here)))
    assert 0 < arrived < COUNT + len(MANY), "it was not killed in the middle"
    said = here.ok("push")
    assert f"{COUNT + len(MANY)} there and whole" in said
    assert f"{COUNT + len(MANY) - arrived} objects sent" in said
    assert here.files() == before
    assert_whole(here, s3)


def test_an_interrupted_push_says_so_in_one_line(here, s3):
    enlarge(here, MANY)
    push = here.start("push")
    wait_for(lambda: s3.objects(bucket(here)))
    push.send_signal(2)
    _, err = push.communicate(timeout=60)
    assert push.returncode == 130, err
    assert err.replace("\r", "\n").strip().endswith("interrupted: what existed before is unchanged")
    assert "Traceback" not in err


def test_a_server_that_goes_away(here, s3):
    enlarge(here, MANY)
    impatient(here)
    before = here.files()
    push = here.start("push")
    wait_for(lambda: s3.objects(bucket(here)))
    s3.stop()
    try:
        _, err = push.communicate(timeout=100)
        message = one_error(push.returncode, err)
        assert "not sent (the server" in message or "not sent (the connection" in message
        assert "`make push` goes on" in message
        assert "the server cannot be reached; run again later" in here.fails("push")
    finally:
        s3.start()
    assert here.files() == before
    here.ok("push")
    assert_whole(here, s3)


@pytest.mark.parametrize(
    ("keys", "cause"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "the secret key is wrong; set AWS_ACCESS_KEY_ID and"),
        (
            {"AWS_ACCESS_KEY_ID": "WRONG"},
            "the access key is unknown to the server; set AWS_ACCESS_KEY_ID and",
        ),
        ({"AWS_ACCESS_KEY_ID": ""}, "no credentials were found; set AWS_ACCESS_KEY_ID and"),
        ({"AWS_PROFILE": "nobody"}, "AWS_PROFILE names a profile that is not there; unset it"),
        ({"AWS_CONFIG_FILE": "make.py"}, "AWS_CONFIG_FILE is no configuration file; unset it"),
        ({"AWS_CONFIG_FILE": "/dev/null"}, "AWS_CONFIG_FILE names no file that is there; unset it"),
        ({"AWS_CONFIG_FILE": "none"}, "the server refused botocore's upload checksum; the remote's"),
        (
            {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported"},
            "the server refused botocore's upload checksum; the remote's",
        ),
    ],
)
def test_wrong_credentials_and_settings(here, s3, keys, cause):
    before = here.files()
    message = here.fails("push", **keys)
    assert cause in message
    assert not objects(here, s3)
    assert here.files() == before
    here.ok("push")


def test_a_bucket_that_is_not_there(here, s3):
    name = bucket(here)
    (s3.store / name).rmdir()
    # A server may remember the bucket for a while.
    wait_for(lambda: "there is no such bucket; create it" in here.run("push").stderr)
    assert "there is no such bucket; create it" in here.fails("pull")
    (s3.store / name).mkdir()
    wait_for(lambda: here.run("push").returncode == 0)


@pytest.mark.parametrize("how", ["truncated", "altered"])
@pytest.mark.parametrize("what", ["a file", "a list"])
def test_a_damaged_object_is_noticed_and_mended(here, s3, tmp_path, how, what):
    here.ok("push")
    listed = what == "a list"
    path = next(
        path
        for oid, path in sorted(s3.objects(bucket(here)).items())
        if oid.endswith(".dir") == listed and path.stat().st_size > 60_000 * (not listed)
    )
    content = path.read_bytes()
    path.write_bytes(content[:-7] if how == "truncated" else bytes([content[0] ^ 1]) + content[1:])
    message = wait_for(lambda: (done := here.run("push")).returncode and done.stderr)
    assert "damaged in the bucket: " in message
    assert ("holds" if how == "truncated" else "has the MD5") in message
    assert "`make push REPAIR=1` in a clone that has it whole puts it right" in message
    other = here.fresh(tmp_path / "other")
    message = other.fails("pull")
    assert ("was altered" if listed else "is damaged in the bucket and was not installed") in message
    assert md5(path.read_bytes()) not in other.files().values()
    assert "1 objects sent, 9 there and whole" in here.ok("push", "--repair")
    assert path.read_bytes() == content
    other.ok("pull")
    assert other.files() == here.files()


def test_two_pushes_at_once(here, s3, tmp_path):
    shutil.copytree(here.folder, tmp_path / "twin", symlinks=True)
    pushes = [clone.start("push") for clone in (here, Clone(tmp_path / "twin"), here)]
    for push in pushes:
        _, err = push.communicate(timeout=100)
        assert push.returncode == 0, err
    assert len(objects(here, s3)) == COUNT
    assert_whole(here, s3)


def test_a_copy_that_was_altered_here_is_not_sent(here, s3):
    path = here.folder / "data/train.json"
    place = next((here.folder / ".dvc/cache/files/md5").glob(f"??/{here.files()['data/train.json'][2:]}"))
    place.chmod(0o644)
    place.write_bytes(b"other")
    place.chmod(0o444)
    assert "data/train.json: its copy in DVC's cache was altered" in here.fails("push")
    assert not objects(here, s3)
    assert path.is_file()


def test_what_is_neither_here_nor_there_is_named(here, tmp_path):
    other = here.fresh(tmp_path / "other")
    message = other.fails("push")
    assert "without checkpoints, data/base, data/train.json, neither there nor here" in message
    assert "`dvc repro` makes it" in message


def test_a_clone_without_a_lock_is_told_how_to_get_one(here):
    (here.folder / "dvc.lock").unlink()
    for name in ("push", "pull"):
        message = here.fails(name)
        assert message == "dvc.lock: no such file, expected the lock of a run; `make repro` makes one"


def test_keys_kept_in_the_local_configuration(here):
    stolen = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    done = here.run("remote", "--login", stdin=f"{KEY}\n{SECRET}\n", **stolen)
    assert done.returncode == 0, done.stderr
    here.ok("push", **stolen)
    assert here.ok("git", "status", "--porcelain") == ""
    assert SECRET not in here.ok("git", "grep", "-c", ".", "--", ".dvc")
