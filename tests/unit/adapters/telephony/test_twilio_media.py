"""Twilio streams, and those of Telnyx and Exotel: order, loss, silence, keys, and clients that stray."""

import base64
import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callveil.adapters.telephony.live import Begin, Close, End, Gap, KeyPressed, LiveFormat, Samples
from callveil.adapters.telephony.twilio_media import MAX_WAITING, TwilioStream
from callveil.adapters.telephony.twilio_messages import parse_event
from callveil.vocabulary.call import Role
from callveil.vocabulary.consent import Flag

_SPEC = importlib.util.spec_from_file_location("telephony_streams", Path(__file__).with_name("streams.py"))
streams = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(streams)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STREAM = "MZ18ad3ab5a668481ce02b83e7395059f0"
CALL = "CA4711d5f0a9d14f8a8e2d4d7a3e2b1c00"
FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
QUIET = b"\xff"


class Client:
    """Twilio's side; `dialect` spells the fields as Telnyx does."""

    def __init__(self, **kwargs):
        self.stream = TwilioStream(now=NOW, gate=streams.simple_gate, **kwargs)
        self.sequence = 0
        self.outputs = []

    def take(self, outputs):
        self.outputs += outputs
        return outputs

    def raw(self, text):
        return self.take(self.stream.receive_text(text))

    def say(self, event, body=None, **changes):
        self.sequence += 1
        message = {"event": event, "sequenceNumber": str(self.sequence), "streamSid": STREAM}
        if body is not None:
            message[event] = body
        message |= changes
        return self.raw(json.dumps({key: value for key, value in message.items() if value is not None}))

    def start(self, parameters=None, tracks=("inbound", "outbound"), **changes):
        self.raw('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        body = {
            "accountSid": "AC1",
            "callSid": CALL,
            "streamSid": STREAM,
            "tracks": tracks if tracks is None else list(tracks),
            "customParameters": {"consent": "granted"} if parameters is None else parameters,
            "mediaFormat": FORMAT,
        }
        body |= changes
        return self.say("start", {key: value for key, value in body.items() if value is not None})

    def media(self, track, at_ms, audio, sequence=None):
        body = {
            "track": track,
            "chunk": "1",
            "timestamp": str(at_ms),
            "payload": base64.b64encode(audio).decode(),
        }
        if sequence is None:
            return self.say("media", body)
        return self.say("media", body, sequenceNumber=str(sequence))

    def skip(self):
        self.sequence += 1
        return self.sequence


def audio_of(outputs):
    return b"".join(output.data for output in streams.only(Samples, outputs))


def sides(outputs):
    data = audio_of(outputs)
    return data[0::2], data[1::2]


def frame(byte):
    return bytes([byte]) * 160


def test_a_call_in_the_order_that_twilio_sends():
    client = Client()
    (begin,) = client.start({"consent": "granted", "queue": "billing", "customer_phone": "+14155550100"})
    start = begin.start
    assert start.format == LiveFormat(encoding="ulaw", rate_hz=8000, channels=2)
    assert (start.hold, start.problem, start.stream_id) == (False, None, STREAM)
    assert (start.call.call_id, start.call.queue, start.call.started_at) == (CALL, "billing", NOW)
    assert [(p.role, p.channel, p.identifiers.phone) for p in start.call.parties] == [
        (Role.CUSTOMER, 0, "+14155550100"),
        (Role.AGENT, 1, None),
    ]
    assert client.media("inbound", 0, frame(1)) == []
    assert client.media("outbound", 0, frame(2)) == [Samples(data=b"\1\2" * 160, start_sample=0)]
    client.media("inbound", 20, frame(3))
    client.media("outbound", 20, frame(4))
    assert client.say("mark", {"name": "greeting"}) == []
    assert client.say("dtmf", {"track": "inbound_track", "digit": "7"}) == [KeyPressed(at_sample=320)]
    end, close = client.say("stop", {"accountSid": "AC1", "callSid": CALL})
    assert (end, close) == (End(complete=True, reason="stopped"), Close(code=1000, reason="stopped"))
    assert sides(client.outputs) == (frame(1) + frame(3), frame(2) + frame(4))
    assert streams.check_order(client.outputs, done=True) == 320


def test_one_track_is_one_channel():
    client = Client()
    (begin,) = client.start(tracks=["outbound"])
    assert begin.start.format.channels == 1
    assert [(p.role, p.channel) for p in begin.start.call.parties] == [(Role.AGENT, 0)]
    assert client.media("outbound", 0, frame(5)) == [Samples(data=frame(5), start_sample=0)]


