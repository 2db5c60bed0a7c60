"""Answer the held-out problems and the reading questions with one checkpoint, greedily.

    python -m stages.predict --profile data/profile --base data/base --adapter checkpoints/N
        --math data/math-test.jsonl --squad data/reading/reading-v1.1.json --out data/predictions/N

Writes math.jsonl and squad.jsonl (question, reference, completion, whether it ended by itself, token counts, and the
negative log-likelihood of the reference in nats) and about.json (what answered, and how).
"""

from pathlib import Path

from tqdm import tqdm

from abacus.core.documents import write_json
from abacus.core.files import replacing
from abacus.core.options import Options
from abacus.core.params import PATH, section
from abacus.core.process import run
from abacus.core.quiet import framework_log
from abacus.data.rows import write_rows
from abacus.data.squad import read_questions
from abacus.inference.answering import (
    Predict,
    answer_problems,
    answer_questions,
    load,
    read_how,
    read_problems,
    sample_problems,
    sample_questions,
)
from abacus.problems.recipe import read_recipe


def main() -> None:
    parser = Options("python -m stages.predict", __doc__)
    for name in ("profile", "base", "adapter", "math", "squad", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    to = parser.parse_args()
    how = read_how(to.profile)
    params = section("predict", Predict, to.params)
    recipe = read_recipe(to.params)
    problems = sample_problems(read_problems(to.math), params.math_limit)
    questions = sample_questions(read_questions(to.squad), params.squad_limit)
    number = to.adapter.name
    with framework_log(Path(f"logs/predict-{number}.log")) as screen:
        prompter, decoder, about = load(how, to.base, to.adapter, screen, Path("logs/graphs"))
        total = len(problems) + len(questions)
        with tqdm(desc=f"predict {number}", total=total, unit=" answers", file=screen) as bar:
            common = {"min_new_tokens": how.decode.min_new_tokens, "progress": bar.update}
            math = answer_problems(
                decoder, prompter, problems, recipe, params.template,
                max_new_tokens=how.decode.math_new_tokens, **common,
            )  # fmt: skip
            reading = answer_questions(
                decoder, prompter, questions, max_new_tokens=how.decode.reading_new_tokens, **common
            )
    with replacing(to.out) as part:
        part.mkdir()
        write_rows(part / "math.jsonl", math)
        write_rows(part / "squad.jsonl", reading)
        asked = {"squad": params.squad, "template": params.template, "reading": how.prompt.reading}
        write_json(part / "about.json", about | asked)


if __name__ == "__main__":
    run(main)
