"""What is known of a question: the answer that the library itself computes, and what is right of a model's."""

from random import Random
from typing import Any, NamedTuple

from abacus.problems.categories import CATEGORIES, Problem
from abacus.problems.recipe import Recipe
from abacus.problems.workings import line, recognise, working
from abacus.scoring.arithmetic import answer_text, gold, strict, text_of, tolerant


class Truth(NamedTuple):
    """A question's problem, its answer at the recipe's precision and its working; or why there is none."""

    question: str
    problem: Problem | None
    answer: str | None
    working: str | None
    why: str = ""

    def document(self) -> dict[str, Any]:
        """It as JSON has it."""
        category = self.problem.category.name if self.problem else None
        found = {"question": self.question, "category": category}
        found |= {"answer": self.answer, "working": self.working}
        return found | ({"unknown": self.why} if self.why else {})


def truth(question: str, recipe: Recipe) -> Truth:
    """What the library knows of a question, as the recipe would teach it."""
    try:
        problem = recognise(question)
    except ValueError as error:
        return Truth(question, None, None, None, f"the question {error}")
    try:
        known = gold(line(problem, recipe.workings, recipe.decimals))
        return Truth(question, problem, text_of(known), working(problem, recipe.workings, recipe.decimals))
    except ArithmeticError:
        return Truth(question, None, None, None, "the question has no answer")


class Judgement(NamedTuple):
    """The final answer of a completion, and whether it is right; None where nothing is known."""

    answer: str | None
    strict: bool | None
    tolerant: bool | None

    @property
    def words(self) -> str:
        """It in a word or two."""
        if self.answer is None:
            return "no answer"
        if self.strict is None:
            return f"answer: {self.answer}"
        # Two decimals below a million, six digits from there on: abacus/scoring/arithmetic.py.
        near = "right at two decimals or six digits" if self.tolerant else f"wrong: {self.answer}"
        return "right" if self.strict else near


def judged(known: Truth, completion: str, recipe: Recipe, ended: bool) -> Judgement:
    """Judge a completion as stage evaluate does."""
    answer = answer_text(completion, known.question, ended)
    if known.problem is None:
        return Judgement(answer, None, None)
    case = known.problem, completion, recipe.workings, recipe.decimals, ended
    return Judgement(answer, strict(*case), tolerant(*case))


def forms() -> list[tuple[str, str]]:
    """The name of each published form, and an example of it."""
    random = Random(1)
    return [(one.name, one.text(one.draw(random))) for one in CATEGORIES]