def test_telnyx_spelling():
    client = Client()
    client.raw('{"event":"connected","version":"1.0.0"}')
    state = base64.b64encode(b'{"consent": "granted", "call_id": "t-1"}').decode()
    start = {
        "event": "start",
        "sequence_number": "1",
        "start": {
            "user_id": "3E6F995F",
            "call_control_id": "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9Bborher",
            "call_session_id": "ff55a038-6f5d-11ef-9692-02420aeffb1f",
            "from": "+13122010094",
            "client_state": state,
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        },
        "stream_id": "32DE0DEA-53CB-4B21-89A4-9E1819C043BC",
    }
    (begin,) = client.raw(json.dumps(start))
    assert begin.start.call.call_id == "t-1"
    assert begin.start.format.channels == 2
    for number, track in enumerate(["inbound", "outbound"], 2):
        media = {
            "track": track,
            "chunk": "2",
            "timestamp": "0",
            "payload": base64.b64encode(frame(number)).decode(),
        }
        out = client.raw(
            json.dumps(
                {
                    "event": "media",
                    "sequence_number": str(number),
                    "media": media,
                    "stream_id": "32DE0DEA-53CB-4B21-89A4-9E1819C043BC",
                }
            )
        )
    assert out == [Samples(data=b"\2\3" * 160, start_sample=0)]
    key = {"event": "dtmf", "stream_id": "32DE0DEA-53CB-4B21-89A4-9E1819C043BC", "sequence_number": "4"}
    assert client.raw(json.dumps({**key, "dtmf": {"digit": "1"}})) == [KeyPressed(at_sample=160)]


@pytest.mark.parametrize("state", [None, "!", "e30=", base64.b64encode(b"somebody else's").decode(), 5])
def test_telnyx_without_our_state_is_held_under_the_sessions_name(state):
    client = Client()
    (begin,) = client.start(
        customParameters=None,
        callSid=None,
        client_state=state,
        call_control_id="v2:x",
        call_session_id="ff55a038",
    )
    assert begin.start.hold
    assert begin.start.call.call_id == "ff55a038"


def test_exotel_spelling_with_linear_samples():
    client = Client()
    start = {
        "event": "start",
        "sequence_number": 1,
        "stream_sid": "s1",
        "start": {
            "stream_sid": "s1",
            "call_sid": "c1",
            "custom_parameters": {"consent": "granted"},
            "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"},
        },
    }
    (begin,) = client.raw(json.dumps(start))
    assert begin.start.format == LiveFormat(encoding="pcm_s16le", rate_hz=8000, channels=1)
    media = {"chunk": 1, "timestamp": "0", "payload": base64.b64encode(b"\1\2" * 80).decode()}
    message = {"event": "media", "sequence_number": 2, "stream_sid": "s1", "media": media}
    assert client.raw(json.dumps(message)) == [Samples(data=b"\1\2" * 80, start_sample=0)]


def test_two_linear_tracks_are_interleaved_by_sample():
    client = Client()
    client.start(mediaFormat={"encoding": "audio/l16", "sampleRate": 16000, "channels": 1})
    client.media("inbound", 0, b"\1\2\3\4")
    assert client.media("outbound", 0, b"\5\6\7\x08") == [Samples(data=b"\1\2\5\6\3\4\7\x08", start_sample=0)]


def test_silence_of_linear_tracks_is_zero():
    client = Client()
    client.start(mediaFormat={"encoding": "L16", "sampleRate": 8000, "channels": 1})
    client.media("inbound", 0, b"\1\2")
    assert client.say("stop")[0] == Samples(data=b"\1\2\0\0", start_sample=0)


# Order, loss and silence


def test_frames_out_of_order_are_put_in_order():
    client = Client()
    client.start(tracks=["inbound"])
    assert client.media("inbound", 40, frame(3), sequence=4) == []
    assert client.media("inbound", 20, frame(2), sequence=3) == []
    client.media("inbound", 0, frame(1), sequence=2)
    assert audio_of(client.outputs) == frame(1) + frame(2) + frame(3)


def test_frames_that_come_twice_count_once():
    client = Client()
    client.start(tracks=["inbound"])
    for number in (2, 2, 4, 4, 3, 3, 2):
        client.media("inbound", 20 * (number - 2), frame(number), sequence=number)
    assert audio_of(client.outputs) == frame(2) + frame(3) + frame(4)


