import os

import numpy as np
import pytest

from abacus.core.errors import InputError
from abacus.inference.cached import LENGTH, CachedDecoder, _Body
from abacus.text.prompt import Prompt
from abacus.weights.architecture import Architecture
from abacus.weights.checkpoint import random_weights

SHAPE = Architecture(
    hidden_size=48,
    num_layers=3,
    num_heads=6,
    n_kv_heads=2,
    intermediate_size=96,
    vocab_size=97,
    rms_norm_eps=1e-5,
    rope_theta=10000.0,
    max_position_embedding=300,
    tie_word_embeddings=False,
)
NONE = 96  # an id as EOS that the model of these tests does not choose
SEQUENCE = 64


@pytest.fixture(scope="module")
def weights():
    """Random weights, large enough for attention and norms to matter."""
    source = np.random.default_rng(3)
    drawn = random_weights(SHAPE, 11)
    return {
        name: array * np.float32(6)
        if array.ndim == 2
        else array + source.standard_normal(array.shape, np.float32) * np.float32(0.3)
        for name, array in drawn.items()
    }


@pytest.fixture(scope="module")
def decoder(weights):
    return CachedDecoder(weights, SHAPE, eos_id=NONE, batch_size=4)


@pytest.fixture(scope="module")
def mindformers_model(weights, tmp_path_factory):
    """MindFormers' own Llama with the same weights."""
    os.environ["LOCAL_DEFAULT_PATH"] = str(tmp_path_factory.mktemp("mindformers"))
    os.environ["LOG_MF_PATH"] = str(tmp_path_factory.mktemp("log"))
    import mindspore
    from mindformers import LlamaConfig, LlamaForCausalLM

    mindspore.set_context(mode=mindspore.GRAPH_MODE, device_target="CPU")
    number = {key: value for key, value in SHAPE if key != "rope_theta"}
    types = ("compute_dtype", "layernorm_compute_type", "softmax_compute_type", "rotary_dtype")
    config = LlamaConfig(
        **number,
        **dict.fromkeys((*types, "param_init_type"), "float32"),
        theta=SHAPE.rope_theta,
        batch_size=1,
        seq_length=SEQUENCE,
        bos_token_id=1,
        eos_token_id=NONE,
        pad_token_id=0,
        use_past=False,
        use_rope_slice=True,
        fused_rms_norm=False,
        use_flash_attention=False,
        do_sample=False,
    )
    model = LlamaForCausalLM(config)
    model.set_train(False)
    model.argmax = mindspore.ops.argmax
    parameters = {name: mindspore.Parameter(array, name=name) for name, array in weights.items()}
    missing, unused = mindspore.load_param_into_net(model, parameters)
    assert (missing, unused) == ([], [])
    return model


def prompts(*lengths):
    """Random prompts of these lengths, without the ids 0 (padding) and EOS."""
    source = np.random.default_rng(9)
    return [Prompt(source.integers(1, NONE, length).tolist()) for length in lengths]


def reference_logits(model, ids):
    """MindFormers' logits [tokens, vocabulary] of `ids`."""
    import mindspore

    padded = np.zeros((1, SEQUENCE), np.int32)
    padded[0, : len(ids)] = ids
    logits = model(mindspore.Tensor(padded))[0].asnumpy()
    return logits.reshape(SEQUENCE, -1)[: len(ids)]


def log_softmax(logits):
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cut(ids, eos_id):
    return ids[: ids.index(eos_id)] if eos_id in ids else ids


def test_same_tokens_as_mindformers(decoder, mindformers_model):
    asked = prompts(5, 17, 1, 33, 8, 2)
    found = decoder.complete(asked, max_new_tokens=12)
    for prompt, completion in zip(asked, found, strict=True):
        text = mindformers_model.generate([prompt.ids], max_new_tokens=12, do_sample=False)[0]
        assert completion.ids == cut(list(text[len(prompt.ids) :]), NONE)
    assert len({tuple(completion.ids) for completion in found}) == len(found)


def test_same_logits_as_mindformers(decoder, mindformers_model):
    # The network itself, below `complete`: every position of a prompt, in chunks and one by one.
    [prompt] = prompts(40)
    expected = reference_logits(mindformers_model, prompt.ids)
    body = decoder._body(4, LENGTH)
    [hidden] = decoder._prefill(body, {2: prompt.ids}, {2: 0})
    assert np.abs(hidden_logits(decoder, hidden) - expected).max() < 1e-4
    again = [step(body, token, position) for position, token in enumerate(prompt.ids)]
    assert np.abs(hidden_logits(decoder, np.stack(again)) - expected).max() < 1e-4


def test_what_prompts_begin_with_is_computed_once_and_changes_no_bit(decoder, monkeypatch):
    begin, *rests = (prompt.ids for prompt in prompts(50, 1, 20, 3, 30, 14, 40, 2, 9))
    asked = [Prompt([*begin, *rest], [7, 8, 9]) for rest in rests]
    # Begins like them, and is no longer than that; differs in the first token; is all that two pieces are; is the same again.
    asked += [Prompt(begin[:20]), Prompt([begin[0] % 90 + 1, *begin[1:]]), Prompt(begin[:32]), asked[1]]
    alone = [decoder.complete([prompt], max_new_tokens=9)[0] for prompt in asked]
    copied = []
    copy = _Body.copy
    monkeypatch.setattr(_Body, "copy", lambda body, pieces: copied.extend(pieces) or copy(body, pieces))
    assert decoder.complete(asked, max_new_tokens=9) == alone
    assert len(copied) >= 3 * 5  # three whole pieces of each, but of the first of four that enter together
    assert all(source != target for source, target, _ in copied)


