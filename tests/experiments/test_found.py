"""docs/recipes.md says what the committed results say."""

import os
import re
import shutil
import subprocess
import sys

from abacus.commands.leaderboard import shown
from abacus.experiments import results
from abacus.experiments.grid import GRIDS, planned, read_grid
from abacus.experiments.leaderboard import board, rows
from tests.workspace import ROOT

PAGE = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")


def test_the_page_shows_the_leaderboard_of_the_committed_results():
    grid = read_grid("recipes")
    found = results.find("recipes", planned(grid, GRIDS / "recipes.yaml"))
    table = rows(grid, board(grid, found))
    (tables,) = re.findall(
        r"<!-- leaderboard: recipes -->\n\n(.*?)\n\n<!-- leaderboard: end -->", PAGE, re.DOTALL
    )
    assert tables == shown(grid, table, "markdown")
    assert not any(one.other for one in found.values())
    # Every run of the grid stands in the page's own list, and none that is not.
    named = set(re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE.split("<!-- leaderboard")[0], re.MULTILINE))
    assert named == set(grid.runs)


def test_an_edit_that_leaves_results_out_leaves_what_shows_them(tmp_path):
    """With other decimals no result is this grid's baseline: that is said, and the committed files stay."""
    for name in ("abacus", "stages", "experiments", "profiles", "data/reading"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    edited = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("decimals: 4", "decimals: 2")
    (tmp_path / "params.yaml").write_text(edited, encoding="utf-8")
    before = {path: path.read_bytes() for path in tmp_path.glob("experiments/results/*.*")}
    done = subprocess.run(
        [sys.executable, "-m", "abacus", "leaderboard", "GRID=recipes"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert "reference, the baseline, has no result here: nothing is compared with it" in done.stderr
    assert "reference-42: was made with other parameters or data and is left out" in done.stderr
    assert "Against reference" not in done.stdout
    assert before == {path: path.read_bytes() for path in tmp_path.glob("experiments/results/*.*")}
