# ruff: noqa: E501  one row, one line
import pytest

from callveil.stages.spoken_forms import sounds_alike


@pytest.mark.parametrize(
    ("one", "two"),
    [("Lindqvist", "Lincvist"), ("Katie", "Katy"), ("Siobhan", "Siobhan"), ("Cholmondeley", "Cholmondely"),
     ("Yevgenia", "Yevgeniya"), ("Philippa", "Filippa"), ("Kowalczyk", "Kowalcyk"), ("Marshall", "Marshal"),
     ("Stephen", "Steven"), ("Goldthorpe", "Goldthorp"), ("Catherine", "Katherine")],
)  # fmt: skip
def test_alike(one, two):
    assert sounds_alike(one, two)
    assert sounds_alike(two, one)


@pytest.mark.parametrize(
    ("one", "two"),
    [("Smith", "Jones"), ("Ann", "Ian"), ("", "Ann"), ("Martin", "Morning"), ("Lindqvist", "London"), ("Harris", "Hello"),
     ("Wednesday", "Wendy"), ("Parker", "Parcel")],
)  # fmt: skip
def test_not_alike(one, two):
    assert not sounds_alike(one, two)
