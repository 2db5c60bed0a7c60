"""Compare the checkpoints: the best one, the gate, the contest's figures.

python -m stages.report --metrics metrics/checkpoints --answers metrics/answers
    --predictions data/predictions --summary metrics/summary.json --table metrics/checkpoints.csv

Checkpoint 0 is the base model; the gate is 90 % of its F1 and EM (MindFormers' definition).
"""

from pathlib import Path

from abacus.core.documents import write_json
from abacus.core.files import replacing
from abacus.core.options import Options
from abacus.core.params import PATH, checkpoints
from abacus.core.process import run
from abacus.scoring import questions
from abacus.scoring.checkpoint import ABOUT, read_about
from abacus.scoring.summary import choose, read_metrics, summarise, write_table


def main() -> None:
    parser = Options("python -m stages.report", __doc__)
    for name in ("metrics", "answers", "predictions", "summary", "table"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    to = parser.parse_args()
    numbers = checkpoints(to.params)
    metrics, outcomes = read_metrics(to.metrics, numbers), questions.read_all(to.answers, numbers)
    best = choose(metrics)
    sizes = read_about(to.predictions / str(best.number) / ABOUT)
    summary = summarise(metrics, best, sizes.model_dump(), outcomes)
    with (
        replacing(to.summary) as summary_part,
        replacing(to.table) as table_part,
    ):
        write_json(summary_part, summary)
        write_table(table_part, metrics)


if __name__ == "__main__":
    run(main)
