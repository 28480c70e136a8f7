from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.adapters import store_rules as rules
from callveil.errors import MetadataError, RefusedError

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "call"),
    [
        ("calls/2026/11/23/c-1/audio.flac", "calls/2026/11/23/c-1/"),
        ("calls/2026/11/23/c-1/", None),
        ("calls/2026/11/23/c-1", None),
        ("calls/2026/11/23/c-1/deeper/audio.flac", None),
        ("calls/2026/11/23/../audio.flac", None),
        ("decisions/2026/11/23/c-1/audio.flac", None),
        ("x/calls/2026/11/23/c-1/audio.flac", None),
    ],
)
def test_call_of(key, call):
    assert rules.call_of(key) == call


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_key_that_passes_stays_inside(first, second):
    key = f"{first}/{second}"
    try:
        rules.check_key(key)
    except MetadataError:
        pass
    else:
        segments = key.split("/")
        assert all(segment not in {"", ".", ".."} for segment in segments)
        assert key.isascii()
        assert key.isprintable()
        assert "\\" not in key


@given(
    st.datetimes(
        min_value=datetime(1990, 1, 1),  # noqa: DTZ001  hypothesis adds the zone
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001  hypothesis adds the zone
        timezones=st.sampled_from(
            [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=3))]
        ),
    )
)
def test_whole_seconds_never_shortens(moment):
    rounded = rules.whole_seconds(moment)
    assert timedelta(0) <= rounded - moment < timedelta(seconds=1)
    assert rounded.microsecond == 0
    assert rounded.tzinfo is UTC


@pytest.mark.parametrize(
    ("until", "locked"),
    [
        (None, None),
        (NOW, None),
        (NOW - timedelta(days=1), None),
        (NOW + timedelta(seconds=9.5), NOW + timedelta(seconds=10)),
    ],
)
def test_date_to_lock(until, locked):
    assert rules.date_to_lock(until, NOW) == locked


def test_future_date():
    assert rules.future_date(NOW + timedelta(seconds=1), NOW) == NOW + timedelta(seconds=1)
    with pytest.raises(RefusedError):
        rules.future_date(NOW, NOW)


def test_the_stores_own_tags_are_its_own_except_that_no_hold_may_be_said():
    rules.check_tags({"callveil-hold": "no"}, publishing=True)
    for tags, publishing in (
        ({"callveil-hold": "no"}, False),
        ({"callveil-hold": "yes"}, True),
        ({"callveil-part": "audio.flac"}, True),
        ({"callveil-retain-until": "x"}, True),
    ):
        with pytest.raises(MetadataError, match="set by the store itself"):
            rules.check_tags(tags, publishing=publishing)


def test_tag_values_are_not_in_the_message():
    with pytest.raises(MetadataError) as caught:
        rules.check_tags({"callveil-call": "+44 7700 900123;"}, publishing=True)
    assert "900123" not in str(caught.value)
    assert "callveil-call" in str(caught.value)
