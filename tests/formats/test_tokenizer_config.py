"""What lies beside a tokenizer.json is read as transformers reads it, or two places that differ are named."""

import itertools
import json

import pytest

from abacus.core.errors import InputError
from abacus.formats import hf_config, huggingface, source, vocabulary
from abacus.text import tokenizer
from abacus.weights.checkpoint import random_weights
from tests.llama import SHAPE

IDS = {"bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 258}
NAMES = ("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json")
ADDED = {str(number): {"content": f"<|{name}|>"} for number, name in enumerate(("bos", "eos", "pad"), 256)}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """An exported model: files that say the same."""
    base = tmp_path_factory.mktemp("base")
    tokenizer.save(tokenizer.of_bytes(*IDS.values()), IDS, base)
    shape = SHAPE.model_copy(update={"vocab_size": 259})
    huggingface.write(base / "hf", shape, random_weights(shape, 7), base)
    return base / "hf"


@pytest.fixture
def folder(written, tmp_path):
    """Its small files, to be changed."""
    for name in (*NAMES, "tokenizer.json"):
        (tmp_path / name).write_bytes((written / name).read_bytes())
    return tmp_path


def edit(folder, name, **changes):
    """Change keys of a file; None removes one, NULL makes it null."""
    values = json.loads((folder / name).read_text()) | changes
    kept = {key: None if value == NULL else value for key, value in values.items() if value is not None}
    (folder / name).write_text(json.dumps(kept))


NULL = "null"


def start_with_bos(folder):
    inner = tokenizer.from_json(folder / "tokenizer.json")
    vocabulary.start_with(inner, "<|bos|>")
    (folder / "tokenizer.json").write_text(inner.to_str())


def ids(folder):
    return hf_config.special_ids(folder, huggingface.tokenizer(folder))


def puts_bos(folder):
    own = source.Source(source.HUGGING_FACE, folder)
    return source.puts_bos(own, source.tokenizer(own), 256)


CLASSES = ("PreTrainedTokenizerFast", "GPT2Tokenizer", "LlamaTokenizer", "LlamaTokenizerFast", None)


@pytest.mark.parametrize(("kind", "said"), list(itertools.product(CLASSES, (None, NULL, True, False))))
@pytest.mark.parametrize("starts", [True, False])
def test_bos_comes_first_where_transformers_puts_it_or_the_files_differ(folder, kind, said, starts):
    from transformers import AutoTokenizer

    if starts:
        start_with_bos(folder)
    edit(folder, "tokenizer_config.json", tokenizer_class=kind, add_bos_token=said)
    theirs = AutoTokenizer.from_pretrained(folder)("1")["input_ids"] == [256, 49]
    of_llama = kind is None or kind.startswith("Llama")
    says = {None: True if of_llama else starts, NULL: False if of_llama else starts}.get(said, said)
    if says == starts:
        assert puts_bos(folder) == theirs == starts
        return
    with pytest.raises(InputError) as error:
        puts_bos(folder)
    word = "bos" if starts else "no bos"
    text = str(error.value)
    assert text.startswith(f"{folder}/tokenizer_config.json: add_bos_token is ")
    assert text.endswith(f", expected {starts} as in tokenizer.json, whose post_processor puts {word} first")
    assert ("for the tokenizer is a LlamaTokenizer" in text) == (said is None)


def test_the_class_of_a_tokenizer_may_stand_in_config_json(folder):
    edit(folder, "tokenizer_config.json", tokenizer_class=None)
    edit(folder, "config.json", tokenizer_class="GPT2Tokenizer")
    assert puts_bos(folder) is False
    (folder / "tokenizer_config.json").unlink()
    assert puts_bos(folder) is False


def test_a_word_on_bos_that_is_none_is_refused(folder):
    edit(folder, "tokenizer_config.json", add_bos_token="yes")
    with pytest.raises(InputError, match=r"add_bos_token is 'yes', expected true, false or null$"):
        puts_bos(folder)


def test_ids_on_which_all_agree_are_those_of_transformers(folder):
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    assert ids(folder) == IDS
    assert [theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id] == list(IDS.values())


@pytest.mark.parametrize("silent", list(itertools.combinations(NAMES, 3)))
def test_one_place_is_enough(folder, silent):
    for name in silent:
        nothing = dict.fromkeys([*IDS, *(key.removesuffix("_id") for key in IDS)], None)
        edit(folder, name, **nothing)
    assert ids(folder) == IDS


def test_a_place_may_be_missing_or_say_that_there_is_none(folder):
    edit(folder, "config.json", pad_token_id=-1, bos_token_id=NULL, eos_token_id=[])
    (folder / "generation_config.json").unlink()
    edit(folder, "tokenizer_config.json", pad_token=NULL)
    edit(folder, "special_tokens_map.json", pad_token=None)
    assert ids(folder) == IDS | {"pad_token_id": None}


@pytest.mark.parametrize(
    ("config", "generation", "token", "eos"),
    [
        ([256, 257, 258], [258, 257], "<|eos|>", 257),
        ([256, 257, 258], [258, 257], None, 257),
        ([258, 257], 257, None, 257),
        ([258, 257], None, None, 258),
        (None, [258, 257], None, 258),
        (257, [258, 257], {"content": "<|eos|>", "special": True}, 257),
    ],
)
def test_of_several_ends_one_that_all_allow(folder, config, generation, token, eos):
    edit(folder, "config.json", eos_token_id=config)
    edit(folder, "generation_config.json", eos_token_id=generation)
    for name in NAMES[2:]:
        edit(folder, name, eos_token=token)
    assert ids(folder)["eos_token_id"] == eos


def test_transformers_takes_the_old_map_of_special_tokens_only_where_no_added_tokens_are_listed(folder):
    from transformers import AutoTokenizer

    edit(folder, "special_tokens_map.json", pad_token="<|eos|>")
    assert AutoTokenizer.from_pretrained(folder).pad_token_id == 257  # else 258, by all other files
    with pytest.raises(InputError) as error:
        ids(folder)
    assert str(error.value) == (
        f"{folder}/special_tokens_map.json: pad_token is 257, expected 258 as pad_token_id in config.json"
    )
    edit(folder, "tokenizer_config.json", added_tokens_decoder=ADDED)
    assert ids(folder)["pad_token_id"] == AutoTokenizer.from_pretrained(folder).pad_token_id == 258


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("generation_config.json", {"eos_token_id": 258},
         "generation_config.json: eos_token_id is 258, expected 257 as eos_token_id in config.json"),
        ("config.json", {"eos_token_id": [256, 258]},
         "generation_config.json: eos_token_id is 257, expected one of 256, 258 as eos_token_id in config.json"),
        ("config.json", {"bos_token_id": 0},
         "generation_config.json: bos_token_id is 256, expected 0 as bos_token_id in config.json"),
        ("tokenizer_config.json", {"pad_token": "<|eos|>"},
         "tokenizer_config.json: pad_token is 257, expected 258 as pad_token_id in config.json"),
        ("tokenizer_config.json", {"eos_token": "</s>"},
         "tokenizer_config.json: eos_token is '</s>', expected a token of the tokenizer"),
        ("tokenizer_config.json", {"eos_token": 5}, "tokenizer_config.json: eos_token is 5, expected a token of the"),
        ("config.json", {"eos_token_id": "257"},
         "config.json: eos_token_id is '257', expected a whole number, a list of them, or null"),
        ("config.json", {"eos_token_id": [257, True]},
         "config.json: eos_token_id is [257, True], expected a whole number, a list of them, or null"),
        ("generation_config.json", {"pad_token_id": -2}, "generation_config.json: pad_token_id is -2, expected a whole"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"257": {"content": "<|bos|>"}}},
         "tokenizer_config.json: added_tokens_decoder gives '<|bos|>' the id 257, expected 256 as in tokenizer.json"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"259": {"content": "<new>"}}},
         "tokenizer_config.json: added_tokens_decoder gives '<new>' the id 259, expected a token of tokenizer.json"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"x": {"content": "<new>"}}},
         "added_tokens_decoder.x is {'content': '<new>'}, expected a token's number and its content"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"256": "<|bos|>"}},
         "added_tokens_decoder.256 is '<|bos|>', expected a token's number and its content"),
        ("tokenizer_config.json", {"added_tokens_decoder": [1]}, "added_tokens_decoder is [1], expected a JSON object"),
    ],
)  # fmt: skip
def test_files_that_differ_or_say_nothing_readable_are_one_line(folder, name, change, message):
    edit(folder, name, **change)
    with pytest.raises(InputError) as error:
        ids(folder)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{folder}/") and "\n" not in str(error.value)
