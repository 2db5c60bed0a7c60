"""Small DVC repositories that share through a bucket, and the commands of sharing run in them."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.serving import KEY, S3, SECRET
from tests.workspace import program

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
CONFIG = (".dvc/config", ".dvc/obs.ini", ".dvc/.gitignore", ".dvcignore")
# An import that is not here, as `make squad` leaves it.
PIN = """\
md5: 40b01fe87c394db7dff8c29e87708876
frozen: true
deps:
- path: https://rajpurkar.github.io/SQuAD-explorer/dataset/dev-v1.1.json
  size: 4854279
  hash: md5
outs:
- md5: 3e85deb501d4e538b6bc56f786231552
  size: 4854279
  hash: md5
  path: dev-v1.1.json
"""
PIPELINE = """\
stages:
  base:
    cmd: python make.py data/base/model.ckpt 300000 data/base/tokenizer.json 2000
    outs: [data/base]
  finetune:
    cmd: >-
      python make.py checkpoints/1/adapter.ckpt 90000 checkpoints/2/adapter.ckpt 90001
      checkpoints/3/adapter.ckpt 90002 checkpoints/3/adapter.json 50 data/train.json 5000
    deps: [data/base]
    outs: [checkpoints, data/train.json]
    metrics:
      - metrics.json:
          cache: false
"""
MAKE = """\
import pathlib, random, sys
for name, size in zip(sys.argv[1::2], map(int, sys.argv[2::2])):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(random.Random(name).randbytes(size))
pathlib.Path("metrics.json").write_text('{"f1": 0.5}')
"""
IGNORED = "/data/base\n/data/train.json\n/data/big-*\n/checkpoints\n/data/squad/dev-v1.1.json\n"


class Clone:
    """A git clone with DVC in it, and the environment in which its commands run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        self.env |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        for name in ("AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_REQUEST_CHECKSUM_CALCULATION"):
            self.env.pop(name, None)

    def command(self, name: str, *words: object) -> list[str]:
        """The words of a stage, of a command behind the door, or of another program's."""
        return [*program(name), *map(str, words)]

    def run(
        self, name: str, *words: object, stdin: str | None = None, **env: str
    ) -> subprocess.CompletedProcess:
        """Run a command to its end."""
        done = subprocess.run(
            self.command(name, *words),
            cwd=self.folder,
            env=self.env | env,
            capture_output=True,
            text=True,
            input=stdin,
            timeout=600,
        )
        assert SECRET not in done.stdout + done.stderr, "a credential was printed"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def ok(self, name: str, *words: object, **env: str) -> str:
        """Run a command that must succeed; its standard output."""
        done = self.run(name, *words, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fails(self, name: str, *words: object, **env: str) -> str:
        """Run a command that must fail with one line of error, below nothing but bars; that line."""
        done = self.run(name, *words, **env)
        return one_error(done.returncode, done.stderr)

    def start(self, name: str, *words: object) -> subprocess.Popen:
        """Start a command."""
        return subprocess.Popen(
            self.command(name, *words),
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def files(self) -> dict[str, str]:
        """MD5 of every file of the workspace, by name."""
        inside = [self.folder / name for name in ("data", "checkpoints")]
        paths = sorted(path for top in inside for path in top.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in paths
        }

    def fresh(self, folder: Path) -> "Clone":
        """Another machine's clone: what git has of this one, with the certificates of the server."""
        subprocess.run(["git", "clone", "-q", str(self.folder), str(folder)], check=True)
        made = Clone(folder)
        if (self.folder / ".dvc/config.local").is_file():
            shutil.copy(self.folder / ".dvc/config.local", folder / ".dvc/config.local")
        return made

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        self.ok("git", "add", ".")
        self.ok("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", message)


def one_error(code: int, stderr: str) -> str:
    """The one line of error of a command that failed, below nothing but bars."""
    *above, last = stderr.replace("\r", "\n").strip().split("\n")
    assert code == 1, stderr
    assert last.strip().startswith("error: "), stderr
    assert not [line for line in above if "error" in line.lower()], stderr
    return last.strip().removeprefix("error: ")


def made(folder: Path) -> Clone:
    """A repository with data, checkpoints, a base model and an import that is not here; its lock committed."""
    for name in CONFIG:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "data/squad").mkdir(parents=True)
    (folder / "data/squad/dev-v1.1.json.dvc").write_text(PIN, encoding="utf-8")
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (folder / "make.py").write_text(MAKE, encoding="utf-8")
    (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
    clone = Clone(folder)
    clone.ok("git", "init", "-q")
    clone.ok("dvc", "repro", "-q")
    clone.commit("first")
    return clone


def shared(clone: Clone, server: S3) -> Clone:
    """The same repository with a remote at the server, a bucket of its own."""
    where = ["--bucket", server.bucket(), "--endpoint", f"https://{server.address}", "--ca", server.cert]
    clone.ok("remote", *where, "--prefix", "team/a")
    clone.commit("a bucket")
    return clone


def bucket(clone: Clone) -> str:
    """The bucket of a clone's remote."""
    return re.search(r"url = s3://([\w-]+)", (clone.folder / ".dvc/config").read_text(encoding="utf-8"))[1]


def enlarge(clone: Clone, sizes: dict[str, int]) -> None:
    """Add a stage that makes files of these sizes, run it and commit its lock."""
    words = " ".join(f"{name} {size}" for name, size in sizes.items())
    with (clone.folder / "dvc.yaml").open("a", encoding="utf-8") as file:
        file.write(f"  big:\n    cmd: python make.py {words}\n    outs: [{', '.join(sizes)}]\n")
    clone.ok("dvc", "repro", "-q", "big")
    clone.commit("big")


def impatient(clone: Clone) -> Clone:
    """The clone, with botocore trying twice and not five times: the tests need not wait for a server that is gone."""
    path = clone.folder / ".dvc/obs.ini"
    path.write_text(path.read_text(encoding="utf-8") + "max_attempts = 2\n", encoding="utf-8")
    return clone


def wait_for(what: Callable[[], T], seconds: float = 60) -> T:
    """Ask again and again until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
    return found
