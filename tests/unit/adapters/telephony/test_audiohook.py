"""AudioHook sessions: how they run, and what happens when a client does not keep to the protocol."""

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callveil.adapters.telephony.audiohook import MAX_BINARY_BYTES, AudioHookSession
from callveil.adapters.telephony.live import (
    Begin,
    Close,
    End,
    Gap,
    LanguageChanged,
    LiveFormat,
    Samples,
    Send,
)
from callveil.vocabulary.call import Role
from callveil.vocabulary.consent import Flag, Purpose

_SPEC = importlib.util.spec_from_file_location("telephony_streams", Path(__file__).with_name("streams.py"))
streams = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(streams)

ID = "e160e428-53e2-487c-977d-96989bf5c99d"
ORGANIZATION = "d7934305-0972-4844-938e-9060eef73d05"
CONVERSATION = "090eaa2f-72fa-480a-83e0-8667ff89c0ec"
NULL = "00000000-0000-0000-0000-000000000000"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STEREO = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
FRAME = bytes(range(200)) * 16  # 0.2 s of two channels of mu-law


class Client:
    """A client that keeps to the protocol unless a test makes it stray."""

    def __init__(self, **kwargs):
        self.session = AudioHookSession(
            session_id=ID, organization_id=ORGANIZATION, now=NOW, gate=streams.simple_gate, **kwargs
        )
        self.seq = self.server_seq = self.position = 0
        self.outputs = []

    def take(self, outputs):
        self.outputs += outputs
        for output in streams.only(Send, outputs):
            message = json.loads(output.text)
            assert (message["version"], message["id"]) == ("2", ID)
            assert message["seq"] == self.server_seq + 1
            assert message["clientseq"] <= self.seq
            assert "position" not in message
            self.server_seq += 1
        return outputs

    def message(self, kind, parameters=None, **changes):
        self.seq += 1
        envelope = {
            "version": "2", "id": ID, "type": kind, "seq": self.seq, "serverseq": self.server_seq,
            "position": f"PT{self.position / 8000}S", "parameters": parameters or {},
        }  # fmt: skip
        return json.dumps({**envelope, **changes})

    def say(self, kind, parameters=None, **changes):
        return self.take(self.session.receive_text(self.message(kind, parameters, **changes)))

    def raw(self, text):
        return self.take(self.session.receive_text(text))

    def open(self, config="granted", **changes):
        parameters = {
            "organizationId": ORGANIZATION,
            "conversationId": CONVERSATION,
            "participant": {
                "id": ID,
                "ani": "tel:+14155550100",
                "aniName": "Pat Example",
                "dnis": "+15550001",
            },
            "media": [STEREO],
            "language": "en-US",
            "customConfig": {"consent": config} if isinstance(config, str) else config,
        }
        return self.say("open", {**parameters, **changes})

    def speak(self, n_frames=1, frame=FRAME, frame_bytes=2):
        self.position += n_frames * len(frame) // frame_bytes
        out = []
        for _ in range(n_frames):
            out += self.take(self.session.receive_binary(frame))
        return out

    def resumed(self, start, stop):
        self.position = stop
        return self.say(
            "resumed", {"start": f"PT{start / 8000}S", "discarded": f"PT{(stop - start) / 8000}S"}
        )


def kinds(outputs):
    return [json.loads(o.text)["type"] if isinstance(o, Send) else type(o).__name__ for o in outputs]


def sent(output):
    return json.loads(output.text)["parameters"]


