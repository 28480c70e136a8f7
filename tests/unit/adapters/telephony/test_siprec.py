"""Recording metadata of three vendors, Callveil's extension, and documents that must not pass."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callveil.adapters.telephony.siprec import (
    EXTENSION,
    MAX_OBJECTS,
    SiprecStream,
    parse_invite,
    parse_siprec,
)
from callveil.adapters.telephony.siprec_body import read_body, sdp_streams
from callveil.errors import MetadataError
from callveil.vocabulary.call import Direction, Role
from callveil.vocabulary.consent import Flag, Method, Purpose

DATA = Path(__file__).parents[3] / "data" / "siprec"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def invite(name, boundary, **kwargs):
    body = (DATA / f"{name}.txt").read_bytes()
    return parse_invite(body, f'multipart/mixed;boundary="{boundary}"', default_started_at=NOW, **kwargs)


def parse(xml, **kwargs):
    return parse_siprec(xml.encode(), default_started_at=NOW, **kwargs)


def document(inside="", session='<session session_id="s-1"/>', head="<recording {ns}>", ns=None):
    ns = 'xmlns="urn:ietf:params:xml:ns:recording:1"' if ns is None else ns
    tag = head.split(" ")[0].strip("<>")
    return f"{head.format(ns=ns)}{session}{inside}</{tag}>"


def participant(number, inside="", attributes=""):
    return (
        f'<participant participant_id="p{number}" {attributes}>'
        f'<nameID aor="sip:{number}00@x.example"/>{inside}</participant>'
    )


def extension(name, text):
    return f'<c:{name} xmlns:c="{EXTENSION}">{text}</c:{name}>'


def in_session(name, text):
    return document(session=f'<session session_id="s">{extension(name, text)}</session>')


def stream(number, *senders, mode=""):
    sends = "".join(
        f'<participantstreamassoc participant_id="p{who}"><send>s{number}</send></participantstreamassoc>'
        for who in senders
    )
    return f'<stream stream_id="s{number}"><label>L{number}</label>{mode}</stream>{sends}'


def test_cisco():
    found = invite("cisco", "uniqueBoundary", is_agent=lambda aor: aor.endswith("@cube.example.com"))
    assert found.call.call_id == "mF3kQ1dEEeeJ-tD_VsAAWA"
    assert found.call.started_at == datetime(2026, 11, 23, 9, 30, 6, 40000, tzinfo=UTC)
    assert found.call.agent == "7301"
    assert found.call.consent == ()
    assert [(p.role, p.channel, p.identifiers.phone) for p in found.call.parties] == [
        (Role.AGENT, 0, None), (Role.CUSTOMER, 1, "+14155550100")]  # fmt: skip
    assert found.channels == {"1": 0, "2": 1}
    assert found.is_complete
    assert found.ucid is None
    assert "Pat" not in repr(found)
    assert "4155550100" not in repr(found)


@pytest.mark.parametrize(
    ("direction", "roles"),
    [
        (Direction.INBOUND, [Role.CUSTOMER, Role.AGENT]),
        (Direction.OUTBOUND, [Role.AGENT, Role.CUSTOMER]),
        (Direction.UNKNOWN, [Role.THIRD_PARTY, Role.THIRD_PARTY]),
    ],
)
def test_oracle(direction, roles):
    found = invite("oracle", "unique-boundary-1", direction=direction)
    assert found.call.call_id == "AxxRXwIIQj1Q39eJulTipQ"
    assert found.call.started_at == NOW, "a time without an offset is no time"
    assert found.call.direction is direction
    assert [party.role for party in found.call.parties] == roles
    assert found.call.parties[0].channel == 0
    assert found.channels == {"16777227": 0, "16777228": 1}
    assert found.ucid == "00FA081003B9CF5E7D0000"


def test_oracle_line_on_hold_is_not_sending():
    body = read_body((DATA / "oracle.txt").read_bytes(), "multipart/mixed; boundary=unique-boundary-1")
    assert body.sdp is not None
    assert [(s.label, s.media, s.sending) for s in sdp_streams(body.sdp)] == [
        ("16777227", "audio", True), ("16777228", "audio", False)]  # fmt: skip


def test_avaya_with_a_mixed_stream_and_the_sdp_in_another_order():
    found = invite("avaya", "OSS-unique-boundary-42", is_agent=lambda aor: "@agents." in aor)
    assert found.call.call_id == "5d3c6f2e-1111-4222-8333-944455566677"
    assert found.call.started_at == datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    assert found.streams == (
        SiprecStream(label="mixed-stream", channel=None, is_mixed=True, parties=(0, 1)),
        SiprecStream(label="callee-stream", channel=0, is_mixed=False, parties=(1,)),
        SiprecStream(label="caller-stream", channel=1, is_mixed=False, parties=(0,)),
    )
    assert [(p.role, p.channel) for p in found.call.parties] == [(Role.CUSTOMER, 1), (Role.AGENT, 0)]


def test_consent_in_the_extension():
    found = parse_siprec((DATA / "consent.xml").read_bytes(), default_started_at=NOW)
    call = found.call
    assert (call.queue, call.language, call.agent) == ("billing", "en", "a.k.17")
    assert [(p.role, p.jurisdiction, p.channel) for p in call.parties] == [
        (Role.CUSTOMER, "US-CA", None), (Role.AGENT, None, None)]  # fmt: skip
    whole, *each = call.consent
    assert (whole.purpose, whole.flag, whole.method) == (Purpose.RECORDING, Flag.GRANTED, Method.ANNOUNCEMENT)
    assert {(record.party, record.flag) for record in each} == {(0, Flag.GRANTED), (1, Flag.UNKNOWN)}
    assert len(each) == 2 * len(Purpose)
    assert found.streams == (SiprecStream(label="main", channel=None, is_mixed=True, parties=(0, 1)),)


@pytest.mark.parametrize("flag", list(Flag))
def test_consent_as_one_word(flag):
    assert {record.flag for record in parse(in_session("consent", f" {flag} ")).call.consent} == {flag}


@pytest.mark.parametrize(
    "xml",
    [
        document(ns=""),
        document(ns='xmlns="urn:ietf:params:xml:ns:recording"'),
        document(head="<recordingsession {ns}>"),
        document("<dataMode>COMPLETE</dataMode>"),
    ],
)
def test_spellings(xml):
    assert parse(xml).call.call_id == "s-1"


def test_update_names_only_what_has_changed():
    assert not parse(document("<datamode>partial</datamode>")).is_complete


@pytest.mark.parametrize(
    ("inside", "streams"),
    [
        (participant(1) + stream(1, 1), [(0, False)]),
        (participant(1) + participant(2) + stream(1, 1, 2), [(None, True)]),
        (
            participant(1) + participant(2) + stream(1, 1) + stream(2, 2) + stream(3),
            [(0, False), (1, False), (None, True)],
        ),
        (
            participant(1)
            + participant(2)
            + stream(3, 1, mode="<mode>mixed</mode>")
            + stream(2, 2)
            + stream(1, 1),
            [(None, True), (0, False), (1, False)],
        ),
        ("".join(participant(n) + stream(n, n) for n in (1, 2, 3)), [(None, False)] * 3),
        (stream(1) + stream(2), [(0, False), (1, False)]),
    ],
)
def test_which_stream_goes_to_which_channel(inside, streams):
    assert [(s.channel, s.is_mixed) for s in parse(document(inside)).streams] == streams


BOMB = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        ("", "not XML"),
        ("hello", "not XML"),
        (document()[:-3], "not XML"),
        (BOMB + document("<datamode>&b;</datamode>"), "DTD"),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd">' + document(), "DTD"),
        ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + document("&x;"), "DTD"),
        (document("<x>" * 20 + "</x>" * 20), "deeper than 16 levels"),
        (document("<x/>" * 5000), "4000 elements"),
        (document(" " * 300_000), "larger than"),
        (document(head="<registration {ns}>"), "document: allowed: the element recording"),
        (document(ns='xmlns="urn:other"'), "document: allowed: the element recording"),
        (document(session=""), "session: allowed: exactly one"),
        (document(session='<session session_id="a"/>' * 2), "session: allowed: exactly one"),
        (document(session="<session/>"), "session: session_id: is missing"),
        (document(session='<session session_id="Anna Secret"/>'), "call_id"),
        (document("<datamode>secret</datamode>"), "datamode: allowed: complete, partial"),
        (document("<participant/>"), "participant: participant_id: is missing"),
        (document('<stream stream_id="s"/>'), "stream: label: is missing"),
        (document("<stream><label>1</label></stream>"), "stream: stream_id: is missing"),
        (document(stream(1) + stream(1)), "stream: label: stands at two streams"),
        (
            document("".join(map(participant, range(MAX_OBJECTS + 1)))),
            "participant: stands more than 64 times",
        ),
        (document(participant(1, extension("role", "secret"))), "role: allowed: agent"),
        (document(participant(1, extension("consent", "secret"))), "consent: allowed: granted"),
        (document(participant(1, extension("consent", "granted") * 2)), "consent: stands twice"),
        (in_session("consent", "secret"), "consent"),
        (in_session("call", "secret"), "JSON"),
        (in_session("call", '{"parties": []}'), "without call_id"),
        (in_session("call", '{"quue": "secret"}'), "did you mean 'queue'"),
    ],
)
def test_refused_and_told_why(xml, says):
    with pytest.raises(MetadataError) as raised:
        parse(xml)
    assert says in str(raised.value)
    assert "ecret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_labels_must_be_those_of_the_sdp():
    xml = document(stream(1))
    assert [s.label for s in parse(xml, labels=["L2", "L1"]).streams] == ["L1"]
    with pytest.raises(MetadataError, match="labels"):
        parse(xml, labels=["L2"])


XML_PART = b"--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n<x/>\r\n"
SDP_PART = b"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"


@pytest.mark.parametrize(
    ("body", "sdp"),
    [
        (SDP_PART + XML_PART + b"--b--\r\n", b"v=0"),
        (b"preamble\r\n" + XML_PART + SDP_PART + b"--b--", b"v=0"),
        (XML_PART + b"--b--", None),
        (XML_PART, None),
        ((XML_PART + SDP_PART).replace(b"\r\n", b"\n"), b"v=0"),
    ],
)
def test_bodies(body, sdp):
    found = read_body(body, "multipart/mixed; charset=x; boundary=b")
    assert (found.metadata.strip(), found.sdp and found.sdp.strip()) == (b"<x/>", sdp)


def test_metadata_alone_is_a_body():
    assert read_body(b"<x/>", "application/rs-metadata+xml; charset=utf-8").metadata == b"<x/>"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (XML_PART, "multipart/mixed"),
        (XML_PART, "text/plain; boundary=b"),
        (XML_PART, ""),
        (b"", "multipart/mixed; boundary=b"),
        (SDP_PART, "multipart/mixed; boundary=b"),
        (XML_PART * 2, "multipart/mixed; boundary=b"),
        (XML_PART + SDP_PART * 2, "multipart/mixed; boundary=b"),
        (XML_PART + SDP_PART * 30, "multipart/mixed; boundary=b"),
        (
            XML_PART.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
            "multipart/mixed; boundary=b",
        ),
        (b"x" * 1_100_000, "multipart/mixed; boundary=b"),
    ],
)
def test_refused_bodies(body, content_type):
    with pytest.raises(MetadataError):
        read_body(body, content_type)


@pytest.mark.parametrize(
    "sdp", [b"m=audio 1\na=label:1\na=label:2", b"m=a\na=label:1\nm=a\na=label:1", b"m=a\na=label:\n"]
)
def test_refused_labels(sdp):
    with pytest.raises(MetadataError):
        sdp_streams(sdp)


def test_lines_without_label_are_passed_over():
    assert sdp_streams(b"v=0\na=label:0\nm=audio 1\nm=audio 2\na=label:7\n")[0].label == "7"


PIECES = st.sampled_from(
    [
        "<session session_id='a'/>",
        "<session id='é'>",
        "</session>",
        "<stream stream_id='s'>",
        "<label>1</label>",
        "</stream>",
        "<participant participant_id='p'>",
        "<send>s</send>",
        "</participant>",
        "<datamode>x</datamode>",
        "&amp;",
        "&x;",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "\0",
        "<nameID aor='sip:'/>",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=12))
def test_any_document_is_read_or_refused(pieces):
    xml = document("".join(pieces), session="")
    with contextlib.suppress(MetadataError):
        parse(xml)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [XML_PART, SDP_PART, b"--b", b"--", b"\r\n", b"\n", b"m=audio\na=label:1\n", b"\xff"]
        ),
        max_size=10,
    )
)
def test_any_body_is_read_or_refused(pieces):
    with contextlib.suppress(MetadataError):
        parse_invite(b"".join(pieces), "multipart/mixed; boundary=b", default_started_at=NOW)
