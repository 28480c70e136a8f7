"""Whatever stands in a field of the messages that open a call: an answer, never an exception."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from callveil.adapters.telephony.audiohook import AudioHookSession
from callveil.adapters.telephony.live import Begin, Close, Samples, Send
from callveil.adapters.telephony.twilio_media import TwilioStream
from callveil.vocabulary.consent import Action

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
UUID = "e160e428-53e2-487c-977d-96989bf5c99d"
CONFIG = {
    "callveil": {
        "consent": {"recording": [{"flag": "granted", "party": 0}]},
        "parties": [{"role": "customer", "identifiers": {"phone": "+14155550100"}}],
        "language": "en",
    }
}
OPEN = {
    "version": "2", "id": UUID, "type": "open", "seq": 1, "serverseq": 0, "position": "PT0S",
    "parameters": {
        "organizationId": UUID, "conversationId": UUID, "language": "en-US", "supportedLanguages": True,
        "participant": {"id": UUID, "ani": "+14155550100", "aniName": "", "dnis": ""},
        "media": [{"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}],
        "continuedSessions": [{"id": UUID, "serverseq": 1, "clientseq": 1}],
        "customConfig": CONFIG, "inputVariables": {},
    },
}  # fmt: skip
START = {
    "event": "start", "sequenceNumber": "1", "streamSid": "MZ1",
    "start": {
        "callSid": "CA1", "streamSid": "MZ1", "tracks": ["inbound", "outbound"], "client_state": "e30=",
        "customParameters": {**CONFIG, "consent": "granted", "customer_phone": "+14155550100"},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    },
}  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.sampled_from([10**400, "\ud800", "\0", "denied", "granted", "PT1S", UUID, "{", "[]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def paths(value, path=()):
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, (*path, key))
    return found


def put(document, path, value):
    changed = json.loads(json.dumps(document))
    inside = changed
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return json.dumps(changed)


def keep(_call):
    return Action.KEEP


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(paths(OPEN)), VALUES)
def test_open_of_audiohook(path, value):
    session = AudioHookSession(session_id=UUID, organization_id=UUID, now=NOW, gate=keep)
    out = session.receive_text(put(OPEN, path, value))
    assert out
    assert isinstance(out[-1], Close | Send)
    begun = [output.start for output in out if isinstance(output, Begin)]
    if begun and begun[0].problem is not None:
        assert begun[0].hold
    out += session.receive_binary(bytes(320))
    assert begun or not [output for output in out if isinstance(output, Samples)]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(paths(START)), VALUES)
def test_start_of_twilio(path, value):
    stream = TwilioStream(now=NOW, gate=keep)
    out = stream.receive_text(put(START, path, value))
    begun = [output.start for output in out if isinstance(output, Begin)]
    assert begun or stream.is_done or out == []
    if begun and begun[0].problem is not None:
        assert begun[0].hold


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_media_of_twilio(value):
    media = {"event": "media", "sequenceNumber": "2", "streamSid": "MZ1",
             "media": {"track": "inbound", "timestamp": "0", "payload": "/w=="}}  # fmt: skip
    for path in paths(media):
        stream = TwilioStream(now=NOW, gate=keep)
        stream.receive_text(json.dumps(START))
        stream.receive_text(put(media, path, value))
        stream.lost()