def test_a_call_from_open_to_closed():
    client = Client()
    begin, opened = client.open()
    assert begin.start.format == LiveFormat(encoding="ulaw", rate_hz=8000, channels=2)
    assert (begin.start.hold, begin.start.problem, begin.start.continues) == (False, None, ())
    assert begin.start.stream_id == ID
    call = begin.start.call
    assert (call.call_id, call.started_at, call.language) == (CONVERSATION, NOW, "en")
    assert [(p.role, p.channel, p.identifiers.phone) for p in call.parties] == [
        (Role.CUSTOMER, 0, "+14155550100"), (Role.AGENT, 1, None)]  # fmt: skip
    assert {(r.purpose, r.flag) for r in call.consent} == {(purpose, Flag.GRANTED) for purpose in Purpose}
    assert sent(opened) == {"media": [STEREO], "startPaused": False}
    assert client.speak(2) == [Samples(data=FRAME, start_sample=0), Samples(data=FRAME, start_sample=1600)]
    assert kinds(client.say("ping", {"rtt": "PT0.02S"})) == ["pong"]
    assert client.say("update", {"language": "es-US"})[0] == LanguageChanged(language="es")
    client.speak()
    end, closed, close = client.say("close", {"reason": "end"})
    assert end == End(complete=True, reason="closed by the client: end")
    assert (kinds([closed]), close.code) == (["closed"], 1000)
    assert client.session.is_done
    assert streams.check_order(client.outputs, done=True) == 4800


def test_what_was_said_is_in_no_text():
    client = Client()
    begin, _ = client.open()
    samples = client.speak()[0]
    assert repr(samples) == "Samples(3200 bytes at sample 0)"
    shown = "".join(o.text for o in streams.only(Send, client.outputs)) + repr(begin)
    assert "Pat" not in shown
    assert "4155550100" not in shown


@pytest.mark.parametrize("config", [None, {}, "unknown", {"other": 1}, {"callveil": {"queue": "billing"}}])
def test_unknown_consent_starts_paused_until_resumed(config):
    client = Client()
    begin, opened = client.open(config)
    assert begin.start.hold
    assert sent(opened)["startPaused"] is True
    assert client.say("paused") == []
    assert kinds(client.take(client.session.resume())) == ["resume"]
    assert client.resumed(0, 16000) == [Gap(start_sample=0, n_samples=16000, reason="paused")]
    assert client.speak() == [Samples(data=FRAME, start_sample=16000)]
    client.say("close", {"reason": "end"})
    assert streams.check_order(client.outputs, done=True) == 17600


def test_held_to_the_end_records_nothing():
    client = Client()
    client.open("unknown")
    client.position = 80000
    outputs = client.say("close", {"reason": "end"})
    assert kinds(outputs) == ["Gap", "End", "closed", "Close"]
    assert outputs[0].n_samples == 80000
    assert streams.only(Samples, client.outputs) == []


@pytest.mark.parametrize(
    "config", ["denied", "withdrawn", {"callveil": {"consent": {"recording": "denied"}}}]
)
def test_denied_consent_ends_the_session_and_records_nothing(config):
    client = Client()
    (disconnect,) = client.open(config)
    assert sent(disconnect) == {"reason": "completed", "info": "not recorded: no consent"}
    assert client.speak() == []
    assert client.say("ping") == []
    assert kinds(client.say("close", {"reason": "disconnect"})) == ["closed", "Close"]
    assert streams.only((Begin, Samples, End), client.outputs) == []


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("yes", "consent"),
        ({"consent": {"recordin": "granted"}}, "did you mean 'recording'"),
        ({"callveil": {"consent": "granted", "quue": "x"}}, "did you mean 'queue'"),
        ({"callveil": {"consent": "granted", "call_id": "fixed"}}, "call_id: is not allowed here"),
        ({"callveil": "not json Secret"}, "JSON"),
        ({"callveil": [1]}, "is not an object"),
        ({"callveil": {"consent": "granted", "parties": "Secret"}}, "parties"),
        ({"callveil": {"consent": "granted", "parties": ["Secret"]}}, "parties"),
    ],
)
def test_settings_that_cannot_be_read_hold_the_call_and_are_told(config, says):
    client = Client()
    begin, opened = client.open(config)
    assert begin.start.hold
    assert sent(opened)["startPaused"] is True
    assert says in begin.start.problem
    assert "Secret" not in begin.start.problem
    assert begin.start.call.consent == ()
    assert begin.start.call.call_id == CONVERSATION


