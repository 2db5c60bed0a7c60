"""The check of a remote: what it says of a whole one, and of each thing that can be wrong with it."""

import os
import re

import pytest

from abacus.sharing.objects import md5
from tests.clones import Clone, bucket, wait_for
from tests.serving import free_port

LINES = [
    "environment",
    "name",
    "endpoint",
    "clock",
    "bucket",
    "write",
    "read",
    "multipart",
    "delete",
    "contents",
]


def check(clone: Clone, *words: str, **env: str) -> dict[str, str]:
    """Run the check; what it says to each line, advice included. The exit code must fit."""
    done = clone.run("share_check", *words, **env)
    assert not done.stderr.replace("\r", "").strip() or "hash" in done.stderr, done.stderr
    said = dict(re.findall(r"^(\w+) +((?:ok|FAILED|not tried).*(?:\n {20}.*)?)", done.stdout, re.MULTILINE))
    assert done.returncode == any(not text.startswith("ok") for text in said.values()), done.stdout
    return said


def failed(said: dict[str, str]) -> list[str]:
    """The lines that failed by themselves."""
    return [name for name, text in said.items() if text.startswith("FAILED")]


def moved(clone: Clone, server) -> Clone:
    """Point a clone's remote at another address."""
    clone.ok("remote", "--bucket", bucket(clone), "--prefix", "team/a", "--endpoint", server)
    return clone


def public(clone: Clone, server, s3) -> Clone:
    """Point a clone at the https address of its bucket."""
    where = ["--bucket", bucket(clone), "--prefix", "team/a", "--endpoint", server.address, "--ca", s3.cert]
    clone.ok("remote", "--readonly", *where)
    return clone


def test_a_whole_remote_is_ok_on_every_line_and_nothing_is_left_behind(here, s3):
    said = check(here)
    assert list(said) == LINES
    assert said["contents"].startswith(
        "ok      0 of 9 objects of dvc.lock, 0 bytes (sizes and ETags); `make push`"
    )
    here.ok("push")
    said = check(here, "--full")
    assert all(text.startswith("ok") for text in said.values()), said
    assert (
        "9 of 9 objects of dvc.lock, 577,493 bytes (hashed); without the import data/squad/dev-v1.1.json"
        in (said["contents"])
    )
    assert list((s3.store / bucket(here)).rglob("*share-check*/*")) == []


