"""The reference's published files from an https server of our own that serves the same keys."""

import io
import json
import os
import shlex
import shutil
import subprocess
import tarfile

import pytest
import yaml

from abacus.__main__ import Parser
from abacus.commands import table
from abacus.sharing import archive, published
from abacus.sharing.objects import md5
from tests.clones import ROOT, Clone

TRAIN = "data-v2/train-v2.json"
PLACE = "data/published/train-v2.json"
SHARDS = "lr4-v2/lr4_v2_ckpts"


@pytest.fixture
def served(tmp_path, https):
    """A folder that is served with some of the keys."""
    folder = tmp_path / "served"
    rows = [{"problem": f"计算 {n} + 1 等于多少？", "solution": f"{n} + 1 = {n + 1}"} for n in range(500)]
    for key, content in {
        TRAIN: json.dumps(rows, ensure_ascii=False).encode(),
        f"{SHARDS}/rank_0/llama3_8b_rank_0-781_2.ckpt": b"shard 0",
        f"{SHARDS}/rank_1/llama3_8b_rank_1-781_2.ckpt": b"shard 1",
        "data-v2/train-v2-mindrecord.tar": tar(
            {"v2/all.mindrecord": b"rows", "v2/all.mindrecord.db": b"index"}
        ),
    }.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content)
    return https(folder)


@pytest.fixture
def clone(template, tmp_path, s3, monkeypatch) -> Clone:
    """A clone without a remote, that trusts the server's certificate."""
    shutil.copytree(template, tmp_path / "clone", symlinks=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(s3.cert))
    return ignoring(Clone(tmp_path / "clone"))


def ignoring(clone: Clone) -> Clone:
    """The clone with the repository's own .gitignore beside its own."""
    own, lines = clone.folder / ".gitignore", (ROOT / ".gitignore").read_text(encoding="utf-8")
    own.write_text(own.read_text(encoding="utf-8") + lines, encoding="utf-8")
    clone.commit("ignore")
    return clone


def test_what_is_said_of_a_files_use_can_be_typed():
    commands = [file.use.format(place=file.place) for file in published.FILES if file.use.startswith("make ")]
    assert len(commands) == 25  # five checkpoints, and four parts of each
    for command in commands:
        _, name, *words = shlex.split(command)
        parser = Parser(table()[name])
        given = parser.parse_args(parser.words(words))  # stops at what the command does not have
        assert (given.profile, str(given.out)) == ("llama3-8b", "exports/lr4")


