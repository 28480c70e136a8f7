from datetime import UTC, datetime, timedelta, timezone

import pytest

from callveil.errors import MetadataError
from callveil.stages.documents.forms import compact, indented, seconds, utc


def test_utc_converts_and_writes_z():
    paris = timezone(timedelta(hours=1))
    assert utc(datetime(2026, 11, 23, 10, 30, tzinfo=paris)) == "2026-11-23T09:30:00.000Z"
    assert utc(datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)) == "2026-01-02T03:04:05.678Z"


def test_utc_refuses_a_time_without_zone():
    with pytest.raises(MetadataError, match="time zone"):
        utc(datetime(2026, 11, 23))  # noqa: DTZ001


def test_seconds_have_three_decimals():
    assert seconds(1.23456) == 1.235
    assert seconds(2) == 2.0


def test_json_keeps_the_order_of_keys_and_writes_utf8():
    assert compact({"b": "é", "a": 1}) == '{"b":"é","a":1}\n'.encode()
    assert indented({"b": [], "a": None}) == b'{\n  "b": [],\n  "a": null\n}\n'


def test_json_refuses_what_json_does_not_know():
    with pytest.raises(ValueError, match="JSON compliant"):
        compact({"score": float("nan")})
