"""What `make eval JSON=1` prints: the summary and every checkpoint's metrics."""

import json

from abacus.commands.eval import as_json
from tests.scores import checkpoint


def test_the_numbers_are_those_of_the_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metrics = {str(n): checkpoint(step=n * 10, math_strict=float(n)) for n in range(3)}
    (tmp_path / "metrics/checkpoints").mkdir(parents=True)
    for number, found in metrics.items():
        (tmp_path / f"metrics/checkpoints/{number}.json").write_text(json.dumps(found))
    (tmp_path / "metrics/summary.json").write_text('{"best_checkpoint": 2}')
    assert json.loads(as_json([0, 1, 2])) == {"summary": {"best_checkpoint": 2}, "checkpoints": metrics}