def test_lost_frame_becomes_silence_after_two_seconds():
    client = Client()
    client.start(tracks=["inbound"])
    client.media("inbound", 0, frame(1))
    client.skip()
    for number in range(2, 110):
        client.media("inbound", 20 * number, frame(2))
        if number == 100:
            assert audio_of(client.outputs) == frame(1), "still waiting"
    assert audio_of(client.outputs) == frame(1) + QUIET * 160 + frame(2) * 108
    streams.check_order(client.outputs, done=False)


def test_lost_frame_becomes_silence_when_the_stream_stops():
    client = Client()
    client.start(tracks=["inbound"])
    client.media("inbound", 0, frame(1))
    client.skip()
    assert client.media("inbound", 40, frame(3)) == []
    client.say("stop")
    assert audio_of(client.outputs) == frame(1) + QUIET * 160 + frame(3)
    streams.check_order(client.outputs, done=True)


def test_silent_track_is_waited_for_two_seconds_and_then_is_silence():
    client = Client()
    client.start()
    for number in range(150):
        client.media("inbound", 20 * number, frame(1))
    assert len(audio_of(client.outputs)) == 2 * 160 * 50
    client.media("outbound", 2500, frame(2))
    client.say("stop")
    left, right = sides(client.outputs)
    assert left == frame(1) * 150
    assert right == QUIET * 20000 + frame(2) + QUIET * (24000 - 20160)


def test_frames_of_a_time_that_has_been_given_out_are_cut_off():
    client = Client()
    client.start()
    for number in range(150):
        client.media("inbound", 20 * number, frame(1))
    assert client.media("outbound", 100, frame(2)) == []
    client.say("stop")
    assert sides(client.outputs)[1] == QUIET * 24000


def test_trembling_timestamps_leave_no_seams():
    client = Client()
    client.start(tracks=["inbound"])
    for number, tremble in enumerate([0, 7, -5, 30, 60, -40, 3]):
        client.media("inbound", max(0, 20 * number + tremble), frame(number))
    assert audio_of(client.outputs) == b"".join(map(frame, range(7)))


def test_pause_of_the_clock_is_silence_when_short_and_a_gap_when_long():
    client = Client()
    client.start(tracks=["inbound"])
    client.media("inbound", 0, frame(1))
    client.media("inbound", 520, frame(2))
    assert audio_of(client.outputs) == frame(1) + QUIET * 4000 + frame(2)
    assert client.media("inbound", 10_000, frame(3)) == [
        Gap(start_sample=4320, n_samples=80_000 - 4320, reason="lost"),
        Samples(data=frame(3), start_sample=80_000),
    ]
    streams.check_order(client.outputs, done=False)


def test_clock_that_runs_backwards_does_not_stretch_the_call():
    client = Client()
    client.start(tracks=["inbound"])
    for number in range(20):
        client.media("inbound", 0 if number > 9 else 20 * number, frame(number))
    assert audio_of(client.outputs) == b"".join(map(frame, range(10)))


def test_frames_without_numbers_and_times_follow_each_other():
    client = Client()
    client.start(tracks=["inbound"])
    for byte in (1, 2):
        body = {"payload": base64.b64encode(frame(byte)).decode()}
        client.say("media", body, sequenceNumber=None, streamSid=None)
    assert audio_of(client.outputs) == frame(1) + frame(2)


def test_waiting_messages_are_bounded():
    client = Client()
    client.start(tracks=["inbound"])
    client.skip()
    for _ in range(MAX_WAITING + 1):
        client.media("inbound", 0, frame(1))
    assert streams.only(Samples, client.outputs)
    client = Client()
    client.start(tracks=["inbound"])
    client.skip()
    for _ in range(5):
        client.media("inbound", 0, frame(1) * 600)
    assert streams.only(Samples, client.outputs)


# Keys


def test_which_key_was_pressed_is_nowhere():
    event = parse_event(json.dumps({"event": "dtmf", "sequenceNumber": "3", "dtmf": {"digit": "Secret"}}))
    assert "Secret" not in repr(event)
    client = Client()
    client.start()
    client.skip()
    client.say("dtmf", {"digit": "Secret"})
    assert "Secret" not in repr(vars(client.stream))
    assert client.say("stop")[0] == KeyPressed(at_sample=0)
    assert "Secret" not in repr(client.outputs)


