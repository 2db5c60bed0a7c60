"""Score one checkpoint's predictions: every metric of abacus/scoring/metrics.py, categories, and each question.

python -m stages.evaluate --predictions data/predictions/N --out metrics/checkpoints/N.json
    --categories metrics/categories/N.csv --answers metrics/answers/N.csv
"""

from pathlib import Path

from abacus.core.documents import write_csv, write_json
from abacus.core.files import replacing
from abacus.core.options import Options
from abacus.core.params import PATH
from abacus.core.process import run
from abacus.problems.categories import CATEGORIES
from abacus.problems.recipe import read_recipe
from abacus.scoring import questions
from abacus.scoring.checkpoint import read_answers
from abacus.scoring.metrics import by_category, scores


def main() -> None:
    parser = Options("python -m stages.evaluate", __doc__)
    for name in ("predictions", "out", "categories", "answers"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    args = parser.parse_args()
    answers = read_answers(args.predictions, read_recipe(args.params))
    rows = by_category(answers.math, [category.name for category in CATEGORIES])
    with (  # all are in place or none
        replacing(args.out) as out,
        replacing(args.categories) as categories,
        replacing(args.answers) as each,
    ):
        write_json(out, scores(answers))
        write_csv(categories, rows)
        write_csv(each, questions.rows(answers), questions.COLUMNS)


if __name__ == "__main__":
    run(main)
