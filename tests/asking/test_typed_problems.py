"""A tiny checkpoint asked through pipes and as JSON, in this process: the models, decoders and tokens are real."""

import contextlib
import io
import json
import os
from dataclasses import replace

import pytest

from abacus.asking.answers import Voices, opened
from abacus.asking.conversation import Shown, Written, converse
from abacus.inference.answering import how_of, load, problem_prompts
from abacus.problems.recipe import Recipe
from abacus.text.prompt import Prompt
from tests.tiny import TINY, write_model

RECIPE = Recipe(workings="reference", decimals=4)
# Short answers: these are tokens of a model that has learned nothing.
HOW = replace(how_of(TINY), decode=TINY.decode.model_copy(update={"math_new_tokens": 12}))
SUM, OTHER = "计算 12.00 + 8.00 等于多少？", "Was ist 1+1?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("asked")
    write_model(made / "base", made)
    return made


@pytest.fixture(scope="module")
def voices(folder) -> Voices:
    models = {"checkpoint 1": folder / "1", "base model": None}
    return opened(HOW, folder / "base", models, io.StringIO())


@pytest.fixture
def pipe(voices, monkeypatch):
    """Ask what is piped in; what comes out, what is said, and the exit code."""

    def ask(raw: bytes, kind=Shown, **how) -> tuple[str, str, int]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
        out, screen = io.StringIO(), io.StringIO()
        code = converse(voices, RECIPE, kind(out), out, screen, **how)
        return out.getvalue(), screen.getvalue(), code

    return ask


def test_tokens_come_as_they_are_made_and_each_model_says_what_predict_would(folder, voices):
    prompts = [Prompt(ids) for ids in problem_prompts(voices.prompter, [SUM, OTHER], "trained")]
    how = {
        "max_new_tokens": HOW.decode.math_new_tokens,
        "min_new_tokens": HOW.decode.min_new_tokens,
    }
    alone = {
        name: load(HOW, folder / "base", folder / number, io.StringIO()).decoder
        for name, number in (("checkpoint 1", "1"), ("base model", "0"))
    }
    expected = {name: [done.ids for done in one.complete(prompts, **how)] for name, one in alone.items()}
    assert expected["checkpoint 1"] != expected["base model"]
    for name in ("checkpoint 1", "base model", "checkpoint 1", "checkpoint 1", "base model"):
        for prompt, ids in zip(prompts, expected[name], strict=True):
            seen: list[list[int]] = []
            done = voices.stream(name, prompt, lambda found, seen=seen: seen.append(found))
            assert done.ids == ids == seen[-1]
            assert len(seen) > 1 and all(ids[: len(some)] == some for some in seen)
            assert sorted(map(len, seen)) == [len(some) for some in seen]


def test_several_lines_of_a_pipe_are_answered_and_what_is_no_text_is_named(pipe):
    raw = b"\xef\xbb\xbf" + SUM.encode() + b"\r\n\n  \n\xff\n" + OTHER.encode()
    out, said, code = pipe(raw)
    assert code == 1
    assert said == "error: standard input, line 4: byte 1 is not UTF-8, expected a question\n"
    assert "\r" not in out and "\x1b" not in out
    blocks = out.rstrip("\n").split("\n\n")
    first, second = ([line for line in block.splitlines() if not line.startswith(" ")] for block in blocks)
    assert [line[:16].strip() for line in first] == ["question", "checkpoint 1", "base model", "true answer"]
    assert first[0] == f"{'question':16}{SUM}"
    assert first[-1] == f"{'true answer':16}20  (计算过程：12.00 + 8.00 = 20)"
    assert second[-1] == f"{'true answer':16}not known: the question is of no category"


def test_one_question_of_the_command_line(pipe):
    out, said, code = pipe(b"this is not read", question=SUM)
    assert (said, code) == ("", 0)
    assert out.count("question") == 1 and SUM in out


@pytest.mark.parametrize("broken", [b"\xff", "计".encode()[:2] + b" 1", b"1 + \xe8"])
def test_bytes_of_the_command_line_that_are_no_text_are_one_line(pipe, broken):
    out, said, code = pipe(b"", question=os.fsdecode(broken))
    assert (out, code) == ("", 1)
    assert said.startswith("error: byte ") and said.endswith(" is not UTF-8, expected a question\n")