def tar(files: dict[str, bytes], **changes: object) -> bytes:
    """A tar of files; `changes` are attributes of every member."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for key, value in changes.items():
                setattr(member, key, value)
            made.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def test_the_table_has_every_published_key():
    keys = [file.key for file in published.FILES if file.address == published.ADDRESS]
    assert len(keys) == len(set(keys)) == 31
    assert set(published.FILES) - {file for file in published.FILES if file.key in keys} == {published.SQUAD}
    assert f"{SHARDS}/rank_3/llama3_8b_rank_3-3905_2.ckpt" in keys
    assert len({file.place for file in published.FILES}) == 32
    assert published.ADDRESS == "https://nju-hw-finetune.obs.cn-southwest-2.myhuaweicloud.com"


def test_git_ignores_every_file_and_no_pin():
    places = [str(file.place) for file in published.FILES] + ["data/published/train-v2-mindrecord"]
    pins = [f"{place}.dvc" for place in places]
    done = subprocess.run(["git", "check-ignore", *places, *pins], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == places


def test_a_file_is_imported_pinned_and_put_back_as_pinned(clone, served):
    said = clone.ok("published", "--name", "train-v2.json", "--from", served.address)
    content = (served.folder / TRAIN).read_bytes()
    assert said == (
        f"{PLACE}: imported, {len(content):,} bytes; commit {PLACE}.dvc;"
        f" to start from it: inputs.train: {PLACE} in params.yaml\n"
    )
    pin = yaml.safe_load((clone.folder / f"{PLACE}.dvc").read_text())
    assert pin["frozen"]
    assert pin["deps"][0]["path"] == f"{served.address}/{TRAIN}"
    assert pin["deps"][0]["checksum"] == f'"{md5(content)}"'
    assert pin["outs"][0]["md5"] == md5(content)
    assert clone.ok("git", "status", "--porcelain", "-uall") == f"?? {PLACE}.dvc\n"
    assert "in place, as pinned" in clone.ok("published", "--name", PLACE)
    clone.commit("pin")
    (clone.folder / PLACE).unlink()
    shutil.rmtree(clone.folder / ".dvc/cache")
    assert f"{PLACE}: fetched, {len(content):,} bytes, as pinned" in clone.ok("published", "--name", TRAIN)
    assert (clone.folder / PLACE).read_bytes() == content
    assert clone.ok("git", "status", "--porcelain") == ""
    assert "in place\n" in clone.ok("published", "--name", TRAIN, "--list")


def test_a_folder_of_shards_keeps_its_ranks_and_missing_ones_are_named(clone, served):
    done = clone.run("published", "--name", "lr4_v2_ckpts", "--from", served.address)
    assert done.returncode == 1
    assert done.stderr == "error: 18 of 20 files are not in place, expected all; the lines above say why\n"
    gone = "data/published/lr4_v2_ckpts/rank_2/llama3_8b_rank_2-781_2.ckpt: FAILED: "
    line = next(line for line in done.stdout.splitlines() if line.startswith(gone))
    assert line.endswith(" is gone (404); a colleague's `make push` may have kept it, ask for `make pull`")
    folder = clone.folder / "data/published/lr4_v2_ckpts"
    assert (folder / "rank_1/llama3_8b_rank_1-781_2.ckpt").read_bytes() == b"shard 1"
    assert len(list(folder.rglob("*.ckpt"))) == 2
    assert "rank_0/llama3_8b_rank_0-781_2.ckpt.dvc" in clone.ok("git", "status", "--porcelain", "-uall")


def test_what_is_cut_off_leaves_nothing_and_a_repeat_succeeds(clone, served):
    served.server.cut.add(TRAIN)
    message = clone.fails("published", "--name", "train-v2.json", "--from", served.address)
    assert message == (
        f"{served.address}/{TRAIN}: the server closed the connection in the middle of an object;"
        " nothing was kept, run again"
    )
    assert list((clone.folder / "data/published").iterdir()) == []
    served.server.cut.clear()
    clone.ok("published", "--name", "train-v2.json", "--from", served.address)
    (clone.folder / PLACE).unlink()
    shutil.rmtree(clone.folder / ".dvc/cache")
    served.server.cut.add(TRAIN)
    message = clone.fails("published", "--name", "train-v2.json")
    assert "in the middle of an object; nothing was kept, run again" in message
    assert not (clone.folder / PLACE).exists()
    served.server.cut.clear()
    clone.ok("published", "--name", "train-v2.json")


def test_what_has_changed_at_its_address_is_not_installed(clone, served):
    clone.ok("published", "--name", "train-v2.json", "--from", served.address)
    pin = (clone.folder / f"{PLACE}.dvc").read_bytes()
    content = (served.folder / TRAIN).read_bytes()
    (clone.folder / PLACE).unlink()
    shutil.rmtree(clone.folder / ".dvc/cache")
    (served.folder / TRAIN).write_bytes(content.replace(b"1", b"2"))
    message = clone.fails("published", "--name", "train-v2.json")
    assert "has changed since it was pinned" in message
    assert "nothing was changed here; `make pull` may have the old one" in message
    assert f"`dvc update {PLACE}.dvc` takes the new one" in message
    assert not (clone.folder / PLACE).exists()
    assert (clone.folder / f"{PLACE}.dvc").read_bytes() == pin
    clone.ok("dvc", "update", f"{PLACE}.dvc")
    assert (clone.folder / PLACE).read_bytes() == (served.folder / TRAIN).read_bytes()


def test_a_mirror_with_another_content_is_refused(clone, served, https, tmp_path):
    clone.ok("published", "--name", "train-v2.json", "--from", served.address)
    (clone.folder / PLACE).unlink()
    shutil.rmtree(clone.folder / ".dvc/cache")
    shutil.copytree(served.folder, tmp_path / "mirror")
    mirror = https(tmp_path / "mirror")
    mirror.server.parts = True  # its ETags are others: the content alone tells
    path = tmp_path / "mirror" / TRAIN
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1", b"2"))
    message = clone.fails("published", "--name", "train-v2.json", "--from", mirror.address)
    assert f"its content is not the pinned one (MD5 {md5(content)}); nothing was kept" in message
    assert not (clone.folder / PLACE).exists()
    path.write_bytes(content)
    clone.ok("published", "--name", "train-v2.json", "--from", mirror.address)
    assert (clone.folder / PLACE).read_bytes() == content


def test_a_change_of_ones_own_is_not_overwritten(clone, served):
    clone.ok("published", "--name", "train-v2.json", "--from", served.address)
    path = clone.folder / PLACE
    path.unlink()
    path.write_bytes(b"mine")
    assert "was changed here, move it away" in clone.fails("published", "--name", "train-v2.json")
    assert path.read_bytes() == b"mine"


def test_an_archive_of_mindrecord_is_unpacked_and_kept(clone, served):
    said = clone.ok("published", "--name", "train-v2-mindrecord.tar", "--from", served.address)
    record = "data/published/train-v2-mindrecord/v2/all.mindrecord"
    assert f"inputs.mindrecord: {record} in params.yaml" in said
    assert (clone.folder / record).read_bytes() == b"rows"
    assert "data/published/train-v2-mindrecord.dvc" in clone.ok("git", "status", "--porcelain", "-uall")
    assert "train-v2-mindrecord/" not in clone.ok("git", "status", "--porcelain", "-uall")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tar({"../../evil": b"x"}), "outside the destination"),
        (tar({"/evil": b"x", "x.db": b"x"}), "holds no MindRecord with its index"),
        (tar({"link": b""}, type=tarfile.SYMTYPE, linkname="../../../make.py"), "outside the destination"),
        (tar({"pipe": b""}, type=tarfile.FIFOTYPE), "is a special file"),
        (
            tar({"a.mindrecord": b"x" * 5000})[:3000],
            "unexpected end of data, expected a tar of MindRecord files",
        ),
        (b"no tar at all", "expected a tar of MindRecord files"),
        (tar({"readme": b"x"}), "holds no MindRecord with its index (x and x.db), expected one"),
    ],
)
def test_an_archive_that_is_none_or_reaches_out_of_its_folder(clone, served, content, message):
    (served.folder / "data-v2/train-v2-mindrecord.tar").write_bytes(content)
    before = sorted(path for path in clone.folder.rglob("*") if "published" not in str(path))
    said = clone.fails("published", "--name", "train-v2-mindrecord.tar", "--from", served.address)
    assert message in said
    after = sorted(path for path in clone.folder.rglob("*") if "published" not in str(path))
    assert [path for path in after if path not in before and ".dvc" not in path.parts] == []
    assert not (clone.folder.parent / "evil").exists()


EVIL = {
    "up": {"name": "../evil"},
    "far up": {"name": "a/../../evil"},
    "through a link": {"name": "out/evil"},
    "link up": {"type": tarfile.SYMTYPE, "linkname": "../evil"},
    "link from below": {"name": "a/b", "type": tarfile.SYMTYPE, "linkname": "../../evil"},
    "absolute link": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "hard link up": {"type": tarfile.LNKTYPE, "linkname": "../evil"},
    "absolute hard link": {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"},
    "pipe": {"type": tarfile.FIFOTYPE},
    "device": {"type": tarfile.BLKTYPE},
    "terminal": {"type": tarfile.CHRTYPE},
}
GOOD = {
    "file": {"mode": 0o640},
    "setuid": {"mode": 0o7777},
    "not to be read": {"mode": 0o001},
    "rooted": {"name": "/etc/evil"},
    "folder": {"type": tarfile.DIRTYPE, "mode": 0o755},
    "link": {"type": tarfile.SYMTYPE, "linkname": "there"},
    "link to nothing": {"name": "a/b", "type": tarfile.SYMTYPE, "linkname": "../none"},
    "hard link": {"type": tarfile.LNKTYPE, "linkname": "there"},
}


def member(**attributes: object) -> tarfile.TarInfo:
    """A member of an archive, with an owner."""
    made = tarfile.TarInfo("x")
    made.uid, made.uname = 12345, "somebody"
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def unpacked(tmp_path):
    """A folder in which an archive is being unpacked: a file, and a link out of it."""
    folder = tmp_path / "unpacked"
    folder.mkdir()
    (folder / "there").write_bytes(b"x")
    (folder / "out").symlink_to("..")
    return folder


@pytest.mark.parametrize("name", EVIL)
def test_a_member_that_reaches_out_is_refused_by_every_python(unpacked, name):
    with pytest.raises(tarfile.TarError) as ours:
        archive.as_data(member(**EVIL[name]), unpacked)
    if hasattr(tarfile, "data_filter"):
        with pytest.raises(tarfile.TarError) as theirs:
            tarfile.data_filter(member(**EVIL[name]), unpacked)
        assert str(ours.value).split()[-3:] == str(theirs.value).split()[-3:]


@pytest.mark.parametrize("name", GOOD)
def test_a_member_is_data_to_every_python(unpacked, name):
    given = member(**GOOD[name])
    made = archive.as_data(given, unpacked)
    assert (made.uid, made.uname, made.mode & 0o7022) == (os.geteuid(), "", 0)
    assert given.uid == 12345
    if hasattr(tarfile, "data_filter"):
        theirs = tarfile.data_filter(given, unpacked)
        assert made.name == theirs.name
        assert not made.isreg() or made.mode == theirs.mode


def test_an_archive_is_unpacked_alike_by_every_python(tmp_path, monkeypatch):
    path = tmp_path / "x.tar"
    path.write_bytes(tar({"a/x.mindrecord": b"rows", "a/x.mindrecord.db": b"index"}, mode=0o4777, uid=12345))
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.setattr(
        tarfile.TarFile, "extraction_filter", staticmethod(lambda found, _: found), raising=False
    )
    archive.extract(path, tmp_path / "x")
    found = tmp_path / "x/a/x.mindrecord"
    assert found.read_bytes() == b"rows"
    assert (found.stat().st_mode & 0o7777, found.stat().st_uid) == (0o755, os.geteuid())


def test_a_hard_link_to_what_has_not_been_unpacked_is_refused(unpacked):
    with pytest.raises(tarfile.TarError, match="which is not before it"):
        archive.as_data(member(type=tarfile.LNKTYPE, linkname="none"), unpacked)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--name", "train.json"],
            "NAME is 'train.json', expected a published file or folder, such as train-v2",
        ),
        (["--name", "rank_0", "--from", "http://x"], "FROM is 'http://x', expected https://..."),
        (
            ["--name", "data_converter.py", "--from", "https://127.0.0.1:9"],
            "https://127.0.0.1:9/data_converter.py: the server cannot be reached; run again",
        ),
    ],
)
def test_a_wrong_name_or_address_is_said_in_one_line(clone, words, message):
    assert clone.fails("published", *words).startswith(message)
    assert not (clone.folder / "data/published").exists()


def test_a_pin_without_its_data_stops_no_push_and_a_colleague_gets_the_data(
    here, served, s3, tmp_path, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(s3.cert))
    clone = ignoring(Clone(here.folder))
    clone.ok("published", "--name", "train-v2.json", "--from", served.address)
    clone.commit("pin")
    clone.ok("push")
    (served.folder / TRAIN).unlink()
    there = clone.fresh(tmp_path / "there")
    there.ok("pull")
    assert (there.folder / PLACE).is_file()