@pytest.mark.parametrize(
    "text", ['{"event": "dtmf", "dtmf": {"digit": "5557"}', '{"event": ["5557"]}', "5557"]
)
def test_broken_messages_about_keys_say_nothing(text):
    client = Client()
    client.start()
    assert "5557" not in repr(client.raw(text))


# Consent


@pytest.mark.parametrize("parameters", [{}, {"consent": "unknown"}, {"queue": "x"}, {"other": "granted"}])
def test_unknown_consent_throws_audio_away_until_resumed(parameters):
    client = Client()
    (begin,) = client.start(parameters, tracks=["inbound"])
    assert begin.start.hold
    assert client.media("inbound", 0, frame(1)) == []
    assert client.say("dtmf", {"digit": "1"}) == []
    assert client.take(client.stream.resume()) == [Gap(start_sample=0, n_samples=160, reason="paused")]
    assert client.media("inbound", 20, frame(2)) == [Samples(data=frame(2), start_sample=160)]
    client.say("stop")
    streams.check_order(client.outputs, done=True)


def test_held_to_the_end_records_nothing():
    client = Client()
    client.start({}, tracks=["inbound"])
    client.media("inbound", 0, frame(1))
    out = client.say("stop")
    assert out[:2] == [
        Gap(start_sample=0, n_samples=160, reason="paused"),
        End(complete=True, reason="stopped"),
    ]
    assert streams.only(Samples, client.outputs) == []


@pytest.mark.parametrize(
    "parameters",
    [{"consent": "denied"}, {"consent": "withdrawn"}, {"callveil": '{"consent": {"recording": "denied"}}'}],
)
def test_denied_consent_closes_the_stream(parameters):
    client = Client()
    assert client.start(parameters) == [Close(code=1000, reason="not recorded: no consent")]
    assert client.media("inbound", 0, frame(1)) == []


def test_pause_and_resume_by_the_server():
    client = Client()
    client.start()
    client.media("inbound", 0, frame(1))
    assert client.take(client.stream.pause()) == [Samples(data=b"\1\xff" * 160, start_sample=0)]
    assert client.stream.pause() == []
    client.media("inbound", 20, frame(9))
    client.media("outbound", 20, frame(9))
    client.media("inbound", 40, frame(9))
    assert client.take(client.stream.resume()) == [Gap(start_sample=160, n_samples=320, reason="paused")]
    assert client.stream.resume() == []
    client.media("inbound", 60, frame(3))
    client.media("outbound", 60, frame(4))
    client.say("stop")
    assert 9 not in audio_of(client.outputs)
    assert streams.check_order(client.outputs, done=True) == 640


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"consent": "yes Secret"}, "consent"),
        ({"consent": '{"recordin": "granted"}'}, "did you mean 'recording'"),
        ({"consent": "{broken Secret"}, "consent"),
        ({"consent": "granted", "call_id": "../Secret"}, "call_id"),
        ({"consent": "granted", "parties": "[1"}, "parties"),
        ({"callveil": "Secret"}, "JSON"),
        ({"callveil": '{"consent": "granted", "quue": "x"}'}, "did you mean 'queue'"),
        ({"consent": "granted", "language": "English Secret"}, "language"),
    ],
)
def test_parameters_that_cannot_be_read_hold_the_call_and_are_told(parameters, says):
    client = Client()
    (begin,) = client.start(parameters)
    assert begin.start.hold
    assert says in begin.start.problem
    assert "Secret" not in begin.start.problem
    assert begin.start.call.call_id == CALL


def test_parameters_in_full():
    client = Client()
    (begin,) = client.start(
        {
            "call_id": "c-1",
            "direction": "inbound",
            "language": "en-GB",
            "agent": "a.k.17",
            "parties": '[{"role": "customer", "jurisdiction": "GB"}]',
            "consent": '{"recording": {"flag": "granted", "party": 0}}',
            "customer_phone": "sip:+14155550100@x.example",
        }
    )
    call = begin.start.call
    assert (call.call_id, call.language, call.agent) == ("c-1", "en", "a.k.17")
    assert [(p.role, p.channel, p.jurisdiction, p.identifiers.phone) for p in call.parties] == [
        (Role.CUSTOMER, 0, "GB", "+14155550100"),
        (Role.AGENT, 1, None, None),
    ]
    assert [(r.flag, r.party) for r in call.consent] == [(Flag.GRANTED, 0)]
    assert "4155550100" not in repr(begin)