def test_graphs_that_were_prepared_are_those_that_are_used(weights):
    decoder = CachedDecoder(weights, SHAPE, eos_id=NONE, batch_size=2)
    asked = prompts(5, 200)
    decoder.prepare([(asked[:1], 4), (asked[1:], 8)])
    ready = dict(decoder._bodies)
    assert len(ready) == 2
    for prompt, most in zip(asked, (4, 8), strict=True):
        decoder.complete([prompt], max_new_tokens=most)
    assert decoder._bodies == ready
    with pytest.raises(InputError, match="prompt 2 is empty"):
        decoder.prepare([([asked[0], Prompt([])], 4)])


def step(body, token, position):
    """The hidden state of the last row of a batch of 4, all of which are at `position`."""
    ids = np.full((4, 1), token, np.int32)
    return body(ids, np.full(4, position, np.int32), np.arange(4, dtype=np.int32))[-1]


def hidden_logits(decoder, hidden):
    from mindspore import Tensor

    return decoder._head(Tensor(np.ascontiguousarray(hidden))).asnumpy()


def test_reference_is_scored_as_by_mindformers(decoder, mindformers_model):
    source = np.random.default_rng(4)
    asked = [Prompt(prompt.ids, source.integers(1, NONE, 7).tolist()) for prompt in prompts(5, 30, 1)]
    for prompt, completion in zip(asked, decoder.complete(asked, max_new_tokens=3), strict=True):
        text = [*prompt.ids, *prompt.reference]
        scores = log_softmax(reference_logits(mindformers_model, text))
        places = np.arange(len(prompt.ids) - 1, len(text) - 1)
        expected = -scores[places, prompt.reference].sum()
        assert completion.reference_nll == pytest.approx(expected, rel=1e-5)


def test_reference_does_not_change_the_completion(decoder):
    bare = prompts(9, 3)
    scored = [Prompt(prompt.ids, [4] * 40) for prompt in bare]
    without = decoder.complete(bare, max_new_tokens=10)
    assert [completion.reference_nll for completion in without] == [None, None]
    found = decoder.complete(scored, max_new_tokens=10)
    assert [completion.ids for completion in found] == [completion.ids for completion in without]


def test_batch_equals_one_by_one_in_the_given_order(decoder):
    asked = prompts(30, 2, 250, 11, 3, 60, 7)
    done = []
    found = decoder.complete(asked, max_new_tokens=8, progress=done.append)
    alone = [decoder.complete([prompt], max_new_tokens=8)[0] for prompt in asked]
    assert found == alone
    assert sum(done) == len(asked)


@pytest.mark.parametrize("batch_size", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_the_size_of_a_batch_changes_no_answer(weights, decoder, batch_size):
    # EOS is a token that some say early: places in the cache are taken over at different times.
    long = decoder.complete(prompts(6), max_new_tokens=12)[0].ids
    asked = [Prompt(prompt.ids, [4, 5, 6]) for prompt in prompts(6, 20, 6, 3, 40, 9, 130)]
    found = [
        CachedDecoder(weights, SHAPE, eos_id=long[2], batch_size=size).complete(asked, max_new_tokens=30)
        for size in (4, batch_size)
    ]
    assert [(done.ids, done.ended) for done in found[0]] == [(done.ids, done.ended) for done in found[1]]
    assert {done.ended for done in found[0]} == {True, False}


def test_repeats_exactly(decoder):
    asked = [Prompt(prompt.ids, [5, 6]) for prompt in prompts(4, 20)]
    assert decoder.complete(asked, max_new_tokens=8) == decoder.complete(asked, max_new_tokens=8)


def test_nothing_to_do(decoder):
    assert decoder.complete([], max_new_tokens=8) == []
    [scored] = decoder.complete([Prompt([1], [2])], max_new_tokens=0)
    assert scored.ids == []
    assert scored.reference_nll > 0


def test_eos_ends_a_completion_and_min_new_tokens_forbids_it(weights, decoder):
    [long, other] = (completion.ids for completion in decoder.complete(prompts(6, 10), max_new_tokens=12))
    place = next(n for n, token in enumerate(long) if n > 1 and token not in long[:n])
    ending = CachedDecoder(weights, SHAPE, eos_id=long[place], batch_size=4)
    found = ending.complete(prompts(6, 10), max_new_tokens=12)
    assert [completion.ids for completion in found] == [long[:place], cut(other, long[place])]
    assert [completion.ended for completion in found] == [True, long[place] in other]
    forced = ending.complete(prompts(6), max_new_tokens=12, min_new_tokens=place + 1)[0].ids
    assert len(forced) > place
    assert forced[:place] == long[:place]
    assert long[place] not in forced


def test_completion_ends_where_positions_end(decoder):
    [found] = decoder.complete(prompts(295), max_new_tokens=50)
    assert len(found.ids) == 300 - 295 + 1
    assert not found.ended


def test_wrong_prompts_are_named(decoder):
    with pytest.raises(InputError, match="prompt 2 is empty"):
        decoder.complete([Prompt([1]), Prompt([])], max_new_tokens=1)
    with pytest.raises(InputError, match=r"prompt 1 .* 301 tokens, expected at most the model's 300"):
        decoder.complete([Prompt([1] * 299, [1, 1])], max_new_tokens=1)
