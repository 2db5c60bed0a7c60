"""Documents from outside as typed models: one adapter turns what pydantic says of them into one line of ours.

A model is a frozen class of annotated fields; a key too many or too few is an error with the nearest name. What a
field takes is said by its `description`, or follows from its type. A validator of a whole section raises
`InputError(key, found, expected)`, and the adapter puts the file and the section before the key.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from abacus.core.documents import YAML_NAMES, kind
from abacus.core.errors import InputError

SHOWN = 200  # characters of a value
LARGEST = 3.4e38  # beyond it a float32 is infinite
KEY = "[key]"  # pydantic's word, behind a key of a mapping, for a fault of the key itself
NAMES: dict[Any, str] = YAML_NAMES | {list: "a list", NoneType: "nothing"}


class Model(BaseModel):
    """A mapping whose keys are all known; no number in it is infinite or none (NaN)."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=()
    )


class Open(Model):
    """A mapping of which some keys are ours to read; the others are somebody else's and stay as they are."""

    model_config = ConfigDict(extra="allow")


M = TypeVar("M", bound=Model)


def whole(low: int, high: int | None = None) -> FieldInfo:
    """The bounds of a whole number: `steps: Annotated[int, whole(1, 9)]`.

    For one or two numbers as well: a Literal of numbers takes True and 1.0, which Python holds to be equal to 1.
    """
    words = (
        f"a whole number from {low} to {high}" if high is not None else f"a whole number of at least {low}"
    )
    return cast(FieldInfo, Field(ge=low, le=high, description=words))


# A whole number stays one: 16 is written as 16 again, not as 16.0.
Positive = Annotated[
    int | float, Field(gt=0, le=LARGEST, description="a number above 0 (with a point: 1.0e-3)")
]
Share = Annotated[float, Field(ge=0, lt=1, description="a number from 0 to below 1")]
Text = Annotated[str, Field(min_length=1, description="a text")]


def validated(into: type[M], values: object, place: object, section: str = "") -> M:
    """The model `into` of a mapping; InputError names `place` (a file), the key below `section`, and what is wrong."""
    if not isinstance(values, dict):
        raise InputError(place, f"{section or 'it'} is {kind(values)}", "a mapping")
    try:
        return into.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _said(*_chosen(error.errors(include_url=False), into), place, section) from None


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of a name that is not among those known: the nearest of them, or all."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"


class _Spot(NamedTuple):
    """Where a fault is: its dotted key, the model that holds it, what it takes, and if a union's branch is undecided."""

    key: str
    holder: type[Model]
    takes: object
    undecided: bool


def _chosen(faults: list[ErrorDetails], into: type[Model]) -> tuple[ErrorDetails, _Spot]:
    """The one of several faults that is told.

    A key too many is often one that is missing, misspelt. Of a union's branches the one that fitted furthest down is
    the one that was meant.
    """
    fault = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    spot = _walk(into, fault)
    if spot.undecided:
        within = fault["loc"][:-1]
        same = (other for other in faults if other["loc"][: len(within)] == within)
        fault = max(same, key=lambda other: len(other["loc"]))
        spot = _walk(into, fault)
    return fault, spot


def _said(fault: ErrorDetails, spot: _Spot, place: object, section: str) -> InputError:
    """A fault as our one line."""
    key, found = f"{section}{spot.key}".removeprefix("."), fault["input"]
    own = fault.get("ctx", {}).get("error")
    if isinstance(own, InputError):  # by a validator of a whole section
        where = ".".join(filter(None, (key, own.place)))
        return InputError(place, f"{where} {own.found}", own.expected, own.advice)
    if fault["type"] == "missing":
        return InputError(place, f"{key} is missing")
    if fault["type"] == "invalid_key" or fault["loc"][-1:] == (KEY,):
        return InputError(place, f"{key} is not a known key", "text")
    if fault["type"] == "extra_forbidden":
        known = list(_fields(spot.holder))
        return InputError(place, f"{key} is not a known key", advice=nearest(str(fault["loc"][-1]), known))
    if isinstance(found, dict | list):
        shown = kind(found)
    else:
        shown = repr(found)[:SHOWN] + (f" ({kind(found)})" if fault["type"].endswith("_type") else "")
    return InputError(place, f"{key} is {shown}", " or ".join(dict.fromkeys(_words(spot.takes))))


def _walk(into: type[Model], fault: ErrorDetails) -> _Spot:
    """Follow a fault's place down the types; before what is wrong in a union stands the branch, which is no key."""
    key, takes = "", cast(object, into)
    holder: type[Model] = into
    for number, part in enumerate(fault["loc"], 1):
        if part == KEY:
            break
        options = [one for one in _options(takes) if one is not NoneType]
        if len(options) > 1:
            if number == len(fault["loc"]):
                return _Spot(key, holder, takes, undecided=True)
            takes = next((one for one in options if _name(one) == str(part).partition("[")[0]), None)
        elif isinstance(options[0], type) and issubclass(options[0], Model):
            named = fault["input"] if fault["type"] == "invalid_key" and number == len(fault["loc"]) else part
            key, holder, takes = f"{key}.{named}", options[0], _fields(options[0]).get(str(part))
        elif get_origin(options[0]) is dict:
            key, takes = f"{key}.{part}", get_args(options[0])[1]
        else:
            key, takes = f"{key}[{part}]", next(iter(get_args(options[0])), None)
    return _Spot(key, holder, takes, undecided=False)


def _bare(takes: object) -> Any:
    """What a place takes, as a type without its notes."""
    if isinstance(takes, FieldInfo):
        return _bare(takes.annotation)
    return _bare(get_args(takes)[0]) if get_origin(takes) is Annotated else takes


def _options(takes: object) -> list[Any]:
    """The types that a place takes: those of a union one by one."""
    bare = _bare(takes)
    if get_origin(bare) in (Union, UnionType):
        return [option for one in get_args(bare) for option in _options(one)]
    return [bare]


def _name(option: Any) -> str:
    """The name of a type without its arguments, as pydantic calls the branch of a union."""
    return getattr(get_origin(option) or option, "__name__", "")


def _fields(holder: type[Model]) -> Mapping[str, FieldInfo]:
    return {info.alias or name: info for name, info in holder.model_fields.items()}


def _words(takes: object) -> Iterator[str]:
    """What a place takes, in words."""
    notes = get_args(takes)[1:] if get_origin(takes) is Annotated else [takes]
    said = [note.description for note in notes if isinstance(note, FieldInfo) and note.description]
    bare = _bare(takes)
    kind_of = get_origin(bare)
    if said:
        yield said[0]
    elif kind_of in (Union, UnionType):
        for one in get_args(bare):
            yield from _words(one)
    elif kind_of is Literal:
        yield f"one of: {', '.join(map(str, get_args(bare)))}"
    else:
        yield NAMES.get(kind_of or bare, "a mapping")