def test_whole_document_as_object_or_text_and_input_variables_before_configuration():
    document = {
        "consent": {"recording": {"flag": "granted", "party": "customer"}},
        "queue": "billing",
        "parties": [
            {"role": "agent", "jurisdiction": "IE"},
            {"role": "customer", "jurisdiction": "GB", "channel": 1},
        ],
    }
    for callveil in (document, json.dumps(document)):
        client = Client()
        begin, _ = client.open("denied", inputVariables={"callveil": callveil})
        call = begin.start.call
        assert call.queue == "billing"
        assert [(p.role, p.channel, p.jurisdiction, p.identifiers.phone) for p in call.parties] == [
            (Role.AGENT, 1, "IE", None), (Role.CUSTOMER, 0, "GB", "+14155550100")]  # fmt: skip
        assert [(r.purpose, r.party) for r in call.consent] == [(Purpose.RECORDING, 1)]


@pytest.mark.parametrize(
    ("offered", "format_", "channels"),
    [
        ([("L16", "ei"), ("PCMU", "ei")], "PCMU", ["external", "internal"]),
        ([("PCMU", "e"), ("L16", "ei")], "L16", ["external", "internal"]),
        ([("PCMU", "ie")], "PCMU", ["internal", "external"]),
        ([("PCMU", "i"), ("PCMU", "e")], "PCMU", ["external"]),
        ([("PCMU", "i")], "PCMU", ["internal"]),
    ],
)
def test_choice_of_media(offered, format_, channels):
    names = {"e": "external", "i": "internal"}
    media = [{**STEREO, "format": f, "channels": [names[c] for c in cs]} for f, cs in offered]
    client = Client()
    begin, opened = client.open(media=media)
    assert sent(opened)["media"] == [{**STEREO, "format": format_, "channels": channels}]
    assert begin.start.format.channels == len(channels)
    assert begin.start.format.encoding == {"PCMU": "ulaw", "L16": "pcm_s16le"}[format_]
    roles = {"external": Role.CUSTOMER, "internal": Role.AGENT}
    assert [(p.role, p.channel) for p in begin.start.call.parties] == [
        (roles[name], channel) for channel, name in enumerate(channels)
    ]


@pytest.mark.parametrize(
    "media", [[], [{**STEREO, "rate": 16000}], [{**STEREO, "format": "OPUS"}], [{**STEREO, "channels": []}]]
)
def test_media_that_cannot_be_recorded_end_the_session(media):
    client = Client()
    (disconnect,) = client.open(media=media)
    assert sent(disconnect)["reason"] == "completed"
    assert kinds(client.say("close", {"reason": "disconnect"})) == ["closed", "Close"]


def test_connection_probe_is_answered_and_records_nothing():
    client = Client()
    (opened,) = client.open("denied", conversationId=NULL)
    assert sent(opened)["media"] == [STEREO]
    assert client.speak() == []
    assert client.say("paused") == []
    assert client.resumed(1600, 3200) == []
    assert client.say("discarded", {"start": "PT0S", "discarded": "PT0.1S"}) == []
    assert kinds(client.say("close", {"reason": "end"})) == ["closed", "Close"]


def test_reconnected_session_is_a_recording_of_its_own():
    client = Client()
    earlier = "11111111-2222-3333-4444-555555555555"
    client.position = 160000
    begin, _ = client.open(continuedSessions=[{"id": earlier, "serverseq": 3, "clientseq": 9}])
    assert begin.start.call.call_id == f"{CONVERSATION}.2"
    assert begin.start.continues == (earlier,)
    assert client.speak() == [Samples(data=FRAME, start_sample=0)]
    assert kinds(client.say("ping")) == ["pong"], "its clock goes on from the session before"


def test_server_asks_for_a_reconnect():
    client = Client()
    assert client.session.reconnect() == []
    client.open()
    assert kinds(client.take(client.session.reconnect())) == ["reconnect"]
    assert client.say("close", {"reason": "reconnect"})[0] == End(
        complete=False, reason="closed by the client: reconnect"
    )


