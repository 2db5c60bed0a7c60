"""Figures of a running training where other programs draw them: DVCLive's files and a page, TensorBoard's event files.

In the folder `dvclive`: `plots/metrics/NAME.tsv` for `dvc plots` and the extension for VS Code, `report.html`, which renews
itself, `tensorboard/`; the last step's figures in a file of their own, for `dvc exp show`. No stage reads any of it. DVCLive
is asked for its files alone: it saves no experiment, leaves git and dvc.yaml as they are, and no host hears of it.
"""

import csv
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abacus.core.documents import read_yaml, write_json
from abacus.core.files import replacing

ByStep = Mapping[int, Mapping[str, float]]  # figures by name

PARAMS, METRICS, REPORT, VEGA, EVENTS = (
    "params.yaml",
    "plots/metrics",
    "report.html",
    "vega.js",
    "tensorboard",
)
RUN = "run"  # in params.yaml: the run whose figures these are
VEGA_LITE = "5.21"  # of the version that DVC's templates are written for
REFRESH = 5  # seconds
SHARE = 0.02  # of a training's time, at most, that its page may take
# DVCLive's own page loads its scripts from a host; this one has them beside it.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
    <meta charset="utf-8">
    {refresh_tag}
    <title>Training</title>
    <script src="vega.js"></script>
    <style>body { font-family: sans-serif } td, th { padding: 0 1em 0 0; text-align: left }</style>
</head>
<body>
    <h1>Training</h1>
    {plot_divs}
</body>
</html>"""


def earlier(folder: Path, run: str, done: int) -> dict[int, dict[str, float]]:
    """What a killed process of the same run has left of its steps up to `done`; nothing of another run."""
    if not (folder / PARAMS).is_file() or read_yaml(folder / PARAMS).get(RUN) != run:
        return {}
    found: dict[int, dict[str, float]] = defaultdict(dict)
    for path in (folder / METRICS).glob("*.tsv"):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                try:
                    step, value = int(row["step"]), float(row[path.stem])
                except (KeyError, TypeError, ValueError):  # half a line
                    continue
                if step <= done:
                    found[step][path.stem] = value
    return dict(found)


class Tables:
    """DVCLive's files in `folder`, a page drawn from them, the last figures in `summary`; of a run before all are removed.

    DVCLive would have the last figures in `folder` too. DVC complains of a file of metrics that a commit has not, and
    not of one that a folder has not.
    """

    def __init__(self, folder: Path, summary: Path, run: str) -> None:
        os.environ["DVC_STUDIO_OFFLINE"] = "1"  # DVCLive would post to a Studio whose token it finds
        from dvclive import Live

        self._folder, self._summary = folder, summary
        self._drawn, self._took = 0.0, 0.0
        summary.unlink(missing_ok=True)
        self._live = Live(str(folder), save_dvc_exp=False, dvcyaml=False)
        if (
            self._live._dvc_repo
        ):  # it has looked which commit this is; git's files would be open until Python ends
            self._live._dvc_repo.close()
        self._live.log_param(RUN, run)
        self._write_vega()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write the figures of a step."""
        self._live.step = step
        for name, value in values.items():
            self._live.log_metric(name, value)

    def show(self) -> None:
        """Have the last step seen; the page only every few seconds, for it is drawn anew from all steps."""
        from dvclive.vscode import mark_dvclive_step_completed

        self._sum_up()
        mark_dvclive_step_completed(self._live.step)  # what the extension for VS Code waits for
        if time.monotonic() - self._drawn > max(REFRESH, self._took / SHARE):
            self._draw(REFRESH)

    def close(self) -> None:
        """Draw the page for the last time. Not by `Live.end`, which would add files to git in an experiment."""
        from dvclive.vscode import cleanup_dvclive_step_completed

        self._sum_up()
        self._draw(None)
        cleanup_dvclive_step_completed()

    def _sum_up(self) -> None:
        """Write the last step's figures."""
        write_json(self._summary, {"step": self._live.step, **self._live.summary})

    def _draw(self, refresh: int | None) -> None:
        """Write the page; a browser never sees half of it."""
        from dvc_render.html import HTML
        from dvclive.report import get_metrics_renderers, get_params_renderers, get_scalar_renderers

        begun = time.monotonic()
        page = HTML(PAGE, refresh_seconds=refresh)
        drawn = sorted(get_scalar_renderers(self._folder / METRICS), key=lambda one: one.name)
        tables = [
            *get_metrics_renderers(self._summary),
            *get_params_renderers(self._live.params_file),
        ]
        for renderer in [*drawn, *tables]:
            page.with_element(renderer.generate_html())
        with replacing(self._folder / REPORT) as part:
            part.write_text(page.embed(), encoding="utf-8")
        self._drawn = time.monotonic()
        self._took = self._drawn - begun

    def _write_vega(self) -> None:
        """What draws the page, whole, so that it is drawn without a network; bundled once, for that takes seconds."""
        import vl_convert

        if not (self._folder / VEGA).is_file():
            with replacing(self._folder / VEGA) as part:
                part.write_text(vl_convert.javascript_bundle(vl_version=VEGA_LITE), encoding="utf-8")


class Events:
    """TensorBoard's event files in `folder`; those of a run before are removed.

    Written by this thread: tensorboardX's SummaryWriter, which is MindFormers' own too, hands events to a thread that a
    full disk ends, and then waits for it without end.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboardX.event_file_writer import EventsWriter

        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._file = EventsWriter(str(folder / "events"))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write the figures of a step."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        for name, value in values.items():
            self._file.write_event(Event(wall_time=time.time(), step=step, summary=scalar(name, value)))

    def show(self) -> None:
        """Have the last step seen."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Figures:
    """The figures of a run, in all the forms that are wanted, beginning with those of its steps before."""

    def __init__(
        self, folder: Path, summary: Path, run: str, before: ByStep, *, dvclive: bool, tensorboard: bool
    ) -> None:
        kept = earlier(folder, run, max(before, default=0))
        self._forms: list[Any] = [Tables(folder, summary, run)] if dvclive else []
        self._forms += [Events(folder / EVENTS)] if tensorboard else []
        for step, values in before.items():
            self._add(step, kept.get(step, {}) | dict(values))

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write the figures of a step and have them seen."""
        self._add(step, values)
        for form in self._forms:
            form.show()

    def close(self) -> None:
        """Leave all of it whole."""
        for form in self._forms:
            form.close()

    def _add(self, step: int, values: Mapping[str, float]) -> None:
        for form in self._forms:
            form.add(step, values)