# Ends


@pytest.mark.parametrize("started", [False, True])
def test_lost_connection_keeps_what_came(started):
    client = Client()
    if started:
        client.start()
        client.media("inbound", 0, frame(1))
    out = client.take(client.stream.lost())
    assert out == (
        [Samples(data=b"\1\xff" * 160, start_sample=0), End(complete=False, reason="the connection was lost")]
        if started
        else []
    )
    assert client.stream.is_done
    assert client.stream.lost() == client.stream.pause() == client.stream.resume() == client.say("stop") == []


def test_server_ends_the_stream():
    client = Client()
    client.start()
    assert client.take(client.stream.disconnect("maintenance")) == [
        End(complete=True, reason="ended by this server: maintenance"),
        Close(code=1000, reason="maintenance"),
    ]
    assert client.stream.disconnect("again") == []


def test_long_reason_is_cut_to_what_a_close_frame_holds():
    close = TwilioStream(now=NOW, gate=streams.simple_gate).disconnect("é" * 200)[-1]
    assert close.reason == "é" * 61


def test_too_long_a_call_ends_with_what_came_before():
    client = Client(max_duration_s=0.03)
    client.start(tracks=["inbound"])
    client.media("inbound", 0, frame(1))
    end, close = client.media("inbound", 20, frame(2))
    assert (end.complete, end.reason, close.code) == (False, "the call is longer than allowed", 1000)


def test_violation_behind_frames_that_waited_loses_none_of_them():
    client = Client()
    client.start(tracks=["inbound"])
    client.media("inbound", 20, frame(2), sequence=3)
    client.media("outbound", 40, frame(3), sequence=4)
    out = client.media("inbound", 0, frame(1), sequence=2)
    assert audio_of(out) == frame(1) + frame(2)
    assert out[-1].code == 1002
    streams.check_order(client.outputs, done=True)


MEDIA = {"track": "inbound", "timestamp": "0", "payload": "/w=="}


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda c: c.raw("{"), 1007),
        (lambda c: c.raw("[]"), 1002),
        (lambda c: c.raw("\ud800"), 1007),
        (lambda c: c.raw(" " * 300_000), 1009),
        (lambda c: c.raw('"' + "é" * 140_000 + '"'), 1009),
        (lambda c: c.raw('{"event": 5}'), 1002),
        (lambda c: c.take(c.stream.receive_binary(b"Secret")), 1003),
        (lambda c: c.say("connected"), 1002),
        (lambda c: c.say("start", {"streamSid": STREAM, "mediaFormat": FORMAT}), 1002),
        (lambda c: c.say("media"), 1002),
        (lambda c: c.say("media", {}), 1002),
        (lambda c: c.say("media", {**MEDIA, "payload": "Secret!"}), 1007),
        (lambda c: c.say("media", {**MEDIA, "payload": "é"}), 1007),
        (lambda c: c.say("media", {**MEDIA, "timestamp": "9" * 5000}), 1002),
        (lambda c: c.say("media", {**MEDIA, "track": "Secret"}), 1002),
        (lambda c: c.say("media", {**MEDIA, "track": ["inbound"]}), 1002),
        (lambda c: c.say("media", {**MEDIA, "timestamp": "-5"}), 1002),
        (lambda c: c.say("media", {**MEDIA, "timestamp": 1.5}), 1002),
        (lambda c: c.say("media", {**MEDIA, "timestamp": True}), 1002),
        (lambda c: c.say("media", MEDIA, sequenceNumber="Secret"), 1002),
        (lambda c: c.say("media", MEDIA, sequenceNumber=[1]), 1002),
        (lambda c: c.say("media", MEDIA, streamSid="Secret"), 1002),
        (lambda c: c.say("media", MEDIA, streamSid=5), 1002),
        (lambda c: c.say("stop", streamSid="Secret"), 1002),
    ],
)
def test_violations_in_a_stream(act, code):
    client = Client()
    client.start()
    out = act(client)
    assert [type(o) for o in out] == [End, Close]
    assert (out[0].complete, out[1].code) == (False, code)
    assert "Secret" not in repr(out)
    assert client.say("stop") == client.stream.receive_binary(b"") == []
    streams.check_order(client.outputs, done=True)


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda c: c.say("media", MEDIA), 1002),
        (lambda c: c.say("stop"), 1002),
        (lambda c: c.say("Secret"), 1002),
        (lambda c: c.say("start"), 1002),
        (lambda c: c.say("start", {}, streamSid=None), 1002),
        (lambda c: c.start(callSid="Secret !", streamSid="Secret /") and c.outputs, 1000),
        (lambda c: c.start(tracks=[]), 1002),
        (lambda c: c.start(tracks=["Secret"]), 1002),
        (lambda c: c.start(mediaFormat=None), 1002),
        (lambda c: c.start(mediaFormat={**FORMAT, "encoding": "Secret"}), 1003),
        (lambda c: c.start(mediaFormat={**FORMAT, "encoding": "PCMA"}), 1003),
        (lambda c: c.start(mediaFormat={**FORMAT, "sampleRate": 44100}), 1003),
        (lambda c: c.start(mediaFormat={**FORMAT, "channels": 2}), 1003),
        (lambda c: c.start(mediaFormat={**FORMAT, "channels": "Secret"}), 1002),
    ],
)
def test_violations_before_a_stream(act, code):
    client = Client()
    out = act(client)
    if code == 1000:  # the stream's own name is left
        assert out[0].start.call.call_id == STREAM
        return
    assert out[-1].code == code
    assert [type(o) for o in out] == [Close]
    assert "Secret" not in repr(out)


