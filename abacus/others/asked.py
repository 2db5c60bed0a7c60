"""The questions that every checkpoint is asked, for others to answer, and their answers matched to them."""

import difflib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from abacus.core.errors import InputError
from abacus.core.params import section
from abacus.data.rows import Row, clip, read_objects
from abacus.data.squad import Question, read_questions
from abacus.inference.answering import (
    Predict,
    read_problems,
    sample_problems,
    sample_questions,
)

MATH = Path("data/math-test.jsonl")
EXPECTED = "JSON Lines of `question` (or `id`) and `completion`"
NAMES = ("question", "problem")  # of a question's text; the second is what `make predict` writes
NO_LIKELIHOOD = {"reference_nll": 0.0, "reference_tokens": 0}


class Test(NamedTuple):
    """The problems and reading questions that are asked, and the keys of those that the limits leave out.

    `passages` says of how many passages the file of reading questions asks the same.
    """

    math: list[Row]
    reading: list[Question]
    left_out: frozenset[str]
    passages: Counter[str]

    def questions(self) -> Iterable[dict[str, str]]:
        """Every question as others get it."""
        yield from ({"question": row.problem} for row in self.math)
        for one in self.reading:
            yield {"id": one.id, "context": one.context, "question": one.question}


class Given(NamedTuple):
    """Answers of others to the test's questions, by the problem's text or the reading question's id."""

    math: dict[str, dict[str, Any]]
    reading: dict[str, dict[str, Any]]
    left_out: int  # answers to questions that the limits leave out


def read_test(params: Path, math: Path = MATH) -> Test:
    """What stage predict asks with these parameters."""
    if not math.exists():
        raise InputError(math, "no such file", "the output of stage prepare", "`make repro` makes it")
    limits = section("predict", Predict, params)
    problems, questions = read_problems(math), read_questions(Path(limits.squad))
    asked = [row for row, _ in sample_problems(problems, limits.math_limit)]
    read = sample_questions(questions, limits.squad_limit)
    every = {row.problem for row, _ in problems} | {
        key for one in questions for key in (one.id, one.question)
    }
    kept = {row.problem for row in asked} | {key for one in read for key in (one.id, one.question)}
    return Test(asked, read, frozenset(every - kept), Counter(one.question for one in questions))


def read_given(path: Path, test: Test) -> Given:
    """Read answers; InputError names the file and the line of one that is no answer to a question, or a second one.

    So does one of a file without any answer to a question that is asked: there is nothing to score.
    """
    problems = {row.problem for row in test.math}
    ids = frozenset(one.id for one in test.reading)
    by_text = {one.question: one.id for one in test.reading}
    given = Given({}, {}, 0)
    lines: dict[str, int] = {}
    for number, row in read_objects(path):
        place = f"{path}, line {number}"
        name, asked = _asked(row, place, test.left_out | ids)
        if name == "id":
            into, key = (given.reading, asked) if asked in ids else (given.math, asked)
        else:
            into, key = (
                (given.math, asked) if asked in problems else (given.reading, by_text.get(asked, asked))
            )
        # One of them may be left out: the answer could be to that.
        if name != "id" and asked in by_text and test.passages[asked] > 1:
            raise InputError(place, f"{test.passages[asked]} passages are asked {clip(asked)!r}", "its id")
        if key not in problems and key not in ids:
            if asked not in test.left_out:
                raise InputError(
                    place, f"{name} {clip(asked)!r} is none of the test's", f"one of {_counts(test)}"
                )
            given = given._replace(left_out=given.left_out + 1)
            continue
        if key in lines:
            raise InputError(
                place, f"answers what line {lines[key]} answers: {clip(asked)!r}", "one answer each"
            )
        lines[key] = number
        into[key] = {"completion": row["completion"], "ended": row.get("ended", True)}
    if not lines:
        found = f"all {given.left_out} answers are to questions that the limits of params.yaml leave out"
        raise InputError(path, found, f"some to the {_counts(test)}")
    return given


def _asked(row: dict[str, Any], place: str, ids: frozenset[str]) -> tuple[str, str]:
    """The key by which a row names its question, and what it says there; InputError for what is no answer.

    An id that is none of `ids` is somebody's own, if there is a text.
    """
    if "completion" not in row:
        raise InputError(place, f"key 'completion' is missing: {clip(row)}", EXPECTED)
    names = [name for name in (*NAMES, "id") if isinstance(row.get(name), str)]
    if not names:
        raise InputError(place, f"key 'question' is missing: {clip(row)}", EXPECTED)
    for name, kind, what in (("completion", str, "text"), ("ended", bool, "true or false")):
        if name in row and not isinstance(row[name], kind):
            raise InputError(place, f"'{name}' is {clip(str(row[name]))}", what)
    for key in row.keys() - {"ended"}:
        if difflib.get_close_matches(key, ["ended"], cutoff=0.75):
            raise InputError(place, f"'{key}' is not a known key", "'ended'")
    name = "id" if row.get("id") in ids else names[0]
    return name, row[name].strip()


def _counts(test: Test) -> str:
    return f"{len(test.math)} problems and {len(test.reading)} reading questions"


def predictions(test: Test, given: Given, partial: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The answers as stage evaluate reads them, problems and reading questions, in the test's order.

    A question without an answer is answered by nothing, or with `partial` left out; a part without any answer is none.
    """
    nothing = {"completion": "", "ended": True}
    math = [
        {"question": row.problem, **NO_LIKELIHOOD, **given.math.get(row.problem, nothing)}
        for row in test.math
        if given.math and (not partial or row.problem in given.math)
    ]
    reading = [
        {
            "id": one.id,
            "question": one.question,
            "reference": one.answers[0],
            "references": list(one.answers),
            **NO_LIKELIHOOD,
            **given.reading.get(one.id, nothing),
        }
        for one in test.reading
        if given.reading and (not partial or one.id in given.reading)
    ]
    return math, reading
