"""The prompt builder: templates, BOS and EOS, and the boundary of what is learned."""

from pathlib import Path

import pytest

from abacus.text.prompt import ANSWER as SPAN
from abacus.text.prompt import EXAMPLE, READING, TEMPLATES, Prompter
from abacus.text.tokenizer import Tokenizer, of_bytes, save

ROOT = Path(__file__).parent.parent.parent
BOS, EOS, PAD = 256, 257, 258
PROBLEM, ANSWER = "计算 1.00 + 2.00 等于多少？", "计算过程：1.00 + 2.00 = 3"


@pytest.fixture
def tokenizer(tmp_path):
    save(of_bytes(BOS, EOS, PAD), {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}, tmp_path)
    return Tokenizer.load(tmp_path)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("bos", [True, False])
def test_question_and_answer_are_the_templated_text(tokenizer, template, bos):
    prompter = Prompter(tokenizer, template, bos)
    (question,), (answer,) = prompter.problems([PROBLEM]), prompter.answers([ANSWER])
    assert (question[0] == BOS) == bos
    assert BOS not in question[bos:]
    assert answer[-1] == EOS
    before, after, lead = TEMPLATES[template]
    assert bytes(question[bos:]).decode() == before + PROBLEM + after
    assert bytes(answer[:-1]).decode() == lead + ANSWER


def test_vicuna_is_the_published_text(tokenizer):
    prompter = Prompter(tokenizer, "vicuna", True)
    text = bytes(prompter.problems(["P"])[0][1:] + prompter.answers(["S"])[0][:-1]).decode()
    assert text == (
        "A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions. "
        "USER: P ASSISTANT: S"
    )


def test_the_first_learned_token_of_vicuna_starts_with_the_space(tokenizer):
    prompter = Prompter(tokenizer, "vicuna", True)
    assert bytes(prompter.problems(["P"])[0][-1:]) == b":"
    assert bytes(prompter.answers(["S"])[0][:1]) == b" "


def test_reading_prompt_has_no_bos_and_nothing_after_the_colon(tokenizer):
    ids = Prompter(tokenizer, "vicuna", True).passages([("Some passage.", "Which?")])[0]
    assert bytes(ids).decode() == (
        "Read the passage and answer the question below.\n\n### Instruction:\nSome passage.\n\n"
        "### Input:\nWhich?\n\n### Response:"
    )
    assert READING.endswith("Response:")


def test_one_shot_shows_the_prompt_answered_once(tokenizer):
    passage = ("Some passage.", "Which?")
    asked = Prompter(tokenizer, "vicuna", True).passages([passage])[0]
    prompter = Prompter(tokenizer, "vicuna", True, "one_shot")
    shown = prompter.passages([(EXAMPLE["context"], EXAMPLE["question"])])[0]
    found = bytes(prompter.passages([passage])[0]).decode()
    example = bytes(Prompter(tokenizer, "vicuna", True).passages([tuple(EXAMPLE.values())])[0]).decode()
    assert found == f"{example} {SPAN}\n\n{bytes(asked).decode()}"
    assert bytes(shown).decode().count("### Response:") == 2


def test_the_example_is_in_no_set_of_questions():
    texts = (ROOT / "data/reading/reading-v1.1.json").read_text(encoding="utf-8")
    assert EXAMPLE["context"] not in texts and EXAMPLE["question"] not in texts


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_reading_row_is_trained_on_as_it_is_asked(tokenizer, template):
    prompter = Prompter(tokenizer, template, True)
    passage = ("Some passage.", "Which?")
    reading = READING.format(context=passage[0], question=passage[1])
    rows = list(prompter.rows([PROBLEM, reading, PROBLEM], [ANSWER, "That one", ANSWER]))
    assert rows[1] == (prompter.passages([passage])[0], [*prompter.spans(["That one"])[0], EOS])
    assert rows[0] == rows[2] == (prompter.problems([PROBLEM])[0], prompter.answers([ANSWER])[0])
    assert BOS not in rows[1][0] and rows[0][0][0] == BOS


def test_a_passage_with_braces_stays_as_it_is(tokenizer):
    ids = Prompter(tokenizer, "bare", False).passages([("{question}", "{context}")])[0]
    assert "### Instruction:\n{question}\n\n### Input:\n{context}\n" in bytes(ids).decode()


def test_untemplated_is_the_problem_alone(tokenizer):
    assert bytes(Prompter(tokenizer, "vicuna", True).untemplated([PROBLEM])[0]).decode() == PROBLEM
