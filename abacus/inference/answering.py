"""What one checkpoint is asked, and its answers: problems and reading questions as predictions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Protocol, TextIO

from abacus.core.errors import InputError
from abacus.core.typed import Model, whole
from abacus.data.rows import Row, clip, read_rows
from abacus.data.squad import Question
from abacus.problems.recipe import Recipe
from abacus.problems.sampling import exact_shares, rank
from abacus.problems.workings import recognise, working
from abacus.profile import concerns
from abacus.profile.load import Profile
from abacus.profile.model import Compute, Decode, Llama
from abacus.profile.model import Prompt as PromptOptions
from abacus.text.prompt import Completion, Prompt, Prompter
from abacus.text.tokenizer import Tokenizer
from abacus.weights.architecture import check_same, parameters, read_architecture
from abacus.weights.lora import read_adapter


class Predict(Model):
    """Section `predict`: how many questions at most, the reading file, and the prompt.

    `template` is `trained` (the prompt of training) or `bare` (the problem alone, without template or
    BOS: the reference run's mismatch).
    """

    math_limit: Annotated[int, whole(1, 10**9)]
    squad_limit: Annotated[int, whole(1, 10**9)]
    squad: str
    template: Literal["trained", "bare"]


@dataclass(frozen=True)
class How:
    """How a checkpoint is asked: a profile's prompt, decoding, model and device."""

    prompt: PromptOptions
    decode: Decode
    llama: Llama
    compute: Compute


class Decoder(Protocol):
    """What completes prompts greedily."""

    def prepare(self, tasks: Iterable[tuple[Sequence[Prompt], int]]) -> None:
        """Know all that is to come, prompts with their most new tokens: what compiles graphs does it now."""
        ...

    def complete(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        min_new_tokens: int = 0,
        progress: Callable[[int], object] = ...,
        among: Sequence[Prompt] = (),
    ) -> list[Completion]:
        """The completion of each prompt, in their order; minus the log-likelihood of its reference in nats.

        They are those that the prompts get among all of `among`, to the last bit, if they are a share of these as
        `abacus.inference.ranked` makes it.
        """
        ...


def how_of(profile: Profile) -> How:
    """How a profile asks."""
    return How(profile.prompt, profile.decode, profile.llama, profile.compute)


def read_how(folder: Path) -> How:
    """How stage configure says that a checkpoint is asked."""
    return How(
        concerns.read(folder / concerns.PROMPT, PromptOptions),
        concerns.read(folder / concerns.DECODE, Decode),
        concerns.read(folder / concerns.ARCHITECTURE, Llama),
        concerns.read(folder / concerns.COMPUTE, Compute),
    )


def read_problems(path: Path) -> list[tuple[Row, Any]]:
    """Read the held-out rows, each with its recognised problem."""
    problems = []
    for row in read_rows(path):
        try:
            problem = recognise(row.problem)
            _ = problem.answer
        except ValueError as error:
            raise InputError(
                f"{path}, line {row.line}", f"the problem {error}: {clip(row.problem)}"
            ) from None
        except ArithmeticError:
            raise InputError(
                f"{path}, line {row.line}", f"the problem has no answer: {clip(row.problem)}"
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
        raise InputError("params.yaml", f"predict.math_limit: {error}") from None
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


def problems_asked(
    prompter: Prompter, problems: list[tuple[Row, Any]], recipe: Recipe, template: str
) -> list[Prompt]:
    """Return a prompt a problem; the reference that is scored by likelihood is the recipe's working."""
    prompts = problem_prompts(prompter, [row.problem for row, _ in problems], template)
    workings = [working(problem, recipe.workings, recipe.decimals) for _, problem in problems]
    return [Prompt(*both) for both in zip(prompts, prompter.answers(workings), strict=True)]


def problem_predictions(problems: list[tuple[Row, Any]], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one prediction a problem, given what was said to each."""
    return [
        {"question": row.problem, "reference": row.solution, **prediction}
        for (row, _), prediction in zip(problems, found, strict=True)
    ]


def problem_prompts(prompter: Prompter, problems: Sequence[str], template: str) -> list[list[int]]:
    """Return the ids of the prompt of each problem; `template` as in Predict."""
    return prompter.problems(problems) if template == "trained" else prompter.untemplated(problems)


def questions_asked(prompter: Prompter, questions: list[Question]) -> list[Prompt]:
    """Return a prompt a reading question; the first of its references is scored by likelihood."""
    prompts = prompter.passages([(q.context, q.question) for q in questions])
    references = prompter.spans([q.answers[0] for q in questions])
    return [Prompt(*both) for both in zip(prompts, references, strict=True)]


def question_predictions(questions: list[Question], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one prediction a reading question, with its first and all of its references."""
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


def said(
    tokenizer: Tokenizer, prompts: Sequence[Prompt], found: Sequence[Completion]
) -> list[dict[str, Any]]:
    """Return each prompt's completion, whether it ended, its token counts, and the reference's likelihood in nats."""
    return [
        {
            "completion": tokenizer.decode(done.ids),
            "ended": done.ended,
            "prompt_tokens": len(prompt.ids),
            "completion_tokens": len(done.ids),
            "reference_tokens": len(prompt.reference),
            "reference_nll": done.reference_nll,
        }
        for prompt, done in zip(prompts, found, strict=True)
    ]


def too_few_tokens(problems: Sequence[Prompt], limit: int) -> str:
    """Return a line that warns of a `limit` of new tokens that cuts the problems' workings; '' if it cuts none.

    A cut answer is none. Lengths are in the model's own tokens, EOS among them.
    """
    needed = [len(prompt.reference) for prompt in problems]
    if max(needed, default=0) <= limit:
        return ""
    cut = sum(tokens > limit for tokens in needed)
    key = "abacus.decode.math_new_tokens"
    return (
        f"warning: {key} is {limit}, expected at least {max(needed)}: it cuts the workings of {cut} of "
        f"{len(needed)} problems, and a cut answer is wrong; set {key} in the profile"
    )


def complete(
    decoder: Decoder,
    prompter: Prompter,
    prompts: Sequence[list[int]],
    references: Sequence[list[int]],
    **how: Any,
) -> list[dict[str, Any]]:
    """Return what is said to each prompt, as `said` has it."""
    asked = [Prompt(ids=p, reference=r) for p, r in zip(prompts, references, strict=True)]
    return said(prompter.tokenizer, asked, decoder.complete(asked, **how) if asked else [])


class Known(NamedTuple):
    """A checkpoint before its weights are read: what makes prompts, and its facts."""

    prompter: Prompter
    facts: dict[str, int]


class Asked(NamedTuple):
    """A checkpoint that can be asked: what makes prompts, what completes them, and its facts."""

    prompter: Prompter
    decoder: Decoder
    facts: dict[str, int]


def know(how: How, base: Path, adapter: Path) -> Known:
    """Judge a checkpoint, the base model in the folder `base` with its adapter, by all but its weights."""
    architecture = read_architecture(base)
    check_same(architecture, how.llama.architecture, base / "model.json")
    found = read_adapter(adapter / "adapter.json")
    facts = found.model_dump() | {
        "base_parameters": parameters(architecture),
        "min_new_tokens": how.decode.min_new_tokens,
    }
    prompt = how.prompt
    return Known(Prompter(Tokenizer.load(base), prompt.template, prompt.bos, prompt.reading), facts)


def load(how: How, base: Path, adapter: Path, screen: TextIO, graphs: Path | None = None) -> Asked:
    """Load a checkpoint: the base model in the folder `base` with its adapter folded in.

    Compiled graphs are kept in `graphs`, if that is given.
    """
    print(f"predict {adapter.name}: loading the model", file=screen)
    prompter, facts = know(how, base, adapter)
    return Asked(prompter, load_decoder(how, base, adapter, prompter.tokenizer, graphs), facts)


def load_decoder(
    how: How, base: Path, adapter: Path, tokenizer: Tokenizer, graphs: Path | None = None
) -> Decoder:
    """Load what completes prompts with a checkpoint; arguments as of `load`."""
    from abacus.weights.checkpoint import load_checkpoint
    from abacus.weights.lora import fold

    architecture = read_architecture(base)
    weights = fold(load_checkpoint(base / "model.ckpt"), adapter)
    if how.decode.engine == "cached":
        from abacus.inference.cached import CachedDecoder

        size = how.decode.batch_size
        return CachedDecoder(weights, architecture, eos_id=tokenizer.eos_id, batch_size=size, graphs=graphs)
    from abacus.inference.framework import FrameworkDecoder

    return FrameworkDecoder(how, weights, architecture, eos_id=tokenizer.eos_id, pad_id=tokenizer.pad_id)
