import io

import pytest

from callveil.cli.subject_options import identifiers
from callveil.errors import MetadataError
from callveil.vocabulary.rights import IdentifierKind

PHONE, EMAIL, CUSTOMER = IdentifierKind


def test_identifiers_are_normalised_and_each_is_there_once():
    found = identifiers(["020 7946 0958", "+442079460958"], ["Ada@example.org"], ["C 1"], "gb")
    assert found == ((PHONE, "+442079460958"), (EMAIL, "ada@example.org"), (CUSTOMER, "c1"))


def test_they_can_come_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO('{"phone": ["+442079460958"], "customer_id": ["c1"]}'))
    found = identifiers(None, ["ada@example.org"], None, None, from_stdin=True)
    assert found == ((PHONE, "+442079460958"), (EMAIL, "ada@example.org"), (CUSTOMER, "c1"))


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ((None, None, None), "--phone, --email, --customer-id: 0"),
        (([], [], [str(number) for number in range(101)]), "101 are given"),
        ((["hush"], None, None), "--phone"),
        ((None, ["hush"], None), "--email"),
        ((None, None, [" "]), "--customer-id"),
        ((["+442079460958"], None, None, "Hush"), "--region"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(given, option):
    with pytest.raises(MetadataError, match=option) as caught:
        identifiers(*given)
    assert "hush" not in str(caught.value).lower()


@pytest.mark.parametrize(
    "text",
    ["", "hush", "[]", '{"hush": []}', '{"phone": "hush"}', '{"phone": [1]}', "{" * 70_000, "[" * 5000],
)
def test_standard_input_that_cannot_be_read_is_not_shown(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    with pytest.raises(MetadataError, match="--identifiers-stdin") as caught:
        identifiers(["+442079460958"], None, None, None, from_stdin=True)
    assert "hush" not in str(caught.value)
