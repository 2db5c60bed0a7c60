"""Answer the held-out problems and the reading questions with one checkpoint, greedily.

    python -m stages.predict --profile data/profile --base data/base --adapter checkpoints/N
        --math data/math-test.jsonl --squad data/reading/reading-v1.1.json --out data/predictions/N

Writes math.jsonl and squad.jsonl (question, reference, completion, whether it ended by itself, token counts, and the
negative log-likelihood of the reference in nats) and about.json (what answered, and how).
"""

from pathlib import Path

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
    know,
    problem_predictions,
    problems_asked,
    question_predictions,
    questions_asked,
    read_how,
    read_problems,
    said,
    sample_problems,
    sample_questions,
    too_few_tokens,
)
from abacus.inference.ranked import Places, Task, complete
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
    log = Path(f"logs/predict-{number}.log")
    folder = Path(f".scratch/predict/{number}")
    with framework_log(log) as screen:
        prompter, about = know(how, to.base, to.adapter)
        math = Task(problems_asked(prompter, problems, recipe, params.template), how.decode.math_new_tokens)
        reading = Task(questions_asked(prompter, questions), how.decode.reading_new_tokens)
        if warning := too_few_tokens(*math):
            print(warning, file=screen)
        places = Places(to.profile, to.base, to.adapter, folder, log, Path("logs/graphs"))
        solved, read = complete(how, places, (math, reading), screen)
    tokenizer = prompter.tokenizer
    with replacing(to.out) as part:
        part.mkdir()
        write_rows(part / "math.jsonl", problem_predictions(problems, said(tokenizer, math.prompts, solved)))
        write_rows(
            part / "squad.jsonl", question_predictions(questions, said(tokenizer, reading.prompts, read))
        )
        asked = {"squad": params.squad, "template": params.template, "reading": how.prompt.reading}
        write_json(part / "about.json", about | asked)


if __name__ == "__main__":
    run(main)