def test_languages_are_told_when_asked_for():
    client = Client(languages=["en", "en-US"])
    _, opened = client.open(supportedLanguages=True)
    assert sent(opened)["supportedLanguages"] == ["en", "en-US"]


def test_nothing_is_recorded_from_pause_on_although_audio_is_still_under_way():
    client = Client()
    client.open()
    client.speak()
    assert kinds(client.take(client.session.pause())) == ["pause"]
    assert client.speak(2) == []
    assert client.say("paused") == []
    assert kinds(client.take(client.session.resume())) == ["resume"]
    assert client.resumed(4800, 8000) == [Gap(start_sample=1600, n_samples=6400, reason="paused")]
    assert client.speak() == [Samples(data=FRAME, start_sample=8000)]


def test_client_that_goes_on_by_itself_does_not_lift_our_pause():
    client = Client()
    client.open()
    client.session.pause()
    client.server_seq += 1
    client.say("paused")
    assert client.resumed(0, 1600) == []
    assert client.speak() == []
    assert client.say("paused") == []
    client.take(client.session.resume())
    assert client.resumed(3200, 4000) == [Gap(start_sample=0, n_samples=4000, reason="paused")]


def test_pause_after_a_resume_that_is_still_under_way_counts():
    client = Client()
    client.open()
    for act in (client.session.pause, client.session.resume, client.session.pause):
        client.take(act())
    client.say("paused")
    assert client.resumed(0, 1600) == []
    assert client.speak() == []


def test_pause_of_the_client_outlasts_our_resume():
    client = Client()
    client.open("unknown")
    client.take(client.session.resume())
    assert client.say("paused") == []  # its answer when it pauses too
    assert client.resumed(0, 800) == [Gap(start_sample=0, n_samples=800, reason="paused")]
    assert client.speak() == [Samples(data=FRAME, start_sample=800)]


def test_resume_without_a_pause_changes_nothing():
    client = Client()
    client.open()
    client.speak()
    client.take(client.session.resume())
    assert client.resumed(1600, 1600) == []
    assert client.speak() == [Samples(data=FRAME, start_sample=1600)]


def test_discarded_audio_is_a_gap():
    client = Client()
    client.open()
    client.speak()
    client.position += 800
    out = client.say("discarded", {"start": "PT0.2S", "discarded": "PT0.1S"})
    assert out == [Gap(start_sample=1600, n_samples=800, reason="discarded")]


def test_missing_audio_is_a_gap_beyond_a_second():
    client = Client()
    client.open()
    client.speak()
    client.position += 8000
    assert kinds(client.say("ping")) == ["pong"]
    client.position += 1
    assert kinds(client.say("ping")) == ["Gap", "pong"]
    assert streams.only(Gap, client.outputs) == [Gap(start_sample=1600, n_samples=8001, reason="lost")]


def test_error_of_the_client_is_followed_by_its_close():
    client = Client()
    client.open()
    assert client.say("error", {"code": 408, "message": "Secret"}) == []
    end = client.say("close", {"reason": "error"})[0]
    assert end == End(complete=False, reason="closed by the client: error")


@pytest.mark.parametrize(
    ("reason", "complete"), [("completed", True), ("unauthorized", False), ("error", False)]
)
def test_disconnect_waits_for_the_clients_close(reason, complete):
    client = Client()
    client.open()
    client.speak()
    disconnect, end = client.take(client.session.disconnect(reason))
    assert sent(disconnect) == {"reason": reason}
    assert end.complete is complete
    assert client.speak() == []
    assert client.session.pause() == client.session.resume() == client.session.disconnect("error") == []
    assert kinds(client.say("close", {"reason": "disconnect"})) == ["closed", "Close"]
    streams.check_order(client.outputs, done=True)


@pytest.mark.parametrize("opened", [False, True])
def test_lost_connection(opened):
    client = Client()
    if opened:
        client.open()
        client.speak()
    ended = client.take(client.session.lost())
    assert ended == ([End(complete=False, reason="the connection was lost")] if opened else [])
    assert client.session.lost() == client.say("ping") == client.speak() == []


