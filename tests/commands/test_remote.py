"""Setting up the remote: what is written where, what is kept, and which names are refused."""

import stat

import pytest

from tests.clones import Clone

OBS = ["--bucket", "team-data", "--region", "cn-southwest-2"]
OWN = '# ours\n[core]\n    analytics = false\n[cache]\n    type = "reflink,hardlink,copy"\n'
WRITTEN = """\
['remote "obs"']
    url = s3://team-data/abacus/v1
    endpointurl = https://obs.cn-southwest-2.myhuaweicloud.com
    region = cn-southwest-2
    configpath = obs.ini
    connect_timeout = 30
    read_timeout = 300
    jobs = 4
    verify = true
"""


@pytest.fixture
def clone(tmp_path) -> Clone:
    """A clone whose .dvc/config has something of its own."""
    made = Clone(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text(OWN, encoding="utf-8")
    return made


def config(clone: Clone, name: str = "config") -> str:
    """A configuration of the clone."""
    return (clone.folder / ".dvc" / name).read_text(encoding="utf-8")


def test_the_remote_is_added_to_what_is_there_and_again_changes_nothing(clone):
    said = clone.ok("remote", *OBS, "--prefix", "/abacus/v1/")
    assert said == (
        ".dvc/config: the remote 'obs' is s3://team-data/abacus/v1; commit the file to share the address\n"
        "`make share-check` tries it out\n"
    )
    text = config(clone)
    assert text.startswith("# ours\n[core]\n    analytics = false\n    remote = obs\n[cache]\n")
    assert 'type = "reflink,hardlink,copy"' in text
    assert text.endswith(WRITTEN)
    clone.ok("remote", *OBS, "--prefix", "abacus/v1")
    assert config(clone) == text
    clone.ok("git", "init", "-q")
    assert clone.ok("dvc", "remote", "list").split() == ["obs", "s3://team-data/abacus/v1", "(default)"]


def test_another_bucket_takes_its_place_and_options_of_ones_own_stay(clone):
    clone.ok("remote", *OBS)
    path = clone.folder / ".dvc/config"
    path.write_text(config(clone) + "    acl = private\n['remote \"mine\"']\n    url = /srv/x\n")
    clone.ok("remote", "--bucket", "other", "--region", "cn-north-4")
    text = config(clone)
    assert "url = s3://other\n    endpointurl = https://obs.cn-north-4.myhuaweicloud.com\n" in text
    assert "    acl = private\n" in text
    assert "url = /srv/x" in text


def test_another_default_is_named(clone):
    path = clone.folder / ".dvc/config"
    path.write_text("[core]\n    remote = mine\n['remote \"mine\"']\n    url = /srv/x\n")
    assert "(the default was 'mine')" in clone.ok("remote", *OBS)


def test_a_public_bucket_has_its_own_host(clone):
    clone.ok("remote", *OBS, "--prefix", "v1", "--readonly")
    text = config(clone)
    assert (
        "url = https://team-data.obs.cn-southwest-2.myhuaweicloud.com/v1\n    jobs = 4\n    verify = true"
        in text
    )
    assert "remote = public" in text


def test_keys_go_where_only_their_owner_reads_and_follow_the_address(clone):
    clone.ok("remote", *OBS)
    done = clone.run("remote", "--login", stdin="MYKEY\nmy+secret/==\n")
    assert done.returncode == 0
    assert "MYKEY" not in done.stdout + done.stderr
    local = clone.folder / ".dvc/config.local"
    assert stat.S_IMODE(local.stat().st_mode) == 0o600
    assert config(clone, "config.local") == (
        "['remote \"obs\"']\n    url = s3://team-data\n    access_key_id = MYKEY\n    secret_access_key = my+secret/==\n"
    )
    assert "my+secret" not in config(clone)
    clone.ok("remote", "--bucket", "other", "--region", "cn-north-4")
    assert "url = s3://other\n    access_key_id = MYKEY" in config(clone, "config.local")
    assert stat.S_IMODE(local.stat().st_mode) == 0o600
    # Back to a version without the remote: DVC would stop at options without an address.
    (clone.folder / ".dvc/config").write_text("[core]\n    analytics = false\n")
    clone.ok("git", "init", "-q")
    clone.ok("dvc", "status")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "BUCKET and REGION are missing, expected BUCKET=name REGION=cn-southwest-2"),
        (["--region", "cn-north-4"], "BUCKET is missing, expected BUCKET=name"),
        (["--bucket", "a-b"], "REGION is missing, expected the bucket's, such as REGION=cn-southwest-2"),
        (["--bucket", "Team", "--region", "cn-north-4"], "BUCKET is 'Team', expected 3 to 63 lower-case"),
        (["--bucket", "a.b", "--region", "cn-north-4"], "BUCKET is 'a.b', expected 3 to 63 lower-case"),
        (["--bucket", "s3://a-b", "--region", "cn-north-4"], "BUCKET is 's3://a-b', expected 3 to 63"),
        (["--bucket", "", "--region", "cn-north-4"], "BUCKET is '', expected 3 to 63"),
        (["--bucket", "a-b", "--region", "south west"], "REGION is 'south west', expected a region's name"),
        (
            ["--bucket", "a-b", "--region", "cn-southwest"],
            "REGION is 'cn-southwest', expected a region's name",
        ),
        ([*OBS, "--prefix", "../x"], "PREFIX is '../x', expected letters, digits"),
        ([*OBS, "--prefix", "a//b"], "PREFIX is 'a//b', expected letters, digits"),
        ([*OBS, "--prefix", "/"], "PREFIX is '/', expected letters, digits"),
        ([*OBS, "--endpoint", "http://x"], "ENDPOINT is 'http://x', expected https://host"),
        ([*OBS, "--endpoint", "https://k:s@x"], "ENDPOINT is 'https://***@x', expected https://host"),
        ([*OBS, "--ca", "no.pem"], "no.pem: no such file, expected certificates (PEM)"),
        ([*OBS, "--readonly", "--login"], "READONLY and LOGIN exclude each other"),
        (["--login"], ".dvc/config: no remote 'obs', expected BUCKET=name and REGION=region"),
    ],
)
def test_a_wrong_name_is_refused_and_nothing_is_written(clone, words, message):
    before = config(clone)
    assert clone.fails("remote", *words).startswith(message)
    assert config(clone) == before
    assert not (clone.folder / ".dvc/config.local").exists()


@pytest.mark.parametrize("given", ["", "KEY\n", "KEY\n\n", "KEY\nse cret\n"])
def test_no_key_is_no_login(clone, given):
    clone.ok("remote", *OBS)
    done = clone.run("remote", "--login", stdin=given)
    assert done.returncode == 1
    assert "nothing, or no key, was given, expected one line" in done.stderr
    assert not (clone.folder / ".dvc/config.local").exists()


def test_a_broken_configuration_is_named_and_kept(clone):
    path = clone.folder / ".dvc/config"
    path.write_text("[core\n")
    assert clone.fails("remote", *OBS).startswith(".dvc/config: ")
    assert path.read_text() == "[core\n"


def test_outside_a_clone(tmp_path):
    message = Clone(tmp_path).fails("remote", *OBS)
    assert message == ".dvc/config: no such file, expected to run in the root of a clone of the repository"
    for name in ("push", "pull", "share_check"):
        assert "no .dvc folder, expected to run in a clone of the repository" in Clone(tmp_path).fails(name)
