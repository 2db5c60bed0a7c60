"""What tests share: folders, data of full size, and helpers that run a stage's command on small files."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import settings

from abacus.data.audit import audit
from abacus.data.counted import figures
from abacus.data.rows import Row
from abacus.data.selection import Prepare, sift
from abacus.data.splitting import split
from abacus.synthesis.rows import Synthesize, synthesize
from tests.clones import Clone
from tests.clones import made as made_clone
from tests.clones import shared as share_clone
from tests.serving import S3, Https
from tests.workspace import ROOT, program

# MindFormers writes its own log below this folder, by default in the current one; read when it is imported.
os.environ["LOCAL_DEFAULT_PATH"] = str(ROOT / "logs" / "tests")
os.environ["LOG_MF_PATH"] = str(ROOT / "logs" / "tests" / "log")

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


LONG = ("journeys", "training", "inference", "stages")  # whose files of tests take minutes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first, so that at the end no process waits long for another (`--no-loadscope-reorder`)."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data that is not released with the repository, or a skipped test."""
    folder = Path(os.environ.get("ABACUS_SHARED") or ROOT.parent / "shared" / "data")
    if not (folder / "rows.jsonl").is_file():
        pytest.skip(f"there is no rows.jsonl in {folder} (ABACUS_SHARED names another folder)")
    return folder


@pytest.fixture(scope="session")
def s3(tmp_path_factory) -> Iterator[S3]:
    """A running S3 server; a test that stops it starts it again."""
    server = S3(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def https(s3) -> Iterator[Callable[..., Https]]:
    """Serve a folder over https, or refuse everything: `https(folder)`, `https()`."""
    servers: list[Https] = []

    def serve(folder: Path | None = None) -> Https:
        servers.append(Https(folder, s3.cert, s3.key))
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """A small DVC repository after its run, to be copied."""
    return made_clone(tmp_path_factory.mktemp("template")).folder


@pytest.fixture
def here(template, s3, tmp_path) -> Clone:
    """A small DVC repository with a remote in an empty bucket of its own."""
    shutil.copytree(template, tmp_path / "here", symlinks=True)
    return share_clone(Clone(tmp_path / "here"), s3)


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of twenty megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a disk of its own cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(scope="session")
def stage() -> Callable[..., subprocess.CompletedProcess]:
    """Run a stage, or a command behind the door, in the repository's root; `stdin` is text."""

    def run(name: str, *arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*program(name), *map(str, arguments)],
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            check=False,
            encoding="utf-8",
        )

    return run


@pytest.fixture(scope="session")
def error_line() -> Callable[[subprocess.CompletedProcess], str]:
    """Check that a command failed with one error line, below nothing but a progress bar, and return it."""

    def check(done: subprocess.CompletedProcess) -> str:
        *above, last = done.stderr.removesuffix("\n").split("\n")
        assert done.returncode == 1, done.stderr
        assert last.startswith("error: "), done.stderr
        assert all(" rows" in line and "error" not in line for line in above if line), done.stderr
        return last.removeprefix("error: ")

    return check


@pytest.fixture
def params(tmp_path: Path) -> Callable[..., Path]:
    """Write the repository's params.yaml with some values changed to a file of its own."""

    def write(**changes: dict[str, object]) -> Path:
        values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        for section, keys in changes.items():
            values[section] = values[section] | keys if isinstance(keys, dict) else keys
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def write_lines() -> Callable[..., Path]:
    """Write objects as JSON Lines."""

    def write(path: Path, *rows: object) -> Path:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
        return path

    return write


@pytest.fixture(scope="session")
def recipe() -> Callable[..., Prepare]:
    """The committed recipe, with some values changed."""

    def make(**changes: object) -> Prepare:
        values = {
            "raw": "raw.json",
            "workings": "reference",
            "decimals": 4,
            "mix": "proportional",
            "leave_out": [],
            "order": "shuffled",
            "replay": 0,
            "train_size": 100_000,
            "test_size": 2_000,
            "multiple_of": 1,
            "seed": 42,
            "labels": "exact",
            "unknown": "stop",
            "engine": "local",
            "scheduler": "",
        }
        return Prepare(**values | changes)

    return make


def made(seed: int, scale: float) -> list[Row]:
    """Return raw rows as they are read from a file."""
    return [Row(line, **row) for line, row in enumerate(synthesize(Synthesize(seed=seed, scale=scale)), 1)]


@pytest.fixture(scope="session")
def small() -> list[Row]:
    """A thousandth of the raw data."""
    return made(seed=1, scale=0.001)


@pytest.fixture(scope="session")
def full(recipe) -> SimpleNamespace:
    """The default data at full size, and what prepare makes of it."""
    rows = made(seed=20240711, scale=1)
    rejected: list[dict] = []
    kept, counts, _ = sift(audit(rows), recipe().labels, rejected.append)
    train, chosen = split(kept, recipe(), rejected.append)
    found = figures(counts, chosen)
    return SimpleNamespace(
        rows=rows, kept=kept, rejected=rejected, train=train, test=chosen.test, figures=found
    )