def test_too_long_a_call_ends():
    client = Client(max_duration_s=0.5)
    client.open()
    client.speak(2)
    assert kinds(client.speak()) == ["End", "disconnect"]
    assert kinds(client.say("close", {"reason": "disconnect"})) == ["closed", "Close"]


def test_gap_that_would_fill_the_disk_ends_the_call():
    client = Client()
    client.open()
    client.say("paused")
    assert kinds(client.resumed(0, 8000 * 9_999_999)) == ["End", "disconnect"]
    assert streams.only(Gap, client.outputs) == []


PAUSED = {"start": "PT0S", "discarded": "PT0S"}


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda c: c.raw("{"), 1007),
        (lambda c: c.raw("\ud800"), 1007),
        (lambda c: c.raw("[]"), 1002),
        (lambda c: c.raw("{}"), 1002),
        (lambda c: c.raw('{"a": 1, "a": 2}'), 1007),
        (lambda c: c.raw("[" * 40), 1007),
        (lambda c: c.raw(" " * 65536), 1009),
        (lambda c: c.raw('"' + "é" * 40000 + '"'), 1009),
        (lambda c: c.say("ping", version="1"), 1002),
        (lambda c: c.say("ping", version=2), 1002),
        (lambda c: c.say("opened"), 1002),
        (lambda c: c.say("Secret"), 1002),
        (lambda c: c.say("ping", type=["ping"]), 1002),
        (lambda c: c.say("ping", id="Secret"), 1002),
        (lambda c: c.say("ping", id=NULL), 1002),
        (lambda c: c.say("ping", seq=c.seq), 1002),
        (lambda c: c.say("ping", seq=c.seq + 2), 1002),
        (lambda c: c.say("ping", seq=float(c.seq + 1)), 1002),
        (lambda c: c.say("ping", seq=True), 1002),
        (lambda c: c.say("ping", serverseq=c.server_seq + 1), 1002),
        (lambda c: c.say("ping", serverseq=-1), 1002),
        (lambda c: c.say("ping", position=1.5), 1002),
        (lambda c: c.say("ping", position="12.3"), 1002),
        (lambda c: c.say("ping", position="PT-1S"), 1002),
        (lambda c: c.say("ping") and c.say("ping", position="PT0.1S"), 1002),
        (lambda c: c.speak(6) and c.say("ping", position="PT0.3S"), 1002),
        (lambda c: c.say("ping", ["Secret"]), 1002),
        (lambda c: c.open(), 1002),
        (lambda c: c.say("close", {"reason": "Secret"}), 1002),
        (lambda c: c.say("close"), 1002),
        (lambda c: c.say("close", {"reason": ["end"]}), 1002),
        (lambda c: c.say("close", {"reason": {}}), 1002),
        (lambda c: c.say("resumed", {"start": "PT0.2S"}), 1002),
        (lambda c: c.say("resumed", {"start": "PT0.2S", "discarded": "PT100S"}), 1002),
        (lambda c: c.say("discarded", {"start": "x", "discarded": "PT0S"}), 1002),
        (lambda c: c.speak(frame=b"odd"), 1002),
        (lambda c: c.speak(frame=b""), 1002),
        (lambda c: c.speak(frame=bytes(MAX_BINARY_BYTES + 2)), 1009),
        (lambda c: c.say("paused") or c.speak(), 1002),
    ],
)
def test_violations_in_an_open_session(act, code):
    client = Client()
    client.open()
    client.speak()
    rest = act(client)
    assert rest[-1].code == code
    assert kinds(rest)[-3:] == ["End", "disconnect", "Close"]
    assert not streams.only(End, rest)[0].complete
    assert "Secret" not in repr(rest)
    assert client.session.is_done
    assert streams.only(Close, client.outputs) == rest[-1:]
    assert client.session.receive_binary(FRAME) == client.session.receive_text("{}") == []
    assert client.session.lost() == client.session.pause() == client.session.disconnect("error") == []
    streams.check_order(client.outputs, done=True)


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda c: c.speak(), 1002),
        (lambda c: c.say("paused"), 1002),
        (lambda c: c.say("resumed", PAUSED), 1002),
        (lambda c: c.say("discarded", PAUSED), 1002),
        (lambda c: c.say("update", {"language": "en"}), 1002),
        (lambda c: c.open(organizationId=NULL), 1008),
        (lambda c: c.open(organizationId="Secret"), 1002),
        (lambda c: c.open(conversationId="Secret"), 1002),
        (lambda c: c.open(participant=None), 1002),
        (lambda c: c.open(media=None), 1002),
        (lambda c: c.open(media=["Secret"]), 1002),
        (lambda c: c.open(continuedSessions={}), 1002),
        (lambda c: c.open(continuedSessions=["Secret"]), 1002),
        (lambda c: c.open(continuedSessions=[{"id": "Secret"}]), 1002),
        (lambda c: c.open(continuedSessions=[{"id": ID}] * 65), 1002),
    ],
)
def test_violations_before_a_session_is_open(act, code):
    client = Client()
    rest = act(client)
    assert kinds(rest) == ["disconnect", "Close"]
    assert rest[1].code == code
    assert sent(rest[0])["reason"] == ("unauthorized" if code == 1008 else "error")
    assert "Secret" not in repr(rest)


