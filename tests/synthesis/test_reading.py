"""Reading rows to train on: whole prompts, answers that stand in the passage, nothing that the evaluation asks."""

import string
from collections import Counter
from itertools import islice

from abacus.data.conversation import Turn
from abacus.data.overlap import Asked, without
from abacus.data.squad import read_questions
from abacus.synthesis.reading import FAMILIES, TOLD, rows
from abacus.text.prompt import READING
from tests.workspace import ROOT

BEFORE, BETWEEN, AFTER = READING.replace("{question}", "{context}").split("{context}")


def parts(row):
    """The passage and the question of a row."""
    passage, _, question = row["problem"].removeprefix(BEFORE).removesuffix(AFTER).partition(BETWEEN)
    return passage, question


def test_rows_are_those_of_their_seed_and_all_different():
    some = list(rows(3000, seed=1))
    assert some == list(rows(3000, seed=1)) and some[:100] == list(rows(100, seed=1))
    assert some != list(rows(3000, seed=2))
    assert len({row["problem"] for row in some}) == 3000
    assert not list(rows(0, seed=1))


def test_every_answer_stands_in_the_passage_once_and_is_short():
    for row in rows(2000, seed=3):
        passage, question = parts(row)
        assert row["problem"] == READING.format(context=passage, question=question)
        assert passage.casefold().count(row["solution"].casefold()) >= 1, row
        assert len(row["solution"].split()) <= 5 and question.endswith("?") and passage.endswith(".")
        assert "{" not in row["problem"] and row["problem"].isascii()


def test_families_and_questions_take_their_turns():
    asked = Counter(parts(row)[1].split()[0] for row in rows(700, seed=4))
    assert len(asked) >= 6 and max(asked.values()) < 350
    openings = [" ".join(parts(row)[0].split()[:2]) for row in rows(2 * len(FAMILIES), seed=5)]
    assert len(set(openings)) >= len(FAMILIES)


def test_every_answer_is_made_of_words_of_its_sentence():
    def blanks(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for family in FAMILIES:
        assert len(family) > TOLD and family[0].asked
        for fact in family:
            for question, answer in fact.asked:
                assert answer in fact.sentence, answer
                assert blanks(question) <= blanks(fact.sentence) | blanks(family[0].sentence)


def test_no_row_asks_what_the_evaluation_asks():
    questions = read_questions(ROOT / "data" / "reading" / "reading-v1.1.json")
    asked = Asked((), questions)
    turns = [Turn(str(n), row["problem"], row["solution"]) for n, row in enumerate(rows(3000, seed=42))]
    kept, overlap = without(turns, asked, drop=True)
    assert kept == turns and overlap.counts.total() == 0
    first = questions[0]
    copied = Turn("x", READING.format(context=first.context, question="Which?"), "a")
    assert without([*islice(turns, 3), copied], asked, drop=True)[1].counts == {"reading": 1}
