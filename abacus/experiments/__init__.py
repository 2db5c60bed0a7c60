"""Recipes compared by experiment: grids, their runs in copies, results, the leaderboard."""