def test_wrong_keys(here):
    said = check(here, AWS_SECRET_ACCESS_KEY="wrong")
    assert failed(said) == ["bucket"]
    assert "the secret key is wrong\n" in said["bucket"]
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in said["bucket"]
    assert said["contents"] == "not tried: bucket failed"
    said = check(here, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert failed(said) == ["environment", "bucket"]
    assert "no credentials were found\n" in said["environment"]


@pytest.mark.parametrize(
    "env", [{"AWS_CONFIG_FILE": "none.ini"}, {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported"}]
)
def test_an_environment_that_overrides_the_settings(here, env):
    said = check(here, **env)
    (name, value), *_ = env.items()
    assert failed(said) == ["environment", "write"]
    assert f"{name}={value} overrides the settings of .dvc/obs.ini that OBS needs\n" in said["environment"]
    assert "the server refused botocore's upload checksum\n" in said["write"]
    assert said["read"].startswith("ok")
    assert said["multipart"] == "not tried: write failed"


def test_a_bucket_that_is_not_there(here):
    name = bucket(here)
    here.ok("remote", "--bucket", "no-such-bucket", "--endpoint", address(here))
    said = check(here)
    assert failed(said) == ["bucket"]
    assert "there is no such bucket\n" in said["bucket"]
    assert name not in said["bucket"]


def address(clone: Clone) -> str:
    """The endpoint of a clone's remote."""
    return re.search(r"endpointurl = (\S+)", (clone.folder / ".dvc/config").read_text(encoding="utf-8"))[1]


def test_a_server_that_is_down(here):
    said = check(moved(here, f"https://127.0.0.1:{free_port()}"))
    assert failed(said) == ["endpoint"]
    assert "the server cannot be reached\n" in said["endpoint"]
    assert said["contents"] == "not tried: endpoint failed"


def test_a_certificate_of_ones_own(here):
    (here.folder / ".dvc/config.local").unlink()
    said = check(here)
    assert failed(said) == ["endpoint"]
    assert "the server's certificate was not accepted\n" in said["endpoint"]
    assert "`make remote ... CA=file.pem`" in said["endpoint"]


def test_a_region_that_is_not_there(here):
    here.ok("remote", "--bucket", "team-bucket", "--region", "cn-nowhere-9")
    said = check(here, **{name: "" for name in os.environ if name.lower().endswith("_proxy")})
    assert failed(said) == ["name"]
    assert "team-bucket.obs.cn-nowhere-9.myhuaweicloud.com: no such name" in said["name"]
    assert "correct REGION by `make remote`" in said["name"]


def test_no_permission_to_write(here, https):
    server = https()
    server.server.error, server.server.allowed = (403, "AccessDenied"), {"GET"}
    said = check(moved(here, server.address))
    assert failed(said) == ["write"]
    assert said["write"].startswith("FAILED  no permission\n")
    assert "ask the bucket's owner to let this key list, read, write and delete" in said["write"]
    assert said["delete"] == "not tried: write failed"
    assert said["contents"].startswith("ok      0 of 9 objects")


@pytest.mark.parametrize(
    ("status", "code", "cause", "advice"),
    [
        (403, "AccessDenied", "no permission", "ask the bucket's owner"),
        (403, "RequestTimeTooSkewed", "this machine's clock is more than 15 minutes off", "timedatectl"),
        (301, "PermanentRedirect", "the bucket is in another region", "REGION=region"),
        (400, "AuthorizationHeaderMalformed", "the bucket is in another region", "REGION=region"),
        (
            403,
            "VirtualHostDomainRequired",
            "the server takes no address with the bucket in its path",
            ".dvc/obs.ini",
        ),
    ],
)
def test_what_a_server_refuses(here, https, status, code, cause, advice):
    server = https()
    server.server.error = (status, code)
    said = check(moved(here, server.address))
    assert failed(said) == ["bucket"]
    assert said["bucket"].split("\n")[0] == f"FAILED  {cause}"
    assert advice in said["bucket"]


def test_a_clock_that_is_off(here, https, s3):
    here.ok("push")
    server = https(s3.store)
    server.server.late = 100_000
    said = check(public(here, server, s3))
    assert failed(said) == ["clock"]
    assert re.match(r"FAILED  -(99,9|100,0)\d\d seconds from the server's, which allows 900\n", said["clock"])


def test_damage_that_neither_size_nor_etag_shows_is_found_by_hashing(here, https, s3, tmp_path):
    here.ok("push")
    server = https(s3.store)
    server.server.parts = True
    there = public(here.fresh(tmp_path / "there"), server, s3)
    name = bucket(here)
    path = s3.objects(name)[here.files()["checkpoints/2/adapter.ckpt"]]
    content = path.read_bytes()
    path.write_bytes(b"other" + content[5:])
    assert check(there)["contents"].startswith("ok")
    said = check(there, "--full")
    assert f"checkpoints/2/adapter.ckpt has the MD5 {md5(path.read_bytes())}, expected" in said["contents"]
    assert "`make push REPAIR=1` in a clone that has it whole puts it right" in said["contents"]
    path.write_bytes(content[:-1])  # the folder's size is then another one, and its files are hashed
    assert "damaged in the bucket: checkpoints/2/adapter.ckpt" in check(there)["contents"]


def test_a_truncated_object(here, s3):
    here.ok("push")
    path = s3.objects(bucket(here))[here.files()["data/base/model.ckpt"]]
    path.write_bytes(path.read_bytes()[:1000])
    said = wait_for(lambda: (said := check(here))["contents"].startswith("FAILED") and said)
    assert "data/base/model.ckpt holds 1,000 bytes, expected 300,000" in said["contents"]


def test_a_clone_without_a_remote_is_told_how_to_get_one(template, tmp_path):
    for name in ("share_check", "push", "pull"):
        assert Clone(template).fails(name) == (
            ".dvc/config: no remote is set, expected a bucket to share through;"
            " `make remote BUCKET=name REGION=region` sets one up"
        )