def test_call_without_any_usable_name_is_refused():
    client = Client()
    client.sequence = 1
    start = {"streamSid": "Secret /", "callSid": "Secret !", "mediaFormat": FORMAT}
    (close,) = client.say("start", start, streamSid=None)
    assert close.code == 1002
    assert "Secret" not in repr(close)


def test_odd_number_of_bytes_is_no_linear_sample():
    client = Client()
    client.start(mediaFormat={**FORMAT, "encoding": "L16"})
    assert client.media("inbound", 0, b"\1\2\3")[-1].code == 1002


STEPS = st.one_of(
    st.tuples(
        st.just("media"),
        st.tuples(
            st.sampled_from(["inbound", "outbound"]),
            st.integers(0, 400),
            st.integers(-3, 6),
            st.integers(1, 400),
        ),
    ),
    st.tuples(st.just("burst"), st.integers(1, 120)),
    st.tuples(st.just("server"), st.sampled_from(["pause", "resume"])),
    st.tuples(st.just("say"), st.sampled_from(["mark", "dtmf", "other"])),
    st.tuples(st.just("end"), st.sampled_from(["stop", "lost", "raw", "disconnect"])),
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([["inbound"], ["inbound", "outbound"], None]),
    st.sampled_from(["granted", "unknown"]),
    st.sampled_from(["audio/x-mulaw", "L16"]),
    st.lists(STEPS, max_size=30),
)
def test_any_sequence_keeps_the_order_of_outputs(tracks, consent, encoding, steps):
    client = Client(max_duration_s=60)
    client.start({"consent": consent}, tracks=tracks, mediaFormat={**FORMAT, "encoding": encoding})
    recording = consent == "granted"
    clock = 0
    for step, value in steps:
        before = len(client.outputs)
        was_done = client.stream.is_done
        if step == "media":
            track, jump, shift, n_samples = value
            clock += jump
            client.media(track, clock, bytes(n_samples * 2), sequence=max(1, client.sequence + 1 + shift))
        elif step == "burst":
            for _ in range(value):
                clock += 20
                client.media("inbound", clock, bytes(320))
        elif step == "server":
            client.take(getattr(client.stream, value)())
        elif step == "say":
            client.say(value, {"digit": "1"})
        elif value == "stop":
            client.say("stop")
        elif value == "raw":
            client.raw("x")
        else:
            client.take(client.stream.lost() if value == "lost" else client.stream.disconnect("over"))
        new = client.outputs[before:]
        assert not (was_done and new)
        assert recording or step == "server" or not streams.only(Samples, new), (
            "nothing is recorded while held"
        )
        if step == "server":
            recording = value == "resume"
        held = sum(len(track) for track in client.stream._audio._tracks)
        assert held <= 2 * 2 * (16000 + 400), "2 s and a frame of each track"
        assert len(client.stream._waiting) <= MAX_WAITING
    client.take(client.stream.lost())
    streams.check_order(client.outputs, done=True)
    assert len(streams.only(Begin, client.outputs)) == 1
