"""Values on their way in and out."""

import dataclasses
import enum
import json
import math
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wfext import NotJSON, values

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(blacklist_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(blacklist_categories=["Cs"])), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_what_goes_in_comes_out(value):
    assert same(value, values.loads(values.dumps(value)))


def same(value, back):
    """A float of 2^53 and more comes back as the whole number of its digits, as in every language: as a float that is what it was."""
    if isinstance(value, float):
        return float(back) == value
    if isinstance(value, list):
        return len(value) == len(back) and all(map(same, value, back))
    if isinstance(value, dict):
        return value.keys() == back.keys() and all(same(value[key], back[key]) for key in value)
    return value == back and type(value) is type(back)


@pytest.mark.parametrize(
    "value, text",
    [(3.0, "3"), (-0.0, "0"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.000015, "0.000015"), (1.5e-7, "1.5e-7"), (-0.00025, "-0.00025"), (0.1, "0.1"), (1.2345e25, "1.2345e+25")],
)
def test_numbers_are_written_as_in_ecmascript(value, text):
    assert values.dumps(value) == text
    assert json.loads(text) == value


@pytest.mark.parametrize(
    "value, place",
    [
        (math.nan, "the value is nan"),
        ({"a": [1, math.inf]}, r"the value\.a\[1\] is inf"),
        ({1: 2}, "the value has the key 1"),
        ([{"x": {1}}], r"the value\[0\]\.x is of type builtins.set"),
        (b"bytes", "of type builtins.bytes"),
        (object, "of type builtins.type"),
        ("\ud83d", "half a surrogate pair"),
        (print, "builtin_function"),
    ],
)
def test_what_cannot_be_json_names_its_place(value, place):
    with pytest.raises(NotJSON, match=place):
        values.dumps(value)


def test_cycles():
    loop: list = []
    loop.append({"again": loop})
    with pytest.raises(NotJSON, match=r"the value\[0\]\.again contains itself"):
        values.dumps(loop)
    shared = [1]
    assert values.dumps([shared, shared]) == "[[1],[1]]"


class Size(enum.Enum):
    S = 1
    L = 2


@dataclasses.dataclass
class Cat:
    name: str


@dataclasses.dataclass
class Dog:
    name: str
    breed: str


@dataclasses.dataclass
class Ok:
    value: int = 0


@dataclasses.dataclass
class Err:
    message: str = ""


def test_of_a_union_the_one_that_fits():
    for value in (Cat("a"), Dog("a", "b")):
        assert values.convert(Cat | Dog, values.loads(values.dumps(value))) == value
        assert values.convert(Dog | Cat | None, values.loads(values.dumps(value))) == value
    for result in (Ok(1), Err("bad")):
        assert values.convert(Ok | Err, values.loads(values.dumps(result))) == result


def test_convert():
    assert values.convert(Optional[Size], 2) is Size.L
    assert values.convert(Optional[Size], None) is None
    assert values.convert(dict[str, list[Size]], {"a": [1, 2]}) == {"a": [Size.S, Size.L]}
    assert values.convert(tuple[int, Size], [1, 2]) == (1, Size.L)
    assert values.convert(tuple[Size, ...], [1, 2]) == (Size.S, Size.L)
    assert values.convert(int | str, "7") == "7"
    assert values.convert(float, 3) == 3.0 and isinstance(values.convert(float, 3), float)
    assert values.convert(Any, {"x": 1}) == {"x": 1}
    with pytest.raises(TypeError, match="the value is 3, which is no Size"):
        values.convert(Size, 3)
