import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callveil.adapters.call_metadata import MAX_BYTES, UNREADABLE_PLACE, minimal_call, parse_call
from callveil.errors import MetadataError
from callveil.vocabulary.call import Call, Direction, Role
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Method, Purpose

WRITTEN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
EXAMPLES = re.findall(r"```json\n(.*?)```", (ROOT / "CALLS.md").read_text(encoding="utf-8"), re.DOTALL)


def parse(document: object) -> Call:
    text = document if isinstance(document, str | bytes) else json.dumps(document)
    return parse_call(text, source="/inbox/c-1.json", default_started_at=WRITTEN)


def with_record(record: object, parties: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"call_id": "c-1", "parties": parties or [], "consent": {"recording": record}}


def with_party(**fields: object) -> dict[str, Any]:
    return {"call_id": "c-1", "parties": [{"role": "customer", **fields}]}


def test_bare_flag_counts_for_every_purpose_and_all_parties():
    call = parse({"call_id": "c-1", "consent": "granted"})
    assert call == Call(
        call_id="c-1",
        started_at=WRITTEN,
        consent=tuple(ConsentRecord(purpose=purpose, flag=Flag.GRANTED) for purpose in Purpose),
    )
    assert call == minimal_call("c-1", Flag.GRANTED, WRITTEN)


def test_examples_of_the_documentation():
    assert len(EXAMPLES) == 2
    short, full = (parse(example) for example in EXAMPLES)
    assert {record.flag for record in short.consent} == {Flag.GRANTED}
    assert full.started_at == datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    assert (full.direction, full.language, full.queue, full.agent) == (
        Direction.INBOUND, "en", "billing", "a.k.17")  # fmt: skip
    assert [(p.role, p.channel, p.jurisdiction) for p in full.parties] == [
        (Role.AGENT, 0, "IE"), (Role.CUSTOMER, 1, "US-CA")]  # fmt: skip
    assert full.parties[1].identifiers.phone == "+14155550100"
    assert full.parties[1].identifiers.email == "caller@example.com"
    assert full.parties[1].identifiers.customer_id == "C-20417"
    assert full.consent == (
        ConsentRecord(
            purpose=Purpose.RECORDING,
            flag=Flag.GRANTED,
            lawful_basis=LawfulBasis.CONSENT,
            given_at=datetime(2026, 11, 23, 9, 30, 5, tzinfo=UTC),
            method=Method.ANNOUNCEMENT,
        ),
        ConsentRecord(
            purpose=Purpose.TRANSCRIPTION,
            flag=Flag.GRANTED,
            party=1,
            method=Method.VERBAL,
            verbal_at_s=14.5,
        ),
        ConsentRecord(
            purpose=Purpose.TRANSCRIPTION,
            flag=Flag.GRANTED,
            party=0,
            method=Method.CONTRACT,
            expires_at=datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC),
        ),
        ConsentRecord(purpose=Purpose.QUALITY_REVIEW, flag=Flag.WITHDRAWN, party=1, withdrawn_at_s=95.0),
        ConsentRecord(purpose=Purpose.ANALYTICS, flag=Flag.DENIED),
    )


@pytest.mark.parametrize(
    "document",
    [
        {"call_id": "c-1"},
        {"call_id": "c-1", "consent": None},
        {"call_id": "c-1", "consent": {}},
        {"call_id": "c-1", "consent": {"recording": None}},
    ],
)
def test_no_answer_is_no_record(document):
    assert parse(document).consent == ()


def test_a_role_stands_for_every_party_that_has_it():
    parties = [{"role": "customer"}, {"role": "agent"}, {"role": "customer"}]
    call = parse(with_record({"flag": "granted", "party": "customer"}, parties))
    assert [record.party for record in call.consent] == [0, 2]


