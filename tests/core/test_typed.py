"""Typed models: whatever a document holds is taken as it is meant, or refused in one line with the dotted key."""

import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field, model_validator

from abacus.core.errors import InputError
from abacus.core.typed import Model, Open, Positive, Share, Text, validated, whole


def is_even(value: int) -> int:
    if value % 2:
        raise ValueError
    return value


class Inner(Model):
    """A section with a docstring, which is no word of what it takes."""

    size: Annotated[int, whole(1)]
    shape: Literal["round", "square"] = "round"


class Range(Model):
    low: int
    high: int

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if self.low > self.high:
            raise InputError("low", f"is {self.low}", f"at most high ({self.high})", "swap them")
        return self


class Renamed(Model):
    config: Inner = Field(alias="model_config")


class Example(Model):
    inner: Inner
    count: Annotated[int, whole(1, 9)] = 1
    one: Annotated[int, whole(1, 1)] = 1
    even: Annotated[int, AfterValidator(is_even), Field(description="an even number")] = 2
    rate: Positive = 1.0
    plain: float = 0.5
    share: Share = 0.5
    text: Text = "x"
    flag: bool = False
    steps: Annotated[Literal["all"] | int, Field(description="'all' or a number")] = 1
    command: str | list[str] = ""
    maybe: Inner | None = None
    rates: list[Positive] = Field(default_factory=list)
    maybe_rate: Positive | None = None
    inners: list[Inner] = Field(default_factory=list)
    table: dict[str, Inner] = Field(default_factory=dict)
    either: list[Inner] | dict[str, Inner] = Field(default_factory=list)
    range: Range | None = None
    ranges: dict[str, list[Range]] = Field(default_factory=dict)
    renamed: Renamed | None = None
    others: list[dict[str, Any]] = Field(default_factory=list)
    open: "Loose | None" = None


class Loose(Open):
    size: int


GOOD = {"inner": {"size": 1}}
NUMBER = "a number above 0 (with a point: 1.0e-3)"


