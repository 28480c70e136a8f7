import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.adapters.strict_json import MAX_DEPTH, BadJsonError, strict_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_json_passes_unchanged(value):
    text = json.dumps(value)
    assert strict_json(text, max_bytes=10**6) == text
    assert strict_json(text.encode(), max_bytes=10**6) == text


def test_a_byte_order_mark_is_taken_off():
    assert strict_json(b"\xef\xbb\xbf1", max_bytes=10) == "1"


def test_limits():
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert strict_json(deepest, max_bytes=len(deepest)) == deepest
    with pytest.raises(BadJsonError, match="larger"):
        strict_json(deepest, max_bytes=len(deepest) - 1)
    with pytest.raises(BadJsonError, match="nested deeper"):
        strict_json(f"[{deepest}]", max_bytes=1000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "fields 1 and 3 have one name"),
        ('[{"x": {"a": 1, "a": 2}}]', "fields 1 and 2 have one name"),
        (r'{"a": 1, "\u0061": 2}', "fields 1 and 2 have one name"),
        ("NaN", "NaN"),
        ("[-Infinity]", "Infinity"),
        ("{'a': 1}", "not JSON: line 1, column 2"),
        ("1,", "not JSON"),
        ('"ä', "not JSON"),
        ('"\ud800"', "not UTF-8"),
        (b'"\xe4"', "not UTF-8"),
        ("9" * 5000, "too many digits"),
        ('"' + '\\"' * 400_000, "not JSON"),
        ("]" * 9 + "[" * 9, "not JSON"),
    ],
)
def test_refused(text, expected):
    with pytest.raises(BadJsonError, match=expected):
        strict_json(text, max_bytes=10**6)
