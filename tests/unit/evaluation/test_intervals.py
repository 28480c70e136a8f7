import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.evaluation.intervals import covered_s, intersect, length_s, minus, union

whole = st.integers(0, 40)
stretches = st.lists(st.tuples(whole, whole), max_size=8)


def cells(times):
    """The set as unit cells: what arithmetic on whole seconds can be checked against."""
    return {second for start, end in times for second in range(int(start), int(end))}


@given(stretches)
def test_union_is_sorted_and_apart(items):
    times = union(items)
    assert times.shape == (len(times), 2)
    flat = times.ravel()
    assert (np.diff(flat) > 0).all()
    assert cells(times) == cells(items)


@given(stretches, stretches)
def test_set_operations_agree_with_cells(a, b):
    first, second = union(a), union(b)
    assert cells(intersect(first, second)) == cells(first) & cells(second)
    assert cells(minus(first, second)) == cells(first) - cells(second)
    assert length_s(first) == len(cells(first))
    assert length_s(minus(first, second)) + length_s(intersect(first, second)) == length_s(first)


@given(stretches, whole, whole)
def test_covered_seconds_agree_with_cells(items, start, length):
    times = union(items)
    assert covered_s(times, start, start + length) == len(cells(times) & set(range(start, start + length)))


def test_fractions():
    assert length_s(union([(0.25, 0.5), (0.5, 1.0), (0.75, 1.5)])) == pytest.approx(1.25)
    assert length_s(union([])) == 0.0
