"""Predicting: samples, the two decoders, the prediction files, and what is refused."""

import io
import json
from collections import Counter

import numpy as np
import pytest

from abacus.core.errors import InputError
from abacus.data.rows import Row
from abacus.data.splitting import split
from abacus.data.squad import Question
from abacus.inference.answering import (
    complete,
    how_of,
    load,
    problem_predictions,
    problems_asked,
    question_predictions,
    questions_asked,
    read_problems,
    said,
    sample_problems,
    sample_questions,
    too_few_tokens,
)
from abacus.problems.sampling import exact_shares
from abacus.problems.workings import recognise, working
from abacus.profile.load import profile
from abacus.text.prompt import Completion, Prompt, Prompter
from abacus.text.tokenizer import Tokenizer, of_bytes, save
from tests.workspace import configure

TINY = profile("tiny")
BOS, EOS, PAD = 256, 257, 258


@pytest.fixture
def prompter(tmp_path):
    save(of_bytes(BOS, EOS, PAD), {"bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD}, tmp_path)
    return Prompter(Tokenizer.load(tmp_path), "vicuna", True)


@pytest.fixture
def held_out(full):
    return [(row, recognise(row.problem)) for row in full.test]


def echoed(prompts):
    """What a model would say that completes every prompt with its reference."""
    return [Completion(list(p.reference[:-1]), 1.5, True) for p in prompts]


def test_the_held_out_sample_is_the_one_that_prepare_wrote(full, recipe):
    assert split(full.kept, recipe())[1].test == full.test


@pytest.mark.parametrize("limit", [11, 100, 128, 1999])
def test_a_limit_takes_an_exact_share_of_every_category(held_out, limit):
    taken = sample_problems(held_out, limit)
    counts = Counter(problem.category.name for _, problem in held_out)
    assert len(taken) == limit
    assert Counter(problem.category.name for _, problem in taken) == exact_shares(counts, limit)
    assert min(Counter(problem.category.name for _, problem in taken).values()) >= 1
    places = [held_out.index(item) for item in taken]
    assert places == sorted(places)


def test_a_limit_above_the_rows_takes_all(held_out):
    assert sample_problems(held_out, 2000) == sample_problems(held_out, 10**6) == held_out


def test_a_limit_below_the_categories_is_refused(held_out):
    with pytest.raises(InputError, match=r"predict\.math_limit: a sample of 10 "):
        sample_problems(held_out, 10)


def test_a_sample_of_questions_does_not_depend_on_their_order():
    questions = [Question(str(i), "c", "q", ("a",)) for i in range(50)]
    taken = sample_questions(questions, 7)
    assert len(taken) == 7
    assert {q.id for q in sample_questions(questions[::-1], 7)} == {q.id for q in taken}


def test_problems_are_asked_as_in_training_and_scored_on_the_working(prompter, recipe):
    row = Row(1, "计算 1.00 + 2.00 等于多少？", "1.00 + 2.00 = 3.00")
    problem = recognise(row.problem)
    (prompt,) = problems_asked(prompter, [(row, problem)], recipe(), "trained")
    assert prompt.ids == prompter.problems([row.problem])[0]
    (found,) = problem_predictions([(row, problem)], said(prompter.tokenizer, [prompt], echoed([prompt])))
    assert found["completion"].strip() == working(problem, "reference", 4)
    assert found["question"] == row.problem
    assert found["reference"] == row.solution
    assert found["ended"] is True
    assert found["prompt_tokens"] == len(prompt.ids)
    assert found["reference_tokens"] == found["completion_tokens"] + 1  # EOS
    (bare,) = problems_asked(prompter, [(row, problem)], recipe(), "bare")
    assert bytes(bare.ids).decode() == row.problem


def test_a_limit_that_cuts_workings_is_told_and_one_that_does_not_is_not(prompter, recipe):
    rows = [
        Row(n, text, "") for n, text in enumerate(("计算 12.34 * 56.78 等于多少？", "计算 4.00 的平方根？"))
    ]
    problems = [(row, recognise(row.problem)) for row in rows]
    asked = problems_asked(prompter, problems, recipe(workings="stepwise"), "trained")
    longest = max(len(prompt.reference) for prompt in asked)
    assert too_few_tokens(asked, longest) == too_few_tokens([], 1) == ""
    assert too_few_tokens(asked, longest - 1) == (
        f"warning: abacus.decode.math_new_tokens is {longest - 1}, expected at least {longest}: it cuts the workings "
        "of 1 of 2 problems, and a cut answer is wrong; set abacus.decode.math_new_tokens in the profile"
    )


def test_reading_answers_keep_every_reference(prompter):
    question = Question("id-1", "A passage.", "Which?", ("first", "second"))
    asked = questions_asked(prompter, [question])
    (found,) = question_predictions([question], said(prompter.tokenizer, asked, echoed(asked)))
    assert (found["id"], found["reference"], found["references"]) == ("id-1", "first", ["first", "second"])
    assert BOS not in asked[0].ids


def test_a_bad_held_out_row_is_named(tmp_path, write_lines):
    path = write_lines(tmp_path / "test.jsonl", {"problem": "计算什么？", "solution": "1"})
    with pytest.raises(InputError, match=r"test\.jsonl, line 1: the problem is of no category"):
        read_problems(path)


def test_mindformers_generate_and_the_cached_decoder_agree():
    from abacus.inference.cached import CachedDecoder
    from abacus.inference.framework import FrameworkDecoder
    from abacus.weights.architecture import HEAD
    from abacus.weights.checkpoint import random_weights

    shape = TINY.llama.architecture
    weights = {k: v * np.float32(8 if v.ndim == 2 else 1) for k, v in random_weights(shape, 5).items()}
    weights[HEAD][PAD] = 0  # `generate` takes a generated PAD for the end of the prompt
    random = np.random.default_rng(0)
    prompts = [
        Prompt(random.integers(0, 250, n).tolist(), random.integers(0, 250, 7).tolist())
        for n in (5, 17, 9, 30, 4, 8, 8, 8, 8, 11)
    ]
    how = {"max_new_tokens": 12, "min_new_tokens": 1}
    cached = CachedDecoder(weights, shape, eos_id=EOS, batch_size=8).complete(prompts, **how)
    framework = FrameworkDecoder(how_of(TINY), weights, shape, eos_id=EOS, pad_id=PAD).complete(
        prompts, **how
    )
    assert [(done.ids, done.ended) for done in cached] == [(done.ids, done.ended) for done in framework]
    assert [done.reference_nll for done in cached] == pytest.approx(
        [done.reference_nll for done in framework], rel=1e-5
    )


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--profile", "nowhere", "no such file"),
        ("--math", "no.jsonl", "no.jsonl: no such file"),
        ("--squad", "no.json", "no.json: no such file"),
        ("--base", "nowhere", "no such file"),
        ("--adapter", "nowhere", "no such file"),
    ],
)
def test_what_is_missing_is_one_line(stage, error_line, write_lines, tmp_path, option, value, message):
    row = {"problem": "计算 1.00 + 2.00 等于多少？", "solution": "1.00 + 2.00 = 3.00"}
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "adapter.json").write_text(json.dumps({"step": 0, "trainable_parameters": 0}))
    options = {
        "--profile": configure(tmp_path / "profile", TINY),
        "--base": tmp_path,
        "--adapter": tmp_path / "0",
        "--math": write_lines(tmp_path / "math.jsonl", row),
        "--squad": "data/reading/reading-v1.1.json",
        "--out": tmp_path / "out",
        option: value,
    }
    done = stage("predict", *(word for pair in options.items() for word in pair))
    assert message in done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"step": 2}, "trainable_parameters is missing"),
        ({"step": "2", "trainable_parameters": 8}, "step is '2' (text), expected a whole number"),
        ({"step": True, "trainable_parameters": 8}, "step is True (true or false), expected a whole number"),
    ],
)
def test_an_adapter_that_says_too_little_is_refused_before_any_weights_are_read(tmp_path, content, message):
    shape = TINY.llama.architecture.model_dump()
    (tmp_path / "model.json").write_text(json.dumps(shape))
    (tmp_path / "adapter.json").write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:  # there is neither a tokenizer nor a model.ckpt
        load(how_of(TINY), tmp_path, tmp_path, io.StringIO())
    assert str(caught.value).startswith(f"{tmp_path / 'adapter.json'}: {message}")


def test_a_base_model_of_another_profile_is_refused(tmp_path):
    shape = TINY.llama.architecture.model_dump()
    (tmp_path / "model.json").write_text(json.dumps(shape | {"num_layers": 3}))
    with pytest.raises(InputError, match=r"model\.json: num_layers is 3, expected 2 as in the profile"):
        load(how_of(TINY), tmp_path, tmp_path, io.StringIO())


def test_a_base_model_whose_two_matrices_are_one_fits_the_profile(tmp_path):
    shape = TINY.llama.architecture.model_dump()
    (tmp_path / "model.json").write_text(json.dumps(shape | {"tie_word_embeddings": True}))
    with pytest.raises(InputError, match=r"adapter\.json: no such file"):  # so the base model was taken
        load(how_of(TINY), tmp_path, tmp_path, io.StringIO())


def test_nothing_asked_is_nothing_answered(prompter):
    assert complete(None, prompter, [], []) == []
