"""What is seen of a running training: figures by step that go on after a kill, in files alone, and never in its way."""

import csv
import gc
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import mindspore
import numpy as np
import pytest
import yaml
from mindspore.train import RunContext
from mindspore.train.callback import _InternalCallbackParam
from tensorboardX.proto.event_pb2 import Event

from abacus.profile.model import PACKED_FIELDS
from abacus.training.figures import EVENTS, REPORT, VEGA, Figures
from abacus.training.live import LiveFigures
from abacus.training.progress import Step
from abacus.training.trainer import problems
from tests.training import write_mindrecord

ROOT = Path(__file__).parents[2]
BOTH = {"dvclive": True, "tensorboard": True}


@pytest.fixture(autouse=True)
def bundled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What draws the page is not bundled in each test: that takes seconds."""
    if "tmp_path" in request.fixturenames and request.node.originalname != "test_the_page_needs_no_host":
        folder = request.getfixturevalue("tmp_path") / "dvclive"
        folder.mkdir()
        (folder / VEGA).write_text("// drawn by nobody")


def figures(folder: Path, run: str, before: dict, **forms: bool) -> Figures:
    return Figures(folder / "dvclive", folder / "training.json", run, before, **BOTH | forms)


def table(folder: Path, name: str) -> dict[int, float]:
    """A figure by step, as DVC reads it."""
    path = folder / "dvclive" / "plots" / "metrics" / f"{name}.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len({row["step"] for row in rows}) == len(rows), "a step is there twice"
    return {int(row["step"]): float(row[name]) for row in rows}


def events(folder: Path) -> list[tuple[int, str, float]]:
    """Step, name and value of all that TensorBoard would read."""
    (path,) = (folder / "dvclive" / EVENTS).iterdir()
    data, found = path.read_bytes(), []
    while data:  # each: length, its checksum, the event, its checksum
        (size,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + size])
        found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
        data = data[16 + size :]
    return found


def test_each_step_is_in_every_form(tmp_path):
    seen = figures(tmp_path, "a", {})
    for step in (1, 2):
        seen.add(step, {"loss": 3.0 - step, "memory_gb": 1.5})
    assert table(tmp_path, "loss") == {1: 2.0, 2: 1.0}
    assert json.loads((tmp_path / "training.json").read_text()) == {"step": 2, "loss": 1.0, "memory_gb": 1.5}
    told = [
        (step, name, value) for step in (1, 2) for name, value in (("loss", 3.0 - step), ("memory_gb", 1.5))
    ]
    assert events(tmp_path) == told
    seen.close()
    page = (tmp_path / "dvclive" / REPORT).read_text()
    assert '"step": "2", "loss": "1.0"' in page
    assert "http-equiv" not in page, "it is drawn for the last time"


def test_a_run_goes_on_after_the_step_that_its_checkpoint_is_of(tmp_path):
    """What a killed process has seen after it is forgotten; what only that process knew of those before stays."""
    killed = figures(tmp_path, "a", {})
    for step in range(1, 6):
        killed.add(step, {"loss": float(step), "rows_per_second": 10.0 + step})
    left = tmp_path / "dvclive" / "plots" / "metrics" / "loss.tsv"
    left.write_text(left.read_text() + "6\t")  # it died here
    again = figures(tmp_path, "a", {step: {"loss": float(step)} for step in (1, 2, 3, 4)})
    again.add(5, {"loss": 0.5, "rows_per_second": 1.0})
    assert table(tmp_path, "loss") == {1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0, 5: 0.5}
    assert table(tmp_path, "rows_per_second") == {1: 11.0, 2: 12.0, 3: 13.0, 4: 14.0, 5: 1.0}
    assert [step for step, name, _ in events(tmp_path) if name == "loss"] == [1, 2, 3, 4, 5]


def test_another_run_takes_nothing_over(tmp_path):
    figures(tmp_path, "a", {}).add(1, {"loss": 1.0, "rows_per_second": 10.0})
    figures(tmp_path, "b", {1: {"loss": 2.0}}, tensorboard=False)
    assert table(tmp_path, "loss") == {1: 2.0}
    assert not (tmp_path / "dvclive" / "plots" / "metrics" / "rows_per_second.tsv").exists()


def test_the_page_needs_no_host(tmp_path):
    """Nothing in it is loaded from elsewhere, and what it loads from beside it is whole."""
    seen = figures(tmp_path, "a", {}, tensorboard=False)
    seen.add(1, {"loss": 1.0})
    page = (tmp_path / "dvclive" / REPORT).read_text()
    assert re.findall(r"(?:src|href)=[\"']?([^\"'> ]+)", page) == [VEGA]
    assert 'http-equiv="refresh"' in page
    assert "window.vegaEmbed=" in (tmp_path / "dvclive" / VEGA).read_text()


ALONE = """
import sys
from pathlib import Path