def test_a_basis_can_stand_without_a_flag():
    (record,) = parse(with_record({"lawful_basis": "legal_obligation"})).consent
    assert (record.flag, record.lawful_basis) == (Flag.UNKNOWN, LawfulBasis.LEGAL_OBLIGATION)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T09:30:00Z", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("2026-11-23t09:30:00z", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("2026-11-23T10:30:00+01:00", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("2026-11-22T23:30:00.123456789-10:00", datetime(2026, 11, 23, 9, 30, 0, 123456, tzinfo=UTC)),
        ("2026-11-23T09:30:00.5Z", datetime(2026, 11, 23, 9, 30, 0, 500000, tzinfo=UTC)),
    ],
)
def test_times_become_utc(text, expected):
    started_at = parse({"call_id": "c-1", "started_at": text}).started_at
    assert started_at == expected
    assert started_at.utcoffset() == timedelta(0)


def test_default_start_becomes_utc():
    local = datetime(2026, 11, 23, 10, 0, tzinfo=timezone(timedelta(hours=1)))
    call = parse_call('{"call_id": "c-1"}', source="c-1.json", default_started_at=local)
    assert call.started_at == WRITTEN
    assert call.started_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("US-CA", "US-CA"),
        ("us-ca", "US-CA"),
        (" GB ", "GB"),
        ("FR-75C", "FR-75C"),
        (None, None),
        ("California", UNREADABLE_PLACE),
        ("", UNREADABLE_PLACE),
        ("USA", UNREADABLE_PLACE),
        ("US_CA", UNREADABLE_PLACE),
        ("12 Elm Street, Springfield", UNREADABLE_PLACE),
        ("ﬁ", UNREADABLE_PLACE),
        ("US-CA\n", "US-CA"),
    ],
)
def test_jurisdictions(text, expected):
    assert parse(with_party(jurisdiction=text)).parties[0].jurisdiction == expected


@pytest.mark.parametrize(("tag", "expected"), [("en", "en"), ("EN", "en"), ("en-GB", "en"), (None, None)])
def test_languages(tag, expected):
    assert parse({"call_id": "c-1", "language": tag}).language == expected


@pytest.mark.parametrize("call_id", ["a", "-", "_", "A.b_c-9", "x" * 128, "a..b"])
def test_good_call_ids(call_id):
    assert parse({"call_id": call_id}).call_id == call_id
    assert minimal_call(call_id, Flag.UNKNOWN, WRITTEN).call_id == call_id


@pytest.mark.parametrize(
    "call_id", ["", ".", "..", ".a", "a/b", "a b", "x" * 129, "ä", "a\n", "../a", "a\\b"]
)
def test_bad_call_ids(call_id):
    with pytest.raises(MetadataError, match="call_id"):
        parse({"call_id": call_id})
    with pytest.raises(MetadataError, match="call_id"):
        minimal_call(call_id, Flag.GRANTED, WRITTEN)


# Stands wherever a value is wrong; no message may hold it.
SECRET = "Zebedee"

MIDNIGHT = "2026-01-02T00:00:00Z"