def said(values: object, section: str = "") -> str:
    with pytest.raises(InputError) as caught:
        validated(Example, values, "x.yaml", section)
    text = str(caught.value)
    assert text.isprintable() and text.startswith("x.yaml: ")
    return text.removeprefix("x.yaml: ")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # keys that are missing, too many, or no text
        ({"inner": {}}, "inner.size is missing"),
        ({"inner": {"sise": 1}}, "inner.sise is not a known key; did you mean 'size'?"),
        ({"inner": {"size": 1, "x": 1}}, "inner.x is not a known key; known: size, shape"),
        ({"cuont": 1}, "cuont is not a known key; did you mean 'count'?"),
        ({5: 1}, "5 is not a known key, expected text"),
        ({True: 1}, "True is not a known key, expected text"),
        ({"inner": {"size": 1, None: 1}}, "inner.None is not a known key, expected text"),
        ({"inners": [{"size": 1, 5: 1}]}, "inners[0].5 is not a known key, expected text"),
        ({"table": {5: {"size": 1}}}, "table.5 is not a known key, expected text"),
        ({"others": [{}, {5: 1}]}, "others[1].5 is not a known key, expected text"),
        # wrong types
        ({"inner": None}, "inner is None (nothing), expected a mapping"),
        ({"inner": [1]}, "inner is a list, expected a mapping"),
        ({"count": "3"}, "count is '3' (text), expected a whole number from 1 to 9"),
        ({"count": 3.0}, "count is 3.0 (a number), expected a whole number from 1 to 9"),
        ({"count": True}, "count is True (true or false), expected a whole number from 1 to 9"),
        ({"count": {}}, "count is a mapping, expected a whole number from 1 to 9"),
        ({"one": True}, "one is True (true or false), expected a whole number from 1 to 1"),
        ({"one": 1.0}, "one is 1.0 (a number), expected a whole number from 1 to 1"),
        ({"rate": True}, f"rate is True (true or false), expected {NUMBER}"),
        ({"rate": "1e-3"}, f"rate is '1e-3' (text), expected {NUMBER}"),
        ({"plain": False}, "plain is False (true or false), expected a number"),
        ({"flag": 0}, "flag is 0 (a whole number), expected true or false"),
        ({"text": 5}, "text is 5 (a whole number), expected a text"),
        ({"text": datetime.date(2020, 1, 2)}, "text is datetime.date(2020, 1, 2) (date), expected a text"),
        ({"others": {}}, "others is a mapping, expected a list"),
        ({"others": ["a"]}, "others[0] is 'a' (text), expected a mapping"),
        # bounds
        ({"count": 0}, "count is 0, expected a whole number from 1 to 9"),
        ({"count": 10}, "count is 10, expected a whole number from 1 to 9"),
        ({"even": 3}, "even is 3, expected an even number"),
        ({"share": 1}, "share is 1, expected a number from 0 to below 1"),
        ({"share": -0.1}, "share is -0.1, expected a number from 0 to below 1"),
        ({"rate": 0}, f"rate is 0, expected {NUMBER}"),
        ({"text": ""}, "text is '', expected a text"),
        # no numbers
        ({"plain": float("nan")}, "plain is nan, expected a number"),
        ({"plain": float("-inf")}, "plain is -inf, expected a number"),
        ({"share": float("nan")}, "share is nan, expected a number from 0 to below 1"),
        ({"rate": float("nan")}, f"rate is nan (a number), expected {NUMBER}"),
        ({"rate": float("inf")}, f"rate is inf (a number), expected {NUMBER}"),
        ({"rates": [1, float("inf")]}, f"rates[1] is inf (a number), expected {NUMBER}"),
        ({"rate": 10**39}, f"rate is {10**39}, expected {NUMBER}"),
        # literals and unions, whose branches are no keys
        ({"inner": {"size": 1, "shape": "oval"}}, "inner.shape is 'oval', expected one of: round, square"),
        ({"inner": {"size": 1, "shape": ["round"]}}, "inner.shape is a list, expected one of: round, square"),
        ({"steps": "some"}, "steps is 'some', expected 'all' or a number"),
        ({"steps": 1.5}, "steps is 1.5, expected 'all' or a number"),
        ({"command": 5}, "command is 5 (a whole number), expected text or a list"),
        ({"command": {}}, "command is a mapping, expected text or a list"),
        ({"command": ["a", 5]}, "command[1] is 5 (a whole number), expected text"),
        ({"either": 5}, "either is 5 (a whole number), expected a list or a mapping"),
        ({"either": [{"size": 0}]}, "either[0].size is 0, expected a whole number of at least 1"),
        ({"either": {"a": {"sise": 1}}}, "either.a.sise is not a known key; did you mean 'size'?"),
        ({"maybe": 5}, "maybe is 5 (a whole number), expected a mapping or nothing"),
        ({"maybe": {"size": 0}}, "maybe.size is 0, expected a whole number of at least 1"),
        ({"maybe_rate": -1}, f"maybe_rate is -1, expected {NUMBER} or nothing"),
        # inside lists and mappings
        ({"inners": [{"size": 1}, {"size": 0}]}, "inners[1].size is 0, expected a whole number of at least 1"),
        ({"inners": [5]}, "inners[0] is 5 (a whole number), expected a mapping"),
        ({"table": {"a": {"size": 0}}}, "table.a.size is 0, expected a whole number of at least 1"),
        ({"table": {"a": {}}}, "table.a.size is missing"),
        ({"table": {"a": 3}}, "table.a is 3 (a whole number), expected a mapping"),
        # another name outside: the field's own is none
        ({"renamed": {"model_config": {"size": 0}}}, "renamed.model_config.size is 0, expected a whole number of at least 1"),
        ({"renamed": {"config": {"size": 1}}}, "renamed.config is not a known key; did you mean 'model_config'?"),
        ({"renamed": {}}, "renamed.model_config is missing"),
        # validators of whole sections
        ({"range": {"low": 3, "high": 1}}, "range.low is 3, expected at most high (1); swap them"),
        ({"ranges": {"a": [{"low": 3, "high": 1}]}}, "ranges.a[0].low is 3, expected at most high (1); swap them"),
        ({"open": {"size": "x", "more": 1}}, "open.size is 'x' (text), expected a whole number"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line_with_its_key(change: dict, expected: str) -> None:
    values = {**GOOD, **change}
    assert said(values) == expected
    assert said(values, "section") == f"section.{expected}"


@pytest.mark.parametrize("values", [None, [1], 5, "x", True])
def test_what_is_no_mapping_is_refused(values: object) -> None:
    assert said(values).endswith(", expected a mapping")
    assert said(values, "a.b").startswith("a.b is ")


def test_a_key_too_many_is_told_before_a_missing_one_for_it_may_be_that_one_misspelt() -> None:
    assert said({"iner": {"size": 1}}) == "iner is not a known key; did you mean 'inner'?"


def test_the_first_of_several_faults_is_told() -> None:
    assert said({**GOOD, "count": 0, "inners": [{"size": 0}]}).startswith("count is 0")


def test_a_long_or_strange_value_is_shown_in_one_line() -> None:
    text = said({**GOOD, "count": "a\n\x1b" * 1000})
    assert text.startswith(r"count is 'a\n\x1ba\n") and len(text) < 300
    assert "\\n" in said({**GOOD, "a\nb": 1})


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ({"count": 9}, "count", 9),
        ({"rate": 16}, "rate", 16),  # written as 16 again, not as 16.0
        ({"rate": 0.1}, "rate", 0.1),
        ({"share": 0}, "share", 0.0),
        ({"steps": "all"}, "steps", "all"),
        ({"command": ["a"]}, "command", ["a"]),
        ({"maybe": None}, "maybe", None),
        ({"range": {"low": 1, "high": 1}}, "range", Range(low=1, high=1)),
    ],
)
def test_what_fits_is_taken_as_it_is(change: dict, key: str, value: object) -> None:
    found = getattr(validated(Example, {**GOOD, **change}, "x.yaml"), key)
    assert (found, type(found)) == (value, type(value))


def test_other_keys_of_an_open_section_stay_as_they_are() -> None:
    other = {"a": [1, {"b": None}], "model_dump": 1}
    found = validated(Loose, {"size": 1, **other}, "x.yaml")
    assert found.size == 1
    assert found.model_extra == other