def hook(event, words):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        print("contacted", words[1:], flush=True)

sys.addaudithook(hook)
from abacus.training.figures import Figures
seen = Figures(Path("dvclive"), Path("training.json"), "a", {}, dvclive=True, tensorboard=True)
seen.add(1, {"loss": 1.0})
seen.close()
"""


def test_no_host_is_contacted_and_git_stays_as_it_is(template, tmp_path):
    """Within an experiment of DVC, with a token of its Studio at hand: DVCLive would post there, and add to git."""
    state = ("for-each-ref", "status --porcelain --ignored", "stash list", "ls-files --stage")

    def git() -> list[str]:
        words = [["git", *line.split()] for line in state]
        return [subprocess.run(w, cwd=template, capture_output=True, text=True).stdout for w in words]

    before = git()
    exclude = template / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    kept = exclude.read_text() if exclude.exists() else ""
    exclude.write_text("/dvclive/\n/training.json\n")
    given = {"DVC_STUDIO_TOKEN": "isat_token", "DVC_ROOT": str(template), "DVC_EXP_BASELINE_REV": "0" * 40}
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        cwd=template,
        env={**os.environ, **given, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (template / "dvclive" / REPORT).is_file()
    for path in sorted((template / "dvclive").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (template / "dvclive").rmdir()
    (template / "training.json").unlink()
    exclude.write_text(kept)
    assert git() == before


def test_nothing_that_is_seen_is_read_by_a_stage_or_kept():
    """So that no switch of it, and no figure, makes a stage stale."""
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    written = ("dvclive", "metrics/live", "data/profile/live.yaml")
    for stage in pipeline.values():
        for kind in ("deps", "outs", "metrics", "plots"):
            names = [one if isinstance(one, str) else next(iter(one)) for one in stage.get(kind, [])]
            # data/profile as a whole is what configure makes.
            assert not [name for name in names if name.startswith(written)]
    words = ["git", "check-ignore", "dvclive/report.html", "metrics/live/training.json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == words[2:]


def test_rows_of_packed_sequences_are_counted(tmp_path):
    """Three problems in one sequence, one and padding in the other: two on the average."""
    numbers = ([1, 1, 2, 3], [1, 1, 0, 0])
    data = [{field: np.array(rows, np.int32) for field in PACKED_FIELDS} for rows in numbers]
    write_mindrecord(tmp_path / "packed.mindrecord", data)
    assert problems(tmp_path / "packed.mindrecord") == 2


def context(step: int) -> RunContext:
    """What MindSpore hands to a callback at the end of a step."""
    parameters = _InternalCallbackParam()
    parameters.cur_step_num = step
    loss, overflow, rate = mindspore.Tensor(2.5), mindspore.Tensor(False), mindspore.Tensor(0.5)
    parameters.net_outputs = (loss, overflow, mindspore.Tensor(1.0), rate)
    return RunContext(parameters)


def test_a_full_disk_is_said_once_and_stops_nothing(disk):
    said: list[str] = []
    folder = disk / "dvclive"
    folder.mkdir()
    (folder / VEGA).write_text("")
    live = LiveFigures(str(folder), str(disk / "training.json"), "a", 8.0, [], said.append, **BOTH)
    live.on_train_begin(context(0))
    for step in range(1, 4):
        live.on_train_step_end(context(step))
    assert said == []
    assert len(table(disk, "rows_per_second")) == 2, "the first step waits for the graphs"
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
    for step in range(4, 60):
        live.on_train_step_end(context(step))
    live.on_train_end(context(60))
    del live
    gc.collect()  # the event file is open as long as anything knows of it, and the disk busy
    assert len(said) == 1
    assert said[0].startswith(f"no more live figures in {folder}: ") and "No space left" in said[0]


def test_what_cannot_begin_is_said_and_stops_nothing(tmp_path):
    said: list[str] = []
    (tmp_path / "file").write_text("")
    before = [Step(1, 2.5, 0.1, False)]
    live = LiveFigures(str(tmp_path / "file"), str(tmp_path / "training.json"), "a", 8.0, before, said.append)
    for call in (live.on_train_begin, live.on_train_step_end, live.on_train_end):
        call(context(2))
    assert len(said) == 1
