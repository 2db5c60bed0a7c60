"""Math accuracy: the final answer of a completion against the answer that the recipe teaches.

The final answer is the number that the whole completion ends with (abacus/scoring/written.py), however many lines
it has: a model that goes on after a good line takes back that it was its last word. There is none if

- the completion was cut at the limit of its tokens: it never came to an end, and where it was cut is chance;
- the number stands there as it does in the question (`repeats`): to repeat the question is not to answer it;
- what it ends with is no number: something is left to be done, or the digits are a chain.

`strict`: equal at the recipe's precision; answers that are not rounded must be equal exactly. `tolerant`:
strict, or equal to the published answer when both are rounded to two decimals, or, from a million in size
on, to six significant digits. A fraction must be in the lowest terms in both, and is right only where a fraction
is asked for: elsewhere it is a division that was not carried out.
"""

import re
from decimal import Context, Decimal, InvalidOperation

from abacus.problems.categories import Problem
from abacus.problems.workings import line, precision, recognise, round_at, working
from abacus.scoring.graded import Graded, grade
from abacus.scoring.written import Final, final_number, normal, read

TOLERANT_DECIMALS = 2
LARGE = Decimal(1_000_000)
LARGE_DIGITS = Context(prec=6, traps=[])  # 1e9999999 becomes infinite, and is wrong
PIECE = re.compile(r"[0-9]+(?:[.,][0-9]+)*(?:/[0-9]+)?|[A-Za-z]+|\S")
LONGEST = 64  # pieces on either side of a number that are compared with the question's
NUMBERS = 3  # a number before the number tells as much as three words


def final_answer(completion: str, question: str = "", ended: bool = True) -> Final | None:
    """Return the final answer of a completion, a fraction `p/q` as a pair, or None. Never raises.

    `ended` says whether the model ended the completion itself, by EOS.
    """
    try:
        unit = recognise(question).category.unit
    except ValueError:
        unit = ""
    found = read(completion, unit) if ended else None
    return None if found is None or repeats(question, found.text, found.end) else found.value


def answer_text(completion: str, question: str = "", ended: bool = True) -> str | None:
    """Return the final answer of a completion as text; None if there is none."""
    found = final_answer(completion, question, ended)
    return None if found is None else text_of(found)


def text_of(answer: Final) -> str:
    """A final answer as text, a fraction as `p/q`."""
    return "/".join(map(str, answer)) if isinstance(answer, tuple) else str(answer)


def repeats(question: str, text: str, end: int) -> bool:
    """Whether the number that ends at `end` of a plain text is one of the question, with the question's words around it.

    Two words before it and three in all, or five in all, or all that the question has before it: `长为 30 厘米`. Fewer
    may well be an answer's own: `30 厘米`, `分数 3/4`.
    """
    asked = PIECE.findall(normal(question))
    reach = 4 * len(question) + 4
    before, after = PIECE.findall(text[max(0, end - reach) : end]), PIECE.findall(text[end : end + reach])
    for place in (place for place, piece in enumerate(asked) if before and piece == before[-1]):
        left = common(asked[:place][::-1], before[-2::-1])
        right = common(asked[place + 1 :], after)
        words, more = weight(left), weight(right)
        if (words >= 2 and words + more >= 3) or words + more >= 5 or (words and len(left) == place):
            return True
    return False


def common(some: list[str], others: list[str]) -> list[str]:
    """Return what two lists begin with alike, at most LONGEST pieces."""
    size = 0
    while size < min(len(some), len(others), LONGEST) and some[size] == others[size]:
        size += 1
    return some[:size]


def weight(pieces: list[str]) -> int:
    """Return the number of words among pieces, a number counted as several."""
    return sum(NUMBERS if piece[0] in "0123456789" else piece.isalpha() for piece in pieces)


def strict(problem: Problem, completion: str, recipe: str, decimals: int, ended: bool = True) -> bool:
    """Whether the completion's final answer is the recipe's answer, at the recipe's precision."""
    found, taught = compared(problem, completion, recipe, decimals, ended)
    return found == taught


def tolerant(problem: Problem, completion: str, recipe: str, decimals: int, ended: bool = True) -> bool:
    """Whether the completion is strictly right, or near the published answer as the module says."""
    if strict(problem, completion, recipe, decimals, ended):
        return True
    found, published = answered(problem, completion, ended), gold(problem.published)
    if not isinstance(found, Decimal) or not isinstance(published, Decimal):
        return False
    if abs(published) >= LARGE:
        return LARGE_DIGITS.plus(found) == LARGE_DIGITS.plus(published)
    return rounded(found, TOLERANT_DECIMALS) == rounded(published, TOLERANT_DECIMALS)


def graded(problem: Problem, completion: str, recipe: str, decimals: int, ended: bool = True) -> Graded:
    """What is right of a completion that need not be right (abacus/scoring/graded.py)."""
    found, taught = compared(problem, completion, recipe, decimals, ended)
    return grade(completion, found, working(problem, recipe, decimals), taught)


def compared(
    problem: Problem, completion: str, recipe: str, decimals: int, ended: bool
) -> tuple[Final | None, Final]:
    """Return a completion's final answer and the one that is taught, both at the recipe's precision."""
    found, taught = answered(problem, completion, ended), gold(line(problem, recipe, decimals))
    places = precision(problem.category, recipe, decimals)
    if places is None or not isinstance(found, Decimal) or not isinstance(taught, Decimal):
        return found, taught
    return rounded(found, places), rounded(taught, places)


def answered(problem: Problem, completion: str, ended: bool) -> Final | None:
    """Return the final answer of a completion to a problem of the table."""
    return final_answer(completion, problem.category.text(problem), ended)


def gold(text: str) -> Final:
    """Return the number of a working or a published solution; ValueError if it has none."""
    found = final_number(text)
    if found is None:
        raise ValueError(f"has a solution without a number: {text[:80]}")
    return found


def rounded(value: Decimal, places: int) -> Decimal:
    """Round half to even; a number too large to be written out stays as it is."""
    try:
        return round_at(value, places)
    except InvalidOperation:
        return value