BAD: dict[str, tuple[object, str]] = {
    "not JSON": (f'{{"call_id": {SECRET}}}', "document: is not JSON: line 1"),
    "empty": ("", "document: is not JSON"),
    "a list": ("[]", "document: should be an object, a list was given"),
    "text": (f'"{SECRET}"', "document: should be an object, text was given"),
    "a bare flag": ('"granted"', "document: should be an object"),
    "two documents": ('{"call_id": "c-1"} {}', "document: is not JSON"),
    "not UTF-8": (b'{"call_id": "\xff"}', "document: is not UTF-8"),
    "UTF-16": ('{"call_id": "c-1"}'.encode("utf-16"), "document: is not UTF-8"),
    "a lone surrogate": ('{"call_id": "c-1", "queue": "\\ud800"}', "document: "),
    "NaN": ('{"call_id": "c-1", "queue": NaN}', "document: holds NaN"),
    "Infinity": (with_record({"flag": "withdrawn", "withdrawn_at_s": float("inf")}), "document: holds NaN"),
    "overflowing": (
        '{"call_id":"c-1","consent":{"recording":{"flag":"withdrawn","withdrawn_at_s":1e999}}}',
        "consent.recording.withdrawn_at_s: "),
    "a million digits": ('{"call_id": 1' + "0" * 5000 + "}", "document: holds a number with too many digits"),
    "nested": ("[" * 100_000, "document: is nested deeper than 32 levels"),
    "nested in a field": ('{"queue":' * 40 + "1" + "}" * 40, "document: is nested deeper than 32 levels"),
    "nested, not too deep": ('{"queue":' * 32 + "1" + "}" * 32, "queue: should be text, an object was given"),
    "brackets in text": ('{"call_id": "' + "[" * 99 + '"}', "call_id: is not text of the allowed form"),
    "half a string": ('{"call_id": "' + '\\"' * 400_000, "document: is not JSON"),
    "too long": (" " * (MAX_BYTES + 1), f"document: is larger than {MAX_BYTES} bytes"),
    "a field twice": (
        f'{{"call_id": "c-1", "consent": "denied", "consent": "granted", "queue": "{SECRET}"}}',
        "document: has a field twice in one object: its fields 2 and 3"),
    "a name twice": (f'{{"call_id": "c-1", "{SECRET}": 1, "{SECRET}": 1}}', "its fields 2 and 3"),
    "no call_id": ({}, "call_id: is missing"),
    "call_id null": ({"call_id": None}, "call_id: should be text, null was given"),
    "call_id a number": ({"call_id": 7}, "call_id: should be text, a number was given"),
    "call_id with a slash": ({"call_id": f"a/{SECRET}"}, "call_id: is not text of the allowed form"),
    "unknown field": (
        {"call_id": "c-1", "consents": SECRET}, "unknown field 'consents'; did you mean 'consent'"),
    "field that is a name": (
        {"call_id": "c-1", SECRET: 1}, "unknown field (its name is not shown); allowed: agent"),
    "unknown field of a party": (
        with_party(channels=SECRET), "parties.0: unknown field 'channels'; did you mean 'channel'"),
    "unknown identifier": (
        with_party(identifiers={"fone": SECRET}), "parties.0.identifiers: unknown field"),
    "unknown purpose": (
        {"call_id": "c-1", "consent": {"transcribing": SECRET}},
        "consent: unknown field 'transcribing'; did you mean 'transcription'"),
    "unknown field of a record": (
        with_record([{"flag": "granted", "partys": SECRET}]),
        "consent.recording.0: unknown field 'partys'; did you mean 'party'"),
    "flag word": ({"call_id": "c-1", "consent": "yes"}, "consent: should be 'granted'"),
    "flag in capitals": ({"call_id": "c-1", "consent": "GRANTED"}, "consent: should be 'granted'"),
    "flag true": (
        {"call_id": "c-1", "consent": True}, "consent: should be a flag or an object, true or false was"),
    "flag number": ({"call_id": "c-1", "consent": 1}, "consent: should be a flag or an object, a number was"),
    "consent a list": (
        {"call_id": "c-1", "consent": [{"flag": "granted"}]},
        "consent: should be a flag or an object, a list was"),
    "purpose word": (with_record(SECRET), "consent.recording: should be 'granted'"),
    "purpose true": (with_record(True), "consent.recording: should be a flag, an object or a filled list"),
    "purpose empty list": (
        with_record([]), "consent.recording: should be a flag, an object or a filled list"),
    "list of flags": (with_record(["granted"]), "consent.recording.0: should be an object, text was given"),
    "record word": (with_record([{"flag": SECRET}]), "consent.recording.0.flag: should be 'granted'"),
    "too many records": (with_record([{"flag": "granted"}] * 257), "consent.recording: "),
    "no flag": (with_record({"party": None}), "consent.recording: flag is missing"),
    "no flag with consent": (with_record({"lawful_basis": "consent"}), "consent.recording: flag is missing"),
    "basis word": (
        with_record({"flag": "granted", "lawful_basis": SECRET}),
        "consent.recording.lawful_basis: should be"),
    "party index": (with_record({"flag": "granted", "party": 2}), "consent.recording.party: is no index"),
    "party index in a list": (
        with_record([{"flag": "granted"}, {"flag": "denied", "party": 0}]),
        "consent.recording.1.party: is no index"),
    "party negative": (
        with_record({"flag": "granted", "party": -1}), "consent.recording.party: should be greater"),
    "party fraction": (with_record({"flag": "granted", "party": 0.5}), "consent.recording.party: should be"),
    "party true": (with_record({"flag": "granted", "party": True}), "consent.recording.party: should be"),
    "party word": (
        with_record({"flag": "granted", "party": SECRET}), "consent.recording.party: should be 'agent'"),
    "role nobody has": (
        with_record({"flag": "granted", "party": "customer"}, [{"role": "agent"}]),
        "consent.recording.party: no party in parties has this role"),
    "verbal without second": (
        with_record({"flag": "granted", "method": "verbal"}),
        "consent.recording: method verbal and verbal_at_s"),
    "second without verbal": (
        with_record({"flag": "granted", "method": "keypress", "verbal_at_s": 4}),
        "consent.recording: method verbal and verbal_at_s"),
    "second of a grant": (
        with_record({"flag": "granted", "withdrawn_at_s": 4}), "consent.recording: withdrawn_at_s goes with"),
    "withdrawn before 0": (
        with_record({"flag": "withdrawn", "withdrawn_at_s": -1}),
        "consent.recording.withdrawn_at_s: should be"),
    "withdrawn as text": (
        with_record({"flag": "withdrawn", "withdrawn_at_s": "4"}),
        "consent.recording.withdrawn_at_s: should be a valid number, text was given"),
    "withdrawn before said": (
        with_record({"flag": "withdrawn", "withdrawn_at_s": 0, "method": "verbal", "verbal_at_s": 4}),
        "consent.recording: withdrawn_at_s must be later"),
    "expires before given": (
        with_record({"flag": "granted", "given_at": MIDNIGHT, "expires_at": MIDNIGHT}),
        "consent.recording: expires_at must be later"),
    "time without offset": (
        {"call_id": "c-1", "started_at": "2026-11-23T09:30:00"},
        "started_at: is not a date and time with an offset"),
    "time without seconds": ({"call_id": "c-1", "started_at": "2026-11-23T09:30Z"}, "started_at: is not"),
    "date": ({"call_id": "c-1", "started_at": "2026-11-23"}, "started_at: is not a date and time"),
    "time as number": ({"call_id": "c-1", "started_at": 1763890200}, "started_at: should be a date and time"),
    "time as digits": ({"call_id": "c-1", "started_at": "1763890200"}, "started_at: is not a date and time"),
    "no such day": (
        {"call_id": "c-1", "started_at": "2026-02-30T00:00:00Z"}, "started_at: is not a date and"),
    "before 1970": ({"call_id": "c-1", "started_at": "1969-12-31T23:59:59Z"}, "years from 1970"),
    "out of range in UTC": ({"call_id": "c-1", "started_at": "9999-12-31T23:59:59-01:00"}, "years from 1970"),
    "far future": ({"call_id": "c-1", "started_at": "2200-01-01T00:00:00Z"}, "started_at: must lie before"),
    "other digits": ({"call_id": "c-1", "started_at": "२०२६-11-23T09:30:00Z"}, "started_at: is not"),
    "direction": ({"call_id": "c-1", "direction": SECRET}, "direction: should be 'inbound'"),
    "queue empty": ({"call_id": "c-1", "queue": ""}, "queue: "),
    "queue with a line break": (
        {"call_id": "c-1", "queue": f"{SECRET}\n"}, "queue: is not text of the allowed"),
    "language": ({"call_id": "c-1", "language": SECRET}, "language: is not text of the allowed form"),
    "parties an object": ({"call_id": "c-1", "parties": {SECRET: 1}}, "parties: should be a list, an object"),
    "too many parties": ({"call_id": "c-1", "parties": [{"role": "agent"}] * 65}, "parties: "),
    "role": ({"call_id": "c-1", "parties": [{"role": SECRET}]}, "parties.0.role: should be 'agent'"),
    "no role": ({"call_id": "c-1", "parties": [{}]}, "parties.0.role: is missing"),
    "channel": (with_party(channel=2), "parties.0.channel: should be less than or equal to 1"),
    "channel as text": (with_party(channel=SECRET), "parties.0.channel: should be a valid integer, text"),
    "channel true": (with_party(channel=True), "parties.0.channel: should be a valid integer, true or false"),
    "jurisdiction a number": (with_party(jurisdiction=5), "parties.0.jurisdiction: should be text"),
    "phone a number": (
        with_party(identifiers={"phone": 4915112345}), "parties.0.identifiers.phone: should be text"),
    "phone too long": (with_party(identifiers={"phone": SECRET * 40}), "parties.0.identifiers.phone: "),
    "email without @": (
        with_party(identifiers={"email": SECRET}), "parties.0.identifiers.email: is not text"),
    "customer_id a list": (
        with_party(identifiers={"customer_id": [SECRET]}),
        "parties.0.identifiers.customer_id: should be text"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_metadata(name):
    document, expected = BAD[name]
    with pytest.raises(MetadataError) as caught:
        parse(document)
    message = str(caught.value)
    assert expected in message
    assert all(line.startswith("c-1.json: ") for line in message.splitlines())
    assert SECRET.lower() not in message.lower()
    assert "4915112345" not in message
    # A traceback prints these too.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_every_fault_is_named_up_to_ten():
    document = {"call_id": "/", "parties": [{"role": "x"}] * 12}
    with pytest.raises(MetadataError) as caught:
        parse(document)
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[-1].endswith("and 3 more")


def test_byte_order_mark():
    assert parse(b'\xef\xbb\xbf{"call_id": "c-1"}').call_id == "c-1"


def test_many_equal_keys_take_no_time():
    pairs = ",".join(f'"k{number}":1' for number in range(90_000))
    with pytest.raises(MetadataError, match="twice"):
        parse(f'{{{pairs},"k1":1}}')


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.sampled_from(list(Flag))
        | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["call_id", "consent", "recording", "transcription", "parties", "role", "party", "flag"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=200, deadline=None)
def test_anything_is_a_call_or_a_metadata_error(document):
    if isinstance(document, dict):
        document = {**document, "call_id": "c-1"}
    try:
        call = parse(document)
    except MetadataError:
        return
    assert all(record.flag in Flag for record in call.consent)


@pytest.mark.parametrize("where", [(), ("parties", 0), ("consent",), ("consent", "recording")])
def test_unknown_field_that_looks_like_a_tag(where):
    document: dict[str, Any] = {
        "call_id": "c-1",
        "parties": [{"role": "agent"}],
        "consent": {"recording": {"flag": "granted"}},
    }
    inside: Any = document
    for key in where:
        inside = inside[key]
    inside["<secret>"] = 1
    with pytest.raises(MetadataError, match="unknown field") as raised:
        parse(document)
    assert "secret" not in str(raised.value)


def test_tags_are_kept_once_each():
    text = '{"call_id": "c-1", "tags": ["mifid", "a:b_c.d-9", "mifid"]}'
    call = parse_call(text, source="c-1.json", default_started_at=datetime(2026, 11, 23, tzinfo=UTC))
    assert call.tags == ("mifid", "a:b_c.d-9")


@pytest.mark.parametrize(
    "tags", ['["a b"]', '[""]', f'["{"x" * 65}"]', "null", '"a"', "[" + ",".join(['"a"'] * 17) + "]"]
)
def test_tags_that_are_none(tags):
    with pytest.raises(MetadataError, match=r"tags.*allowed: A list of up to 16 tags"):
        parse_call(
            f'{{"call_id": "c-1", "tags": {tags}}}',
            source="c-1.json",
            default_started_at=datetime(2026, 11, 23, tzinfo=UTC),
        )