def test_strange_violation_while_leaving_closes_without_a_second_disconnect():
    client = Client()
    client.open()
    client.take(client.session.disconnect("completed"))
    assert [type(o) for o in client.session.receive_text("{")] == [Close]


def test_ping_and_close_before_open():
    client = Client()
    assert kinds(client.say("ping")) == ["pong"]
    assert kinds(client.say("close", {"reason": "end"})) == ["closed", "Close"]


SPANS = st.builds(lambda a, b: {"start": f"PT{a}S", "discarded": f"PT{b}S"}, st.floats(0, 3), st.floats(0, 3))
STEPS = st.one_of(
    st.tuples(st.just("open"), st.sampled_from(["granted", "unknown", "denied", "nonsense"])),
    st.tuples(st.just("audio"), st.integers(0, 5)),
    st.tuples(st.just("move"), st.integers(0, 20000)),
    st.tuples(st.sampled_from(["paused", "ping", "error"]), st.just({})),
    st.tuples(st.sampled_from(["resumed", "discarded"]), SPANS),
    st.tuples(st.just("resumed exactly"), st.integers(0, 20000)),
    st.tuples(st.just("update"), st.just({"language": "fr"})),
    st.tuples(st.just("close"), st.sampled_from([{"reason": "end"}, {"reason": "reconnect"}, {}])),
    st.tuples(st.just("server"), st.sampled_from(["pause", "resume", "reconnect", "lost"])),
    st.tuples(st.just("server"), st.just("disconnect")),
    st.tuples(st.just("raw"), st.text(max_size=20)),
)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from([[], [("open", "granted")], [("open", "unknown")]]), st.lists(STEPS, max_size=25))
def test_any_sequence_keeps_the_order_of_outputs(first, steps):
    client = Client(max_duration_s=20)
    muted = False
    for step, value in [*first, *steps]:
        before = len(client.outputs)
        was_done = client.session.is_done
        if step == "open":
            client.open(value)
        elif step == "audio":
            client.speak(value)
        elif step == "move":
            client.position += value
        elif step == "resumed exactly":
            client.resumed(client.position, client.position + value)
        elif step == "server":
            act = getattr(client.session, value)
            client.take(act("completed") if value == "disconnect" else act())
            muted = muted if value not in ("pause", "resume") else value == "pause"
        elif step == "raw":
            client.raw(value)
        else:
            client.say(step, value)
        new = client.outputs[before:]
        assert not (was_done and new)
        assert not (muted and streams.only(Samples, new)), "nothing is recorded while we have paused"
    client.take(client.session.lost())
    streams.check_order(client.outputs, done=True)
    begins = streams.only(Begin, client.outputs)
    if begins and begins[0].start.hold and ("server", "resume") not in steps:
        assert not streams.only(Samples, client.outputs), "nothing is recorded while held"
