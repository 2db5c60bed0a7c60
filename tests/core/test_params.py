"""Sections of params.yaml: read into a dataclass, or refused with the reason."""

from typing import Annotated, Literal

import pytest
import yaml
from pydantic import Field, ValidationError

from abacus.core.errors import InputError
from abacus.core.params import checkpoints, section
from abacus.core.typed import Model, Share, whole


class Inner(Model):
    size: Annotated[int, whole(1)]


class Example(Model):
    kind: Literal["round", "square"]
    name: str
    count: Annotated[int, whole(1, 9)]
    share: Share
    wide: bool
    steps: Annotated[Literal["all"] | int, Field(description="'all' or a number")]
    parts: list[int]
    inner: Inner


# Thirty lines that stand for a thousand million values.
LAUGHS = b"".join(
    b"a%d: &a%d [*a%s, *a%s]\n" % (n, n, b"%d" % (n - 1), b"%d" % (n - 1)) for n in range(1, 30)
)
LAUGHS = LAUGHS.replace(b"*a0", b"*a")
GOOD = {
    "kind": "round",
    "name": "盘",
    "count": 3,
    "share": 0.5,
    "wide": True,
    "steps": "all",
    "parts": [1, 2],
    "inner": {"size": 1},
}


def read(tmp_path, values):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"example": values}), encoding="utf-8")
    return section("example", Example, path)


def test_a_section_becomes_a_frozen_model(tmp_path):
    found = read(tmp_path, GOOD)
    assert found == Example(**GOOD | {"inner": Inner(size=1)})
    with pytest.raises(ValidationError):
        found.count = 4


@pytest.mark.parametrize(
    ("key", "value"),
    [("count", 1), ("count", 9), ("share", 0.0), ("share", 0.99), ("steps", 5), ("parts", [])],
)
def test_limits_belong_to_a_range(tmp_path, key, value):
    assert getattr(read(tmp_path, GOOD | {key: value}), key) == value


def test_a_whole_number_serves_as_a_number(tmp_path):
    share = read(tmp_path, GOOD | {"share": 0}).share
    assert (share, type(share)) == (0.0, float)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("kind", "oval", "kind is 'oval', expected one of: round, square"),
        ("kind", ["round"], "kind is a list, expected one of: round, square"),
        ("name", 5, "name is 5 (a whole number), expected text"),
        ("name", None, "name is None (nothing), expected text"),
        ("count", "3", "count is '3' (text), expected a whole number from 1 to 9"),
        ("count", 3.0, "count is 3.0 (a number), expected a whole number from 1 to 9"),
        ("count", True, "count is True (true or false), expected a whole number from 1 to 9"),
        ("count", 0, "count is 0, expected a whole number from 1 to 9"),
        ("count", 10, "count is 10, expected a whole number from 1 to 9"),
        ("share", float("nan"), "share is nan, expected a number from 0 to below 1"),
        ("share", float("inf"), "share is inf, expected a number from 0 to below 1"),
        ("share", 1.01, "share is 1.01, expected a number from 0 to below 1"),
        ("wide", 1, "wide is 1 (a whole number), expected true or false"),
        ("steps", "some", "steps is 'some', expected 'all' or a number"),
        ("parts", 5, "parts is 5 (a whole number), expected a list"),
        ("parts", [1, "b"], "parts[1] is 'b' (text), expected a whole number"),
        ("inner", 3, "inner is 3 (a whole number), expected a mapping"),
        ("inner", {"size": 0}, "inner.size is 0, expected a whole number of at least 1"),
        ("inner", {}, "inner.size is missing"),
        ("inner", {"sise": 1}, "inner.sise is not a known key; did you mean 'size'?"),
        ("cuont", 3, "cuont is not a known key; did you mean 'count'?"),
        (5, 3, "5 is not a known key, expected text"),
        (
            "zzz",
            3,
            "zzz is not a known key; known: kind, name, count, share, wide, steps, parts, inner",
        ),
    ],
)
def test_a_value_that_does_not_fit_names_itself(tmp_path, key, value, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, GOOD | {key: value})
    assert str(caught.value) == f"{tmp_path / 'params.yaml'}: example.{message}"


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_names_itself(tmp_path, key):
    with pytest.raises(InputError, match=f"params.yaml: example.{key} is missing$"):
        read(tmp_path, {k: v for k, v in GOOD.items() if k != key})


@pytest.mark.parametrize("values", [None, 5, [1], "text"])
def test_a_section_must_be_a_mapping(tmp_path, values):
    with pytest.raises(InputError, match=r"params.yaml: example is .*, expected a mapping$"):
        read(tmp_path, values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a mapping, found nothing"),
        (b"- 1\n", "expected a mapping, found a list"),
        (b"other: {}\n", "section 'example' is missing"),
        (b"a: 1\nb: [1,\n", ", line 3: not valid YAML: "),
        (b"a: 1\n\tb: 2\n", ", line 2: not valid YAML: "),
        (b"a: b: c\n", ", line 1: not valid YAML: mapping values are not allowed here"),
        (b"b: 1\na: \xff\n", ", line 2: byte 9 is not UTF-8, expected a YAML file"),
        (b"a: \x07\n", "not valid YAML: special characters are not allowed"),
        (b"a: 1\nb: !!int x\n", ", line 2: not valid YAML: 'x' cannot be read as int"),
        (b"a: 1\nb: !!bool x\n", ", line 2: not valid YAML: 'x' cannot be read as bool"),
        (b"a: !!timestamp x\n", ", line 1: not valid YAML: 'x' cannot be read as timestamp"),
        (b"a: 2001-99-99\n", ", line 1: not valid YAML: '2001-99-99' cannot be read as timestamp"),
        (b"a: 0x_\n", ", line 1: not valid YAML: '0x_' cannot be read as int"),
        (b"a: !!int ''\n", ", line 1: not valid YAML: '' cannot be read as int"),
        (b"a: " + b"9" * 5000, ", line 1: not valid YAML: '9999"),
        (b"b: 1\na: \0\n", ", line 2: not valid YAML: special characters are not allowed"),
        (b"a: 0x" + b"f" * 5000, "a is a whole number of 20000 bits, expected at most 63"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "nested too deep"),
        (b"a: !!python/object/apply:os.system [x]\n", "could not determine a constructor"),
        (b"a: &b [*b]\n", "nested too deep or too large with its aliases"),
        (b"a: &a [1, 1]\n" + LAUGHS, "nested too deep or too large with its aliases"),
        (b'a: "\\ud800"\n', r"holds a lone surrogate, which is no character: \ud800"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        section("example", Example, path)
    text = str(caught.value)
    assert text.startswith(str(path)) and message in text and "\n" not in text


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: no such file, expected a YAML file$"):
        section("example", Example, tmp_path / "none.yaml")


@pytest.mark.parametrize("value", [[0, 1], [0, 1, 2, 3, 4, 5]])
def test_checkpoints_are_the_numbers_from_0_on(tmp_path, value):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"checkpoints": value}), encoding="utf-8")
    assert checkpoints(path) == value


@pytest.mark.parametrize(
    "value", [None, 5, "0", [], [0], [1, 2], [0, 2], [0, 2, 1], [0, 1, 1], [0, True], [0.0, 1.0], {0: 1}]
)
def test_other_checkpoints_are_refused(tmp_path, value):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"checkpoints": value}), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        checkpoints(path)
    line = f"{path}: checkpoints is {value!r}, expected the numbers from 0 on, as in [0, 1, 2, 3, 4, 5]"
    assert str(caught.value) == line
