"""Make the report of the run, bring the evaluation up to date if need be, and open it.

    make report [AGAINST=revision] [FIGURES=folder] [OPEN=0]

The page is report/index.html; AGAINST writes another one beside it, with the figures of an older run (a revision of git's,
or an experiment of DVC) in every plot and table. FIGURES draws the figures as SVG and PNG into a folder.
"""

import argparse
import os
import sys
import tempfile
import webbrowser
from pathlib import Path

from abacus.core.errors import InputError
from abacus.core.files import replacing
from abacus.pipeline import judge
from abacus.pipeline.mend import mend
from abacus.pipeline.reproduce import reproduce
from abacus.pipeline.revision import commit_of, lay_out
from abacus.report.figures import drawn
from abacus.report.page import render
from abacus.report.pictures import draw
from abacus.report.run import Places, Run, read

PAGE = Path("report/index.html")
SHOWN = 7  # characters of a commit's hash


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--against", help="a revision whose figures stand beside this run's")
    parser.add_argument("--figures", type=Path, help="a folder for the figures as SVG and PNG")
    parser.add_argument("--open", action=argparse.BooleanOptionalAction, default=True, help="in a browser")


def main(args: argparse.Namespace) -> None:
    commit = commit_of(args.against) if args.against else ""
    for line in mend():
        print(line, file=sys.stderr)
    judge.everything()
    reproduce("report", quiet=True)
    page, old = PAGE, None
    if commit:
        old = older(args.against, commit)
        page = PAGE.with_name(f"against-{commit[:SHOWN]}.html")
        with replacing(page) as part:
            part.write_text(render(read(Places()), old), encoding="utf-8")
    if args.figures:
        for path in draw(drawn(read(Places()), old), args.figures):
            print(path, file=sys.stderr)
    print(page)
    if args.open and shows():
        webbrowser.open_new(page.resolve().as_uri())


def older(revision: str, commit: str) -> Run:
    """The run of a commit, as far as git and DVC have it; what they have not is said."""
    places = Places()
    cached = [places.checkpoints / name for name in ("training.csv", "config.yaml")]
    cached += [places.profile, places.predictions]
    kept = [place for place in places if not any(path.is_relative_to(place) for path in cached)]
    name = commit[:SHOWN] if revision == commit else revision
    with tempfile.TemporaryDirectory() as folder:
        for path in lay_out(commit, kept, cached, Path(folder)):
            print(f"{path} of {revision} is in neither cache nor remote, and is left out", file=sys.stderr)
        try:
            return read(places.below(Path(folder)), name)
        except InputError as error:  # of a file that the user knows by its revision
            place = error.place.replace(f"{folder}/", f"{revision}:")
            raise InputError(place, error.found, error.expected, error.advice) from None


def shows() -> bool:
    """Whether there is a display to open a browser on."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
