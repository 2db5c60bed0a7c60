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
from abacus.profile import load
from tests.workspace import ROOT

DEFAULT = load.profile("smollm2-135m").document.abacus
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


def test_the_page_shows_what_rates_and_batches_came_to():
    found = results.find("rates", planned(read_grid("rates"), GRIDS / "rates.yaml"))
    assert not any(one.other for one in found.values())
    (table,) = re.findall(r"<!-- rates -->\n\n(.*?)\n\n", PAGE, re.DOTALL)
    shown = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    made = []
    for one in found.values():
        last, batch = one.result.last, one.plan.profile.get("abacus", {}).get("finetune", {})
        figures = [f"{last['math_strict']:.2f}", f"{last['math_nll']:.3f}", f"{last['answer_nll']:.3f}"]
        rows = batch.get("batch_rows", DEFAULT.finetune.batch_rows)
        made.append([one.plan.run, str(rows), str(one.result.budget["steps"]), *figures])
    assert shown == made


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
