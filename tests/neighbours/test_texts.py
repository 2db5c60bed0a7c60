"""A profile's texts: encoded apart, they are the ids that training and inference see; a chat's template spells the same."""

import jinja2
import pytest

from abacus.neighbours.texts import Texts
from abacus.profile.model import Prompt
from abacus.text.prompt import READING, READINGS, TEMPLATES, Prompter
from abacus.text.tokenizer import Tokenizer, of_bytes, save

IDS = {"bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 258}
PROBLEM, ANSWER = "计算 1.00 + 2.00 等于多少？", '计算过程：1.00 + 2.00 = 3, e\u0301 "x" it\'s \\n'
PASSAGE = READING.format(context="A passage.", question="What is it?")


@pytest.fixture
def base(tmp_path):
    save(of_bytes(*IDS.values()), IDS, tmp_path)
    return tmp_path


def texts_of(base, template="bare", bos=False, reading="contest"):
    return Texts.load(Prompt(template=template, bos=bos, reading=reading, seq_length=64), base)


def spelled(ids):
    """Ids of the tokenizer of bytes as a text in which its special tokens are spelled."""
    names = {256: "<|bos|>", 257: "<|eos|>"}
    return b"".join(names[n].encode() if n in names else bytes([n]) for n in ids).decode()


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("problem", [PROBLEM, PASSAGE])
def test_a_row_is_what_is_trained_on(base, template, bos, problem):
    asked, learned = next(Prompter(Tokenizer.load(base), template, bos).rows([problem], [ANSWER]))
    assert texts_of(base, template, bos).row(problem, ANSWER) == (spelled(asked), spelled(learned))


@pytest.mark.parametrize("reading", READINGS)
def test_a_passage_is_what_is_asked(base, reading):
    (ids,) = Prompter(Tokenizer.load(base), "bare", True, reading).passages([("A passage.", "What?")])
    assert texts_of(base, bos=True, reading=reading).passage("A passage.", "What?") == spelled(ids)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("bos", [True, False])
def test_the_chat_template_spells_a_row(base, template, bos):
    texts = texts_of(base, template, bos)
    chat = jinja2.Template(texts.chat_template(), keep_trailing_newline=True)
    user = {"role": "user", "content": PROBLEM}
    asked = texts.row(PROBLEM, ANSWER)[0]
    assert chat.render(messages=[user], add_generation_prompt=True) == asked
    answer = {"role": "assistant", "content": "计算过程：3"}
    assert chat.render(messages=[user, answer]) == asked + texts.row(PROBLEM, "计算过程：3")[1]
    assert chat.render(messages=[{"role": "system", "content": "s"}, user]) == asked


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_modelfile_asks_as_we_do(base, template):
    said = texts_of(base, template).modelfile("x-f16.gguf", 72)
    assert said.startswith("FROM ./x-f16.gguf\n")
    inside = said.split('"""')[1]
    assert inside.replace("{{ .Prompt }}", PROBLEM) == texts_of(base, template).row(PROBLEM, "")[0]
    for line in ("PARAMETER temperature 0", "PARAMETER repeat_penalty 1", "PARAMETER num_predict 72"):
        assert line in said.splitlines()
