"""Answer the held-out problems and the reading questions with one checkpoint, greedily.

    python -m stages.predict --profile NAME --base data/base --adapter checkpoints/N
        --math data/math-test.jsonl --squad data/reading/reading-v1.1.json --out data/predictions/N

Writes math.jsonl and squad.jsonl (question, reference, completion, token counts, and the negative
log-likelihood of the reference in nats) and about.json (what answered, and how).
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

from tqdm import tqdm

from stages.command import InputError, read_json, replacing, run, write_json
from stages.model.config import profile
from stages.model.prompt import Prompt, Prompter
from stages.model.quiet import framework_log
from stages.model.tokenizer import Tokenizer
from stages.params import PATH, Range, section
from stages.problems.sampling import exact_shares, rank
from stages.problems.workings import recognise, working
from stages.reading import Question, read_questions
from stages.recipe import Recipe, read_recipe
from stages.rows import Row, clip, read_rows, write_rows


@dataclass(frozen=True)
class Predict:
    """Section `predict`: how many questions at most, the reading file, and the prompt.

    `template` is `trained` (the prompt of training) or `bare` (the problem alone, without template or
    BOS: the reference run's mismatch).
    """

    math_limit: Annotated[int, Range(1, 10**9)]
    squad_limit: Annotated[int, Range(1, 10**9)]
    squad: str
    template: Literal["trained", "bare"]


def read_problems(path: Path) -> list[tuple[Row, Any]]:
    """Read the held-out rows, each with its recognised problem."""
    problems = []
    for row in read_rows(path):
        try:
            problem = recognise(row.problem)
            _ = problem.answer
        except ValueError as error:
            raise InputError(f"{path}, line {row.line}: the problem {error}: {clip(row.problem)}") from None
        except ArithmeticError:
            raise InputError(
                f"{path}, line {row.line}: the problem has no answer: {clip(row.problem)}"
            ) from None
        problems.append((row, problem))
    return problems


def sample_problems(problems: list[tuple[Row, Any]], limit: int) -> list[tuple[Row, Any]]:
    """Take at most `limit` problems, in exact proportion with at least one a category, in their order."""
    if limit >= len(problems):
        return problems
    counts: dict[str, int] = {}
    for _, problem in problems:
        counts[problem.category.name] = counts.get(problem.category.name, 0) + 1
    try:
        left = exact_shares(counts, limit)
    except ValueError as error:
        raise InputError(f"params.yaml: predict.math_limit: {error}") from None
    taken = []
    for row, problem in problems:
        if left[problem.category.name]:
            left[problem.category.name] -= 1
            taken.append((row, problem))
    return taken


def sample_questions(questions: list[Question], limit: int) -> list[Question]:
    """Take at most `limit` questions, those with the smallest hashes, in their order."""
    chosen = {question.id for question in sorted(questions, key=lambda q: rank(q.id))[:limit]}
    return [question for question in questions if question.id in chosen]


def answer_problems(
    decoder: Any,
    prompter: Prompter,
    problems: list[tuple[Row, Any]],
    recipe: Recipe,
    template: str,
    **how: Any,
) -> list[dict[str, Any]]:
    """Return one prediction a problem; the reference that is scored by likelihood is the recipe's working."""
    prompts = problem_prompts(prompter, [row.problem for row, _ in problems], template)
    workings = [working(problem, recipe.workings, recipe.decimals) for _, problem in problems]
    found = complete(decoder, prompter, prompts, prompter.answers(workings), **how)
    return [
        {"question": row.problem, "reference": row.solution, **prediction}
        for (row, _), prediction in zip(problems, found, strict=True)
    ]


def problem_prompts(prompter: Prompter, problems: Sequence[str], template: str) -> list[list[int]]:
    """Return the ids of the prompt of each problem; `template` as in Predict."""
    return prompter.problems(problems) if template == "trained" else prompter.untemplated(problems)


def answer_questions(
    decoder: Any, prompter: Prompter, questions: list[Question], **how: Any
) -> list[dict[str, Any]]:
    """Return one prediction a reading question, with its first and all of its references."""
    prompts = prompter.passages([(q.context, q.question) for q in questions])
    found = complete(decoder, prompter, prompts, prompter.spans([q.answers[0] for q in questions]), **how)
    return [
        {
            "id": question.id,
            "question": question.question,
            "reference": question.answers[0],
            "references": list(question.answers),
            **prediction,
        }
        for question, prediction in zip(questions, found, strict=True)
    ]


def complete(
    decoder: Any,
    prompter: Prompter,
    prompts: Sequence[list[int]],
    references: Sequence[list[int]],
    **how: Any,
) -> list[dict[str, Any]]:
    """Return each prompt's completion, its token counts and the reference's negative log-likelihood."""
    asked = [Prompt(ids=p, reference=r) for p, r in zip(prompts, references, strict=True)]
    if not asked:
        return []
    return [
        {
            "completion": prompter.tokenizer.decode(done.ids),
            "prompt_tokens": len(prompt.ids),
            "completion_tokens": len(done.ids),
            "reference_tokens": len(prompt.reference),
            "reference_nll": done.reference_nll,
        }
        for prompt, done in zip(asked, decoder.complete(asked, **how), strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Answer problems and questions with one checkpoint.")
    parser.add_argument("--profile", required=True)
    for name in ("base", "adapter", "math", "squad", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=PATH)
    to = parser.parse_args()
    settings = profile(to.profile)
    params = section("predict", Predict, to.params)
    recipe = read_recipe(to.params)
    problems = sample_problems(read_problems(to.math), params.math_limit)
    questions = sample_questions(read_questions(to.squad), params.squad_limit)
    number = to.adapter.name
    with framework_log(Path(f"logs/predict-{number}.log")) as screen:
        prompter, decoder, about = load(settings, to.base, to.adapter, screen)
        how = settings["abacus"]["decode"]
        total = len(problems) + len(questions)
        with tqdm(desc=f"predict {number}", total=total, unit=" answers", file=screen) as bar:
            common = {"min_new_tokens": how["min_new_tokens"], "progress": bar.update}
            math = answer_problems(
                decoder, prompter, problems, recipe, params.template,
                max_new_tokens=how["math_new_tokens"], **common,
            )  # fmt: skip
            reading = answer_questions(
                decoder, prompter, questions, max_new_tokens=how["reading_new_tokens"], **common
            )
    with replacing(to.out) as part:
        part.mkdir()
        write_rows(part / "math.jsonl", math)
        write_rows(part / "squad.jsonl", reading)
        write_json(part / "about.json", about | {"squad": params.squad, "template": params.template})


def load(
    settings: dict[str, Any], base: Path, adapter: Path, screen: TextIO
) -> tuple[Prompter, Any, dict[str, Any]]:
    """Return prompter, decoder and facts of a checkpoint: the base model with its adapter folded in.

    `settings` is a profile (from `config.profile`) of the model in `base`.
    """
    print(f"predict {adapter.name}: loading the model", file=screen)
    from stages.model import weights as model
    from stages.model.lora import fold

    shape = read_json(base / "model.json", "the output of stage base")
    model.check_shape(shape, str(base / "model.json"))
    model.check_same(shape, model.shape_of(settings["model"]["model_config"]), base / "model.json")
    facts = read_adapter(adapter / "adapter.json")
    tokenizer = Tokenizer.load(base)
    prompt, decode = (settings["abacus"][key] for key in ("prompt", "decode"))
    weights = fold(model.load_checkpoint(base / "model.ckpt"), adapter)
    if decode["engine"] == "cached":
        from stages.model.decode import CachedDecoder

        decoder = CachedDecoder(weights, shape, eos_id=tokenizer.eos_id, batch_size=decode["batch_size"])
    else:
        from stages.model.generate import FrameworkDecoder

        decoder = FrameworkDecoder(settings, weights, shape, eos_id=tokenizer.eos_id, pad_id=tokenizer.pad_id)
    facts |= {"base_parameters": model.parameters(shape), "min_new_tokens": decode["min_new_tokens"]}
    return Prompter(tokenizer, prompt["template"], prompt["bos"]), decoder, facts


def read_adapter(path: Path) -> dict[str, int]:
    """Return step and number of trainable parameters of a checkpoint from its adapter.json."""
    about = read_json(path, "the output of stage finetune")
    facts = {key: about.get(key) for key in ("step", "trainable_parameters")}
    for key, value in facts.items():
        if type(value) is not int:
            raise InputError(f"{path}: '{key}' is {value!r}, expected the whole number that finetune writes")
    return facts


if __name__ == "__main__":
    run(main)