def test_half_a_character_that_is_typed_does_not_end_a_session(voices, monkeypatch):
    """A Backspace takes one byte of three; `input` hands the rest on, or fails, as Python was told to read."""
    unfit = UnicodeDecodeError("utf-8", b"\xe8\xae", 0, 2, "unexpected end of data")
    typed = iter([os.fsdecode(b"\xe8\xae"), unfit, SUM, EOFError()])

    def read(prompt: str) -> str:
        found = next(typed)
        if isinstance(found, Exception):
            raise found
        return found

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("builtins.input", read)
    monkeypatch.setattr("abacus.asking.conversation._spoken", lambda out: contextlib.nullcontext())
    monkeypatch.setattr("sys.stdin", Terminal())
    out, screen = io.StringIO(), io.StringIO()
    assert converse(voices, RECIPE, Written(out), out, screen) == 1
    _, *faults = screen.getvalue().splitlines()
    assert faults == ["error: byte 1 is not UTF-8, expected a question"] * 2
    assert json.loads(out.getvalue())["question"] == SUM


def test_as_json_there_is_an_object_a_question_and_nothing_else(pipe, voices):
    out, said, code = pipe(f"{SUM}\n{OTHER}\n".encode(), Written)
    assert (said, code) == ("", 0)
    first, second = map(json.loads, out.splitlines())
    assert (first["question"], first["category"], first["answer"]) == (SUM, "direct", "20")
    assert first["working"] == "计算过程：12.00 + 8.00 = 20"
    assert (second["answer"], second["unknown"]) == (None, "the question is of no category")
    for found, known in ((first, bool), (second, type(None))):
        assert [one["by"] for one in found["said"]] == list(voices.names)
        for one in found["said"]:
            text, done = voices.answer(one["by"], found["question"], lambda piece: None)
            assert (one["completion"], one["ended"]) == (text, done.ended)
            assert isinstance(one["strict"], known) and isinstance(one["tolerant"], known)


def test_a_question_that_is_too_long_is_named_and_the_next_is_answered(pipe):
    room = TINY.llama.max_position_embedding
    out, said, code = pipe(f"{'x' * room}\n{SUM}\n".encode(), Written)
    assert code == 1 and len(out.strip().splitlines()) == 1
    assert said.startswith("error: standard input, line 1: prompt 1 with its reference has ")
    assert len(said.splitlines()) == 1


def test_the_pieces_are_the_completion(voices):
    told: list[str] = []
    text, _ = voices.answer("checkpoint 1", SUM, told.append)
    assert "".join(told) == text and len(told) > 2


def test_where_somebody_looks_on_the_words_are_written_as_they_come(voices):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

        def flush(self) -> None:
            flushed.append(self.getvalue())

    flushed: list[str] = []
    for kind, least in ((Terminal, 8), (io.StringIO, 0)):
        flushed.clear()
        out = kind()
        Shown(out).answer(voices, SUM, RECIPE)
        assert len(set(flushed)) >= least
        assert ("question" in out.getvalue()) == (kind is io.StringIO)


@pytest.mark.slow
def test_mindformers_own_decoder_builds_one_model_for_all_questions_of_a_length(folder, monkeypatch):
    """The answers are those of a model that is built anew for each question, to the token."""
    from abacus.inference.framework import FrameworkDecoder

    built: list[int] = []
    build = FrameworkDecoder._model

    def counted(self, rows: int, length: int):
        built.append(length)
        return build(self, rows, length)

    monkeypatch.setattr(FrameworkDecoder, "_model", counted)
    how = replace(HOW, decode=HOW.decode.model_copy(update={"engine": "mindformers", "math_new_tokens": 6}))
    models = {"checkpoint 1": folder / "1", "base model": None}
    voices = opened(how, folder / "base", models, io.StringIO())
    prompts = [Prompt(ids) for ids in problem_prompts(voices.prompter, [SUM, OTHER, SUM * 4], "trained")]
    limits = {"max_new_tokens": 6, "min_new_tokens": how.decode.min_new_tokens}
    asked = [(name, prompt) for prompt in (*prompts, prompts[0]) for name in models]
    found = [voices.stream(name, prompt, print).ids for name, prompt in asked]
    assert len(built) == 2 and built[0] % 128 == 0 and built[1] > built[0], "a longer one has it built anew"
    for name, number in (("checkpoint 1", "1"), ("base model", "0")):
        alone = load(how, folder / "base", folder / number, io.StringIO()).decoder
        expected = [alone.complete([prompt], **limits)[0].ids for one, prompt in asked if one == name]
        assert [ids for ids, (one, _) in zip(found, asked, strict=True) if one == name] == expected
    assert found[0] != found[1], "the models differ"
