"""docs/recipes.md says what the committed results say."""

import re

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
