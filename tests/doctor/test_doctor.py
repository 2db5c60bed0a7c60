"""`make doctor` finds what would stop a run, says what mends it, and leaves all as it is."""

import json
import socket
import subprocess
from pathlib import Path

import pytest

from abacus.doctor import environment, machine
from abacus.doctor.clone import remote
from abacus.doctor.finding import Finding, examined
from abacus.pipeline.mend import LOCK
from abacus.planning.needs import Needs
from abacus.profile import load
from tests.workspace import ROOT, program, small_clone

FREE = Needs(memory=2, memory_in_all=4, memory_free=3, disk=5, disk_free=6)


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A clone that has run nothing yet."""
    folder = tmp_path_factory.mktemp("doctor")
    small_clone(folder)
    return folder


def doctor(folder: Path, *words: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code, and what was found of each thing."""
    done = subprocess.run(
        [*program("doctor"), "--json", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    said = json.loads(done.stdout)
    found = {one["name"]: one for one in said["found"]}
    assert said["wrong"] == sum(one["state"] == "wrong" for one in found.values())
    assert len(found) == len(said["found"])
    return done.returncode, found


def contents(folder: Path) -> dict[str, bytes]:
    """All files but those that Python and DVC keep for themselves."""
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and folder / ".dvc" / "tmp" not in path.parents
    }


def test_a_clone_that_has_run_nothing_is_well(clone):
    before = contents(clone)
    code, found = doctor(clone)
    assert code == 0, found
    assert contents(clone) == before
    assert found["profile"]["found"].startswith("tiny")
    assert "stage synthesize makes it" in found["raw data"]["found"]
    assert found["base model"]["found"] == "not there yet, made from a seed by stage base"
    assert found["stages"]["found"].startswith("14 of 14 due (configure, ")
    assert found["stages"]["mend"] == "`make repro`"
    assert found["remote"]["state"] == "ok"


def test_what_is_wrong_is_named_with_what_mends_it(clone):
    """A profile that does not exist, half a lock, a remote whose server is off: one stops a run, two do not."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = clone / ".dvc" / "config"
    kept = config.read_text()
    config.write_text(
        "[core]\n    remote = team\n['remote \"team\"']\n    url = s3://bucket\n"
        f"    endpointurl = https://127.0.0.1:{port}\n"
    )
    (clone / LOCK).write_text("stages:\n  base:\n    cmd: 'py")
    code, found = doctor(clone, "--profile", "tinny")
    config.write_text(kept)
    (clone / LOCK).unlink()
    assert code == 1
    assert {name for name, one in found.items() if one["state"] == "wrong"} == {"profile"}
    assert found["profile"]["mend"] == "did you mean 'tiny'?"
    assert (found["dvc"]["state"], found["dvc"]["mend"][:11]) == ("warning", "`make mend`")
    assert found["remote"]["state"] == "warning" and "'team' does not answer" in found["remote"]["found"]


def test_a_remote_that_only_dvc_knows_stops_no_run(clone, monkeypatch):
    config = clone / ".dvc" / "config"
    kept = config.read_text()
    config.write_text("[core]\n    remote = disk\n['remote \"disk\"']\n    url = /somewhere\n")
    monkeypatch.chdir(clone)
    [found] = examined("remote", remote)
    config.write_text(kept)
    assert found.state == "warning" and "the remote 'disk' is at /somewhere" in found.found


def test_a_wrong_parameter_and_a_merge_that_is_not_ended_stop_a_run(clone):
    params = clone / "params.yaml"
    kept = params.read_text()
    params.write_text(kept.replace("train_size: 200", "train_size: 20000000"))
    code, found = doctor(clone)
    assert code == 1 and "train_size 20000000" in found["settings"]["found"]
    params.write_text(f"<<<<<<< HEAD\n{kept}=======\n>>>>>>> other\n")
    code, found = doctor(clone)
    params.write_text(kept)
    assert code == 1 and found["git"]["state"] == "wrong"


def test_packages_are_those_of_the_lock(tmp_path):
    assert [one.state for one in environment.packages(ROOT / environment.LOCK)] == ["ok"]
    lock = "pytest==0.1 \\\n    --hash=sha256:0\nno-such-thing==1.0 \\\n    --hash=sha256:0\n"
    lock += "neither==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:0\n"
    (tmp_path / "run.lock").write_text(lock)
    (found,) = environment.packages(tmp_path / "run.lock")
    assert (found.state, found.mend) == ("wrong", "`make setup`")
    assert "(0.1 in the lock), no-such-thing is missing (1.0 in the lock)" in found.found
    assert "neither" not in found.found


def test_what_frees_the_disk_keeps_what_commits_and_experiments_name(monkeypatch):
    full = FREE._replace(disk_free=4)
    monkeypatch.setattr(machine.needs, "of", lambda profile, stages: full)
    *_, disk = machine.room(load.profile("tiny", ROOT / "profiles"), ["base"])
    assert disk.state == "wrong" and disk.name == "disk"
    (words,) = [one.split() for one in disk.mend.split("`") if one.startswith("dvc gc")]
    assert {"--workspace", "--all-commits", "--all-experiments"} <= {*words}


@pytest.mark.parametrize(
    ("changed", "state"),
    [({}, "ok"), ({"memory_free": 1}, "warning"), ({"memory_in_all": 1, "memory_free": 1}, "wrong")],
)
def test_memory_that_is_taken_may_be_free_again_and_what_is_not_there_may_not(changed, state):
    found = machine.memory(FREE._replace(**changed), load.profile("tiny", ROOT / "profiles"))
    assert isinstance(found, Finding) and found.state == state
    assert bool(found.mend) == (state != "ok")
