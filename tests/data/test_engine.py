"""Dask as the engine of prepare: the same bytes and errors as without it, also when a worker is killed; what is asked of a cluster."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from abacus.core.errors import InputError
from abacus.data.engine import check_workers, engine
from abacus.data.rows import write_rows
from tests.stages.test_prepare import OUTS, many, pairs, prepared
from tests.workspace import ROOT, program


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A Dask cluster of two processes."""
    for name in ("distributed", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    place = str(tmp_path_factory.mktemp("dask"))
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        memory_limit=0,
        dashboard_address=":0",
        local_directory=place,
        silence_logs=logging.CRITICAL,
    ) as found:
        yield found


@pytest.fixture
def recipes(params, tmp_path):
    """Parameters of the engine `local`, and of Dask with the scheduler at an address."""

    def write(address, **recipe):
        made = []
        for engine_, scheduler in (("local", ""), ("dask", address)):
            path = params(prepare={"engine": engine_, "scheduler": scheduler, **recipe})
            made.append(path.rename(tmp_path / f"{engine_}.yaml"))
        return made

    return write


def test_the_bytes_are_the_same_from_a_cluster(stage, cluster, recipes, tmp_path):
    raw = tmp_path / "raw.json"
    write_rows(raw, pairs(many(4000)))
    recipe = {"train_size": 700, "test_size": 80, "unknown": "drop", "mix": "balanced", "replay": 0.1}
    local, dask = recipes(cluster.scheduler_address, **recipe)
    (here, done), (there, spread) = (
        prepared(stage, tmp_path / path.stem, raw, path, 1, parts) for path, parts in ((local, 1), (dask, 6))
    )
    assert (done.returncode, spread.returncode) == (0, 0), spread.stderr
    assert set(here) == set(OUTS) and here == there


def test_an_error_is_the_same_from_a_cluster(stage, cluster, recipes, error_line, tmp_path):
    raw = tmp_path / "raw.json"
    write_rows(raw, pairs(many(4000)))
    lines = raw.read_bytes().splitlines(keepends=True)
    lines[2900], lines[3900] = b"[]\n", b"{}\n"
    raw.write_bytes(b"".join(lines))
    found, done = prepared(stage, tmp_path, raw, recipes(cluster.scheduler_address)[1], 1, 6)
    assert error_line(done) == f"{raw}, line 2901: not a JSON object: []"
    assert not found


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_no_byte(stage, cluster, recipes, tmp_path):
    raw = tmp_path / "raw.json"
    write_rows(raw, [row for _ in range(12) for row in pairs(many(6000))])
    recipe = {"train_size": 1000, "test_size": 100, "unknown": "drop"}
    local, dask = recipes(cluster.scheduler_address, **recipe)
    here, _ = prepared(stage, tmp_path / "local", raw, local, 1, 1)
    outs = {name: tmp_path / name for name in OUTS}
    flags = [text for name, path in outs.items() for text in (f"--{name}", path)]
    command = [*program("prepare"), "--raw", raw, "--params", dask, *flags, "--parts", 24]
    with Client(cluster) as client:
        pids = client.run(os.getpid)
        with subprocess.Popen(list(map(str, command)), cwd=ROOT, stderr=subprocess.PIPE) as process:
            victim, begun = next(iter(pids)), time.monotonic()
            while not client.processing()[victim] and time.monotonic() < begun + 120:
                time.sleep(0.01)
            assert client.processing()[victim], "it was at work"
            os.kill(pids[victim], signal.SIGKILL)
            said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, said
        assert pids[victim] not in client.run(os.getpid).values()
    assert {name: path.read_bytes() for name, path in outs.items()} == here


def test_a_worker_of_another_clone_is_told_of(cluster, recipe, tmp_path):
    """The worker takes another folder for that of its code."""
    params = recipe(engine="dask", scheduler=cluster.scheduler_address, raw=str(tmp_path / "raw.json"))
    with engine(params, 1, tmp_path):
        pass
    with (
        Client(cluster) as client,
        pytest.raises(InputError, match=r"^the Dask worker tcp://\S+ runs other code; "),
    ):
        client.run(_elsewhere, str(tmp_path))
        check_workers(client, tmp_path / "raw.json", tmp_path)
    with Client(cluster) as client:
        client.run(_elsewhere, None)


def _elsewhere(folder):
    """Let a worker take another folder for the one of its code."""
    from abacus.data import engine as module

    module.CODE = Path(folder) if folder else Path(module.__file__).parents[1]


def test_an_address_that_is_none_is_a_line_for_the_user(recipe, tmp_path):
    params = recipe(engine="dask", scheduler="no address")
    with pytest.raises(InputError) as caught, engine(params, 1, tmp_path):
        pass
    assert str(caught.value).startswith("params.yaml: prepare.scheduler no address: ")


def test_without_the_package_one_line_says_how_to_get_it(recipe, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)  # so Python hides a package
    with pytest.raises(InputError) as caught, engine(recipe(engine="dask"), 1, tmp_path):
        pass
    assert str(caught.value) == (
        "params.yaml: prepare.engine is dask, and the package `distributed` is not installed;"
        " `.venv/bin/python -m pip install distributed` installs it, or set engine: local"
    )
