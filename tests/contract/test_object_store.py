"""What every object store does alike."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callveil.errors import MetadataError, NotFoundError, RefusedError
from callveil.vocabulary.recording import Part

CALL = "calls/2026/11/23/c-1/"
OTHER = "calls/2026/11/24/c-2/"
TAGS = {
    "callveil-call": "c-1",
    "callveil-consent": "keep",
    "callveil-hold": "no",
    "note": "a+b=c:d/e@f é _.-",
}
PART_NAMES = sorted(Part)


def in_future(**duration: float) -> datetime:
    return datetime.now(UTC) + timedelta(**duration)


def keys(store, prefix=""):
    return [stored.key for stored in store.list_objects(prefix)]


def publish(store, parts, prefix=CALL, *, tags=TAGS, retain_until=None, replace=False):
    store.publish(prefix, parts, tags=tags, retain_until=retain_until, replace=replace)


def test_a_published_call_is_there_with_content_sizes_times_and_tags(opened, make_parts):
    before = datetime.now(UTC) - timedelta(seconds=5)
    publish(opened.store, make_parts())
    stored = list(opened.store.list_objects(CALL))
    assert [each.key for each in stored] == [CALL + name for name in PART_NAMES]
    for each in stored:
        part = each.key.removeprefix(CALL)
        content = opened.store.get(each.key)
        assert content == (b"audio one" * 100 if part == Part.AUDIO else f"{part} one".encode())
        assert each.n_bytes == len(content)
        assert before <= each.modified_at <= datetime.now(UTC) + timedelta(seconds=5)
        assert opened.store.tags(each.key) == {**TAGS, "callveil-part": part}


def test_parts_of_an_object_can_be_read(opened, make_parts):
    publish(opened.store, make_parts())
    store, key = opened.store, CALL + Part.AUDIO
    whole = store.get(key)
    assert store.size(key) == len(whole) == 900
    assert store.get_range(key, 0, 7) == whole[:7]
    assert store.get_range(key, 13, 300) == whole[13:313]
    assert store.get_range(key, 899, 100) == whole[899:]
    missing = "calls/2026/11/23/c-9/" + Part.AUDIO
    for read in (store.size, lambda key: store.get_range(key, 0, 1)):
        with pytest.raises(NotFoundError):
            read(missing)


def test_an_empty_store_lists_nothing(opened):
    assert list(opened.store.list_calls()) == []
    assert keys(opened.store) == []
    assert opened.store.delete_call(CALL) == 0


def test_listing_goes_by_prefix_and_in_the_order_of_keys(opened, make_parts):
    ids = ["c", "c-1", "c.1", "C-1", "c_1", "c1", ".c", "...", "c-1.json", "certificate.json", "x" * 128]
    calls = [f"calls/2026/11/23/{call_id}/" for call_id in ids] + ["calls/2025/01/31/c-1/"]
    for call in calls:
        publish(opened.store, make_parts(call), call)
    opened.store.put_decision("decisions/2026/11/23/c-9.json", b"{}")
    assert list(opened.store.list_calls()) == sorted(calls)
    assert list(opened.store.list_calls("calls/2026/")) == sorted(calls[:-1])
    assert list(opened.store.list_calls("calls/2025/01/31/c")) == ["calls/2025/01/31/c-1/"]
    assert list(opened.store.list_calls("calls/2025/01/31/c-1/")) == ["calls/2025/01/31/c-1/"]
    assert list(opened.store.list_calls("calls/2024")) == []
    expected = sorted(call + name for call in calls for name in PART_NAMES)
    assert keys(opened.store) == [*expected, "decisions/2026/11/23/c-9.json"]
    assert keys(opened.store, "calls/2025/01/31/c-1/transcript") == [
        "calls/2025/01/31/c-1/transcript.json",
        "calls/2025/01/31/c-1/transcript.vtt",
    ]
    for call in calls:
        assert opened.store.get(call + Part.CERTIFICATE) == f"certificate.json {call}".encode()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call_id=st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True).filter(lambda s: s not in {".", ".."}))
def test_any_call_id_goes_in_and_comes_out(opened, make_parts, call_id):
    call = f"calls/1999/12/31/{call_id}/"
    publish(opened.store, make_parts(call_id), call)
    assert list(opened.store.list_calls(call)) == [call]
    assert opened.store.get(call + Part.VCON) == f"vcon.json {call_id}".encode()
    assert opened.store.delete_call(call) == 5
    assert opened.everything() == []


def test_a_call_may_have_fewer_parts_and_an_empty_one(opened, make_parts):
    publish(opened.store, make_parts(audio=b"", without=(Part.VCON, Part.CAPTIONS)))
    assert opened.store.get(CALL + Part.AUDIO) == b""
    assert len(keys(opened.store)) == 3


def test_a_large_file_goes_through(opened, make_parts):
    audio = bytes(range(256)) * (20 * 4096) + b"tail"
    publish(opened.store, make_parts(audio=audio), retain_until=in_future(days=1))
    assert opened.store.get(CALL + Part.AUDIO) == audio
    assert opened.store.tags(CALL + Part.AUDIO) == {**TAGS, "callveil-part": "audio.flac"}
    assert opened.store.retention(CALL) is not None
    with pytest.raises(RefusedError):
        opened.store.delete_call(CALL)
    assert opened.store.delete_call(CALL, bypass_governance=True) == 5


def test_a_call_is_not_replaced_unless_asked_for(opened, make_parts):
    publish(opened.store, make_parts("old"))
    with pytest.raises(RefusedError):
        publish(opened.store, make_parts("new"))
    assert opened.store.get(CALL + Part.VCON) == b"vcon.json old"


def test_replacing_leaves_no_earlier_version(opened, make_parts):
    publish(opened.store, make_parts("old"), retain_until=in_future(days=1))
    opened.store.set_tags(CALL, {"colour": "red"})
    publish(opened.store, make_parts("new", without=(Part.VCON,)), replace=True)
    assert opened.store.get(CALL + Part.AUDIO) == b"audio new" * 100
    assert opened.store.tags(CALL + Part.AUDIO) == {**TAGS, "callveil-part": "audio.flac"}
    assert opened.store.retention(CALL) is None
    parts = [name for name in opened.everything() if name.startswith("calls/")]
    assert parts == [CALL + name for name in PART_NAMES if name != Part.VCON]


def test_replace_may_be_asked_for_when_there_is_nothing(opened, make_parts):
    publish(opened.store, make_parts(), replace=True)
    assert list(opened.store.list_calls()) == [CALL]


def test_deleting_leaves_nothing_and_touches_no_other_call(opened, make_parts):
    publish(opened.store, make_parts())
    publish(opened.store, make_parts(), "calls/2026/11/23/c-10/")
    opened.store.set_tags(CALL, {"colour": "red"})
    assert opened.store.delete_call(CALL) == 5
    assert list(opened.store.list_calls()) == ["calls/2026/11/23/c-10/"]
    assert opened.store.delete_call("calls/2026/11/23/c-10/") == 5
    assert opened.everything() == []
    assert opened.store.delete_call(CALL) == 0


def test_what_is_not_published_is_not_found(opened, make_parts):
    publish(opened.store, make_parts())
    opened.store.delete_call(CALL)
    publish(opened.store, make_parts(without=(Part.VCON,)), OTHER)
    for key in (CALL + Part.AUDIO, OTHER + Part.VCON, "calls/2026/11/24", "elsewhere", "decisions/no.json"):
        with pytest.raises(NotFoundError):
            opened.store.get(key)
        with pytest.raises(NotFoundError):
            opened.store.tags(key)
    for ask in (
        lambda: opened.store.set_tags(CALL, {"a": "b"}),
        lambda: opened.store.set_retention(CALL, in_future(days=1)),
        lambda: opened.store.retention(CALL),
        lambda: opened.store.set_legal_hold(CALL, True),
        lambda: opened.store.legal_hold(CALL),
        lambda: opened.store.delete_parts(CALL, [Part.AUDIO]),
    ):
        with pytest.raises(NotFoundError):
            ask()


def test_decision_records_are_replaced_and_hold_no_earlier_version(opened):
    opened.store.put_decision("decisions/2026/c-1.json", b'{"action": "hold"}')
    opened.store.put_decision("decisions/2026/c-1.json.json", b"{}")
    opened.store.put_decision("decisions/2026/c-1.json", b'{"action": "discard"}')
    assert opened.store.get("decisions/2026/c-1.json") == b'{"action": "discard"}'
    assert opened.store.tags("decisions/2026/c-1.json") == {}
    both = ["decisions/2026/c-1.json", "decisions/2026/c-1.json.json"]
    assert keys(opened.store, "decisions/") == both
    assert opened.everything() == both
    assert list(opened.store.list_calls("")) == []


def test_tags_are_merged_on_every_object(opened, make_parts):
    publish(opened.store, make_parts(), retain_until=in_future(days=1))
    opened.store.set_tags(CALL, {"callveil-consent": "withdrawn", "colour": "red"})
    for name in PART_NAMES:
        assert opened.store.tags(CALL + name) == {
            **TAGS,
            "callveil-consent": "withdrawn",
            "colour": "red",
            "callveil-part": name,
        }
    assert opened.store.retention(CALL) is not None
    with pytest.raises(MetadataError, match="at most"):
        opened.store.set_tags(CALL, {f"tag-{i}": "x" for i in range(5)})


@pytest.mark.parametrize(
    "tags",
    [
        {"a": "b&c"},
        {"a&b": "c"},
        {"": "x"},
        {"a" * 129: "x"},
        {"a": "x" * 257},
        {"a": "x\ny"},
        {"a": "x,y"},
        {"aws:a": "x"},
        {"callveil-part": "audio.flac"},
        {"callveil-hold": "yes"},
        {"callveil-removed": "audio.flac"},
        {"callveil-restricted": "perhaps"},
        {"callveil-retain-until": "2030-01-01T00:00:00Z"},
        {f"tag-{i}": "x" for i in range(7)},
    ],
)
def test_tags_that_s3_would_not_take_are_refused(opened, make_parts, tags):
    with pytest.raises(MetadataError, match=r"^tags: ") as caught:
        publish(opened.store, make_parts(), tags=tags)
    assert "x,y" not in str(caught.value)
    assert opened.everything() == []


def test_all_ten_tags_of_full_length_fit_at_any_time_under_lock_and_hold(opened, make_parts):
    store = opened.store
    tags = {f"{i}{'k' * 127}": "v" * 256 for i in range(6)}
    publish(store, make_parts(), tags={**tags, "callveil-hold": "no"}, retain_until=in_future(days=1))
    store.delete_parts(CALL, {Part.AUDIO, Part.VCON, Part.CAPTIONS}, bypass_governance=True)
    can_hold = getattr(store, "supports_lock", True)
    store.set_legal_hold(CALL, can_hold)
    for restricted in ("yes", "no", "yes"):
        store.set_tags(CALL, {"callveil-restricted": restricted})
        assert store.tags(CALL + Part.TRANSCRIPT) == {
            **tags,
            "callveil-hold": "yes" if can_hold else "no",
            "callveil-part": "transcript.json",
            "callveil-removed": "audio.flac+transcript.vtt+vcon.json",
            "callveil-restricted": restricted,
        }
    with pytest.raises(MetadataError, match="at most 6"):
        store.set_tags(CALL, {"one-more": "x"})
    assert store.retention(CALL) is not None
    assert store.legal_hold(CALL) is can_hold


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "/",
        "calls/2026/11/23/c-1",
        "/calls/2026/11/23/c-1/",
        "calls/2026/11/23/../",
        "calls/2026/11/23/./",
        "calls/2026/11/../c-1/",
        "calls/2026/11/23//",
        "calls/2026/11/23/a/b/",
        "calls/2026/11/23/a\\b/",
        "calls/2026/11/23/a\nb/",
        "calls/2026/11/23/a\x00b/",
        "calls/2026/11/23/a b/",
        "calls/2026/11/23/é/",
        f"calls/2026/11/23/{'x' * 201}/",
        "calls/c-1/",
        "decisions/2026/11/23/c-1/",
        ".callveil/2026/11/23/c-1/",
        "calls/2026/11/23/c-1/\n",
    ],
)
def test_a_prefix_that_is_no_call_is_refused_everywhere(opened, make_parts, prefix):
    for ask in (
        lambda: publish(opened.store, make_parts(), prefix),
        lambda: opened.store.set_tags(prefix, {"a": "b"}),
        lambda: opened.store.set_retention(prefix, in_future(days=1)),
        lambda: opened.store.retention(prefix),
        lambda: opened.store.set_legal_hold(prefix, True),
        lambda: opened.store.legal_hold(prefix),
        lambda: opened.store.delete_call(prefix),
        lambda: opened.store.delete_parts(prefix, [Part.AUDIO]),
    ):
        with pytest.raises(MetadataError, match=r"^prefix: "):
            ask()


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "calls/../../x", "a//b", "a\\b", "a\nb", "a\x00b", "a/", "a/./b", "é"]
)
def test_a_bad_key_is_refused(opened, key):
    for ask in (opened.store.get, opened.store.tags, lambda key: opened.store.put_decision(key, b"{}")):
        with pytest.raises(MetadataError, match=r"^key: "):
            ask(key)
    with pytest.raises(MetadataError, match=r"^key: "):
        opened.store.put_decision("calls/2026/11/23/c-1/audio.flac", b"{}")


@pytest.mark.parametrize("prefix", ["/", "..", "../", "calls/../", "a\\b", "a\nb", "calls//", "./"])
def test_listing_a_bad_prefix_is_refused(opened, prefix):
    for ask in (opened.store.list_calls, opened.store.list_objects):
        with pytest.raises(MetadataError, match=r"^prefix: "):
            list(ask(prefix))


def test_parts_must_be_complete_and_different(opened, make_parts):
    with pytest.raises(MetadataError, match="certificate"):
        publish(opened.store, make_parts(without=(Part.CERTIFICATE,)))
    with pytest.raises(MetadataError, match="twice"):
        publish(opened.store, [*make_parts(), *make_parts()])
    assert opened.everything() == []


def test_before_its_date_a_call_is_deleted_only_with_bypass(opened, make_parts):
    until = in_future(days=30)
    publish(opened.store, make_parts(), retain_until=until)
    assert until <= opened.store.retention(CALL) <= until + timedelta(seconds=1)
    with pytest.raises(RefusedError):
        opened.store.delete_call(CALL)
    assert len(keys(opened.store)) == 5
    assert opened.store.delete_call(CALL, bypass_governance=True) == 5
    assert opened.everything() == []


@pytest.mark.slow
def test_from_its_date_on_a_call_can_be_deleted(opened, make_parts):
    publish(opened.store, make_parts(), retain_until=in_future(seconds=2))
    with pytest.raises(RefusedError):
        opened.store.delete_call(CALL)
    time.sleep(3.1)
    assert opened.store.delete_call(CALL) == 5


def test_the_date_moves_both_ways(opened, make_parts):
    publish(opened.store, make_parts())
    assert opened.store.retention(CALL) is None
    later, sooner = in_future(days=60).replace(microsecond=0), in_future(days=2).replace(microsecond=0)
    for until in (later, sooner, sooner, later):
        opened.store.set_retention(CALL, until)
        assert opened.store.retention(CALL) == until
        with pytest.raises(RefusedError):
            opened.store.delete_call(CALL)
    assert opened.store.tags(CALL + Part.AUDIO) == {**TAGS, "callveil-part": "audio.flac"}


def test_the_date_is_kept_in_whole_seconds_of_utc(opened, make_parts):
    east = datetime.fromisoformat("2099-06-01T12:00:00.000001+02:00")
    publish(opened.store, make_parts(), retain_until=east)
    assert opened.store.retention(CALL) == datetime.fromisoformat("2099-06-01T10:00:01+00:00")
    assert opened.store.retention(CALL).tzinfo is UTC


def test_dates_that_make_no_sense(opened, make_parts):
    naive = datetime(2099, 1, 1)  # noqa: DTZ001  what is refused here
    with pytest.raises(MetadataError, match="time zone"):
        publish(opened.store, make_parts(), retain_until=naive)
    publish(opened.store, make_parts(), retain_until=in_future(seconds=-1))
    assert opened.store.retention(CALL) is None
    with pytest.raises(RefusedError, match="future"):
        opened.store.set_retention(CALL, in_future(seconds=-1))
    with pytest.raises(MetadataError, match="time zone"):
        opened.store.set_retention(CALL, naive)


def test_parts_go_and_the_call_stays(opened, make_parts):
    store = opened.store
    publish(store, make_parts())
    publish(store, make_parts(), OTHER)
    assert store.delete_parts(CALL, {Part.AUDIO}) == 1
    with pytest.raises(NotFoundError):
        store.get(CALL + Part.AUDIO)
    with pytest.raises(NotFoundError):
        store.tags(CALL + Part.AUDIO)
    left = [name for name in PART_NAMES if name != Part.AUDIO]
    assert keys(store, CALL) == [CALL + name for name in left]
    assert list(store.list_calls()) == [CALL, OTHER]
    for name in left:
        assert store.get(CALL + name) == f"{name} one".encode()
        assert store.tags(CALL + name) == {**TAGS, "callveil-part": name, "callveil-removed": "audio.flac"}
    assert store.delete_parts(CALL, [Part.AUDIO]) == 0
    assert store.delete_parts(CALL, [Part.TRANSCRIPT, Part.CAPTIONS, Part.VCON, Part.AUDIO]) == 3
    assert store.tags(CALL + Part.CERTIFICATE)["callveil-removed"] == (
        "audio.flac+transcript.json+transcript.vtt+vcon.json"
    )
    assert [name for name in opened.everything() if name.startswith(CALL)] == [CALL + Part.CERTIFICATE]
    assert len(keys(store, OTHER)) == 5
    assert store.delete_call(CALL) == 1
    with pytest.raises(NotFoundError):
        store.delete_parts(CALL, [Part.AUDIO])


def test_the_certificate_goes_with_its_call_only(opened, make_parts):
    publish(opened.store, make_parts())
    with pytest.raises(MetadataError, match="certificate"):
        opened.store.delete_parts(CALL, [Part.AUDIO, Part.CERTIFICATE])
    assert opened.store.delete_parts(CALL, []) == 0
    assert len(keys(opened.store)) == 5
    assert "callveil-removed" not in opened.store.tags(CALL + Part.CERTIFICATE)


def test_before_their_date_parts_go_only_with_bypass(opened, make_parts):
    store, until = opened.store, in_future(days=30)
    publish(store, make_parts(), retain_until=until)
    with pytest.raises(RefusedError):
        store.delete_parts(CALL, [Part.AUDIO])
    assert len(keys(store)) == 5
    assert "callveil-removed" not in store.tags(CALL + Part.CERTIFICATE)
    assert store.delete_parts(CALL, [Part.AUDIO], bypass_governance=True) == 1
    assert store.delete_parts(CALL, [Part.AUDIO]) == 0
    assert until <= store.retention(CALL) <= until + timedelta(seconds=1)
    with pytest.raises(RefusedError):
        store.delete_call(CALL)


def test_under_legal_hold_no_part_goes(locking, make_parts):
    store = locking.store
    publish(store, make_parts())
    store.delete_parts(CALL, [Part.VCON])
    store.set_legal_hold(CALL, True)
    for bypass in (False, True):
        with pytest.raises(RefusedError, match="legal hold"):
            store.delete_parts(CALL, [Part.AUDIO, Part.VCON], bypass_governance=bypass)
    assert store.tags(CALL + Part.CERTIFICATE)["callveil-removed"] == "vcon.json"
    assert store.delete_parts(CALL, [Part.VCON]) == 0, "nothing is left to refuse"
    store.set_legal_hold(CALL, False)
    assert store.delete_parts(CALL, [Part.AUDIO, Part.VCON]) == 1


def test_a_call_that_is_published_anew_has_all_its_parts(opened, make_parts):
    publish(opened.store, make_parts("old"))
    opened.store.delete_parts(CALL, [Part.AUDIO])
    publish(opened.store, make_parts("new"), replace=True)
    assert len(keys(opened.store)) == 5
    assert opened.store.tags(CALL + Part.AUDIO) == {**TAGS, "callveil-part": "audio.flac"}


def test_what_is_left_is_counted(opened, make_parts):
    store, record = opened.store, "decisions/2026/11/23/c-1.json"
    assert store.count_versions(CALL) == store.count_versions(record) == 0
    publish(store, make_parts(), retain_until=in_future(days=1))
    publish(store, make_parts(), "calls/2026/11/23/c-10/")
    assert store.count_versions(CALL) >= 5
    store.delete_parts(CALL, [Part.AUDIO], bypass_governance=True)
    assert store.count_versions(CALL) >= 4
    store.delete_call(CALL, bypass_governance=True)
    assert store.count_versions(CALL) == 0
    store.put_decision(record, b"{}")
    store.put_decision(f"{record}.json", b"{}")
    assert store.count_versions(record) == 1
    for wrong in ("calls/2026/11/23/", "decisions/", "elsewhere", "", "calls/2026/11/23/c-1"):
        with pytest.raises(MetadataError):
            store.count_versions(wrong)


def test_decision_records_can_be_deleted(opened):
    store, record = opened.store, "decisions/2026/11/23/c-1.json"
    assert store.delete_decision(record) is False
    for content in (b'{"action": "hold"}', b'{"action": "discard"}'):
        store.put_decision(record, content)
    store.put_decision(f"{record}.json", b"{}")
    assert store.delete_decision(record) is True
    assert store.delete_decision(record) is False
    assert store.count_versions(record) == 0
    with pytest.raises(NotFoundError):
        store.get(record)
    assert opened.everything() == [f"{record}.json"]
    with pytest.raises(MetadataError):
        store.delete_decision(CALL + "audio.flac")


def test_a_legal_hold_refuses_deletion_and_replacement(locking, make_parts):
    store = locking.store
    publish(store, make_parts("old"), retain_until=in_future(days=1))
    assert store.legal_hold(CALL) is False
    store.set_legal_hold(CALL, True)
    assert store.legal_hold(CALL) is True
    assert {store.tags(CALL + name)["callveil-hold"] for name in PART_NAMES} == {"yes"}
    with pytest.raises(RefusedError, match="legal hold"):
        store.delete_call(CALL)
    with pytest.raises(RefusedError, match="legal hold"):
        store.delete_call(CALL, bypass_governance=True)
    with pytest.raises(RefusedError, match="legal hold"):
        publish(store, make_parts("new"), replace=True)
    assert store.get(CALL + Part.VCON) == b"vcon.json old"
    assert len(keys(store)) == 5


def test_a_hold_survives_other_changes_and_can_be_lifted(locking, make_parts):
    store = locking.store
    until = in_future(days=2).replace(microsecond=0)
    publish(store, make_parts())
    store.set_legal_hold(CALL, True)
    store.set_tags(CALL, {"colour": "red"})
    store.set_retention(CALL, until)
    assert store.legal_hold(CALL) is True
    assert store.tags(CALL + Part.AUDIO)["callveil-hold"] == "yes"
    store.set_legal_hold(CALL, True)
    store.set_legal_hold(CALL, False)
    assert store.legal_hold(CALL) is False
    assert store.tags(CALL + Part.AUDIO) == {**TAGS, "colour": "red", "callveil-part": "audio.flac"}
    assert store.retention(CALL) == until
    assert store.delete_call(CALL, bypass_governance=True) == 5
