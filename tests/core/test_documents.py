"""JSON and YAML that say two things are refused, with the key and its line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abacus.commands.predict import parse
from abacus.core.documents import KeyTwice, laid_out, parse_json, read_json, read_yaml
from abacus.core.errors import InputError
from abacus.data.rows import read_rows

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(VALUES)
def test_any_value_is_read_as_json_reads_it(value):
    assert parse_json(json.dumps(value, indent=1)) == value


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ('{"a": 1, "a": 1}', "a", 1),
        ('{"a": 1,\n "b": {"a": 2},\n "a": 3}', "a", 3),
        ('[{"a": 1},\n {"a": "{\\"a\\":", "b": [{"c": 1}, "]"],\n "b": 0}]', "b", 3),
        ('{"\\u0061": 1, "a": 2}', "a", 1),
    ],
)
def test_a_key_twice_is_named_with_its_line(tmp_path, text, key, line):
    with pytest.raises(KeyTwice, match=f"key '{key}' stands twice in an object"):
        parse_json(text)
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_json(path, "a thing", object)
    assert (
        str(caught.value) == f"{path}, line {line}: key '{key}' stands twice in an object, expected a thing"
    )


def test_a_row_with_a_key_twice_is_refused_by_both_readers(tmp_path):
    twice = '{"problem": "计算 6.00 + 1.50 等于多少？", "solution": "8.00", "solution": "7.50"}'
    path = tmp_path / "rows.json"
    path.write_text('{"problem": "a", "solution": ""}\n' + twice + "\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"line 2: key 'solution' stands twice in an object, at character \d+"
    ):
        list(read_rows(path))
    assert parse(7, twice.encode()).fault.startswith("key 'solution' stands twice in an object, at character")


@pytest.mark.parametrize(
    ("text", "line"), [("a: 1\nb: 2\na: 3\n", 3), ("s:\n  k: 1\n  k: 1\n", 3), ("x: {1: a, 1.0: b}\n", 1)]
)
def test_yaml_with_a_key_twice_is_refused(tmp_path, text, line):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"x.yaml, line {line}: not valid YAML: key .* stands twice"):
        read_yaml(path)


def test_what_a_merge_brings_in_may_be_set_anew(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n")
    assert read_yaml(path)["y"] == {"a": 1, "b": 3}


ROWS = [{"problem": "a", "solution": "1"}, {"problem": "b", "solution": "2"}]
ARRAY = "is a JSON array, expected JSON Lines; write one object a line"
SPREAD = "is an object over several lines, expected JSON Lines; write one object a line"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps(ROWS), f", line 1: {ARRAY}"),
        (json.dumps(ROWS, indent=2), f", line 1: {ARRAY}"),
        ("[" + ",\n".join(map(json.dumps, ROWS)) + "]", f", line 1: {ARRAY}"),
        (json.dumps(ROWS[0], indent=2), f", line 1: {SPREAD}"),
        ("\n".join(json.dumps(row, indent=2) for row in ROWS), f", line 1: {SPREAD}"),
        (json.dumps(ROWS[0]) + "\n" + json.dumps(ROWS[1], indent=2), f", line 2: {SPREAD}"),
    ],
)
def test_json_that_is_laid_out_otherwise_is_called_what_it_is(tmp_path, text, says):
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        list(read_rows(path))
    assert str(caught.value) == f"{path}{says}"


@pytest.mark.parametrize("text", ["", "# Title", "[1, 2", '{"a": 1}\n{"b": 2}\n', '[1]\n{"a": 1}\n', "1\n"])
def test_all_else_is_neither(text):
    assert laid_out(text) == ""


def test_yaml_with_a_key_that_is_a_collection_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\n!!seq x: 2\n", encoding="utf-8")
    with pytest.raises(InputError, match="not valid YAML: "):
        read_yaml(path)
