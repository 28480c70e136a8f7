"""AudioHook and Twilio over real WebSockets, from the signature to the ledger."""

import base64
import dataclasses
import hashlib
import hmac
import json
import secrets
import time

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from callveil.adapters.call_metadata import parse_consent
from callveil.errors import NotFoundError
from callveil.pipeline.work import decide_call
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.rights import IdentifierKind
from callveil.web.api import build_api

SECRET, API_KEY = b"a client secret of 32 bytes.....", "api-key"
SESSION, ORGANIZATION = "e160e428-53e2-487c-977d-96989bf5c99d", "d7934305-0972-4844-938e-9060eef73d05"
CONVERSATION = "090eaa2f-72fa-480a-83e0-8667ff89c0ec"
MEDIA = [{"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}]
FRAME = bytes(range(200)) * 16  # 0.2 s of two channels
TOKEN, URL = "a twilio auth token of the account", "wss://voice.example.com/v1/twilio"


@pytest.fixture
def app(service):
    site = dataclasses.replace(service.site, audiohook_keys={API_KEY: SECRET}, twilio_tokens=(TOKEN,))
    profile = service.config.profile
    settings = profile.service.model_copy(update={"public_url": URL})
    config = dataclasses.replace(service.config, profile=profile.model_copy(update={"service": settings}))
    return build_api(dataclasses.replace(service, site=site, config=config))


@pytest.fixture
def client(app):
    with TestClient(app) as client:
        yield client


def audiohook_headers(clock, secret=SECRET, nonce=None):
    created = int(clock.now().timestamp())
    headers = {
        "host": "testserver",
        "audiohook-organization-id": ORGANIZATION,
        "audiohook-session-id": SESSION,
        "audiohook-correlation-id": "corr-1",
        "x-api-key": API_KEY,
    }
    names = ("@request-target", "@authority", *list(headers)[1:])
    covered = "(" + " ".join(f'"{name}"' for name in names) + ")"
    covered += f';keyid="{API_KEY}";nonce="{nonce or secrets.token_urlsafe(24)}";alg="hmac-sha256"'
    covered += f";created={created};expires={created + 10}"
    values = {**headers, "@request-target": "/v1/audiohook", "@authority": "testserver"}
    base = "\n".join([*(f'"{name}": {values[name]}' for name in names), f'"@signature-params": {covered}'])
    signature = base64.b64encode(hmac.new(secret, base.encode(), hashlib.sha256).digest()).decode()
    return {**headers, "signature-input": f"sig1={covered}", "signature": f"sig1=:{signature}:"}


class AudioHook:
    """A client by the published protocol."""

    def __init__(self, socket):
        self._socket, self._seq, self._server_seq, self._samples = socket, 0, 0, 0

    def say(self, kind, **parameters):
        self._seq += 1
        message = {
            "version": "2",
            "id": SESSION,
            "type": kind,
            "seq": self._seq,
            "serverseq": self._server_seq,
            "position": f"PT{self._samples / 8000}S",
            "parameters": parameters,
        }
        self._socket.send_text(json.dumps(message))

    def hear(self):
        message = json.loads(self._socket.receive_text())
        self._server_seq = message["seq"]
        return message

    def open(self, **config):
        self.say(
            "open",
            organizationId=ORGANIZATION,
            conversationId=CONVERSATION,
            participant={"id": SESSION, "ani": "tel:+4930123456", "aniName": "Lund", "dnis": "tel:+49"},
            media=MEDIA,
            customConfig=config,
        )
        return self.hear()

    def speak(self, frames=1):
        for _ in range(frames):
            self._socket.send_bytes(FRAME)
            self._samples += 1600

    def close(self):
        self.say("close", reason="end")
        return self.hear()


def audio_of(service, call):
    return b"".join(service.landing.read(call.landing))


def when(condition, timeout_s=5.0):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_the_caller_over_audiohook_can_be_found(client, service, identities):
    with client.websocket_connect("/v1/audiohook", headers=audiohook_headers(service.clock)) as socket:
        hook = AudioHook(socket)
        hook.open(consent="granted")
        hook.close()
    (found,) = identities(*((IdentifierKind.PHONE, "+4930123456", party) for party in (0, 1)))
    assert found[1] == "+4930123456"


def test_the_caller_over_twilio_can_be_found(client, service, identities):
    with client.websocket_connect("/v1/twilio", headers=twilio_headers()) as socket:
        twilio = Twilio(socket)
        twilio.start(consent="granted", customer_phone="+4930123456")
        twilio.say("stop", {"accountSid": "AC1", "callSid": "CA1"})
        assert when(lambda: service.ledger.calls() and service.ledger.get("CA1").arrived_at)
    (found,) = identities(*((IdentifierKind.PHONE, "+4930123456", party) for party in (0, 1)))
    assert found[1] == "+4930123456"


def test_a_call_over_audiohook_is_landed(client, service):
    with client.websocket_connect("/v1/audiohook", headers=audiohook_headers(service.clock)) as socket:
        hook = AudioHook(socket)
        assert hook.open(consent="granted")["type"] == "opened"
        hook.speak(10)
        assert when(lambda: service.ledger.calls())
        assert service.ledger.get(CONVERSATION).arrived_at is None
        assert hook.close()["type"] == "closed"
    call = service.ledger.get(CONVERSATION)
    assert (call.state, call.incomplete, call.source) == (CallState.RECEIVED, False, "audiohook")
    assert (call.stream, call.n_bytes) == ("ulaw/8000/2", len(FRAME) * 10)
    assert audio_of(service, call) == FRAME * 10
    assert call.content_sha256 == hashlib.sha256(FRAME * 10).hexdigest()
    assert "+4930123456" not in repr(call)


def test_what_came_can_be_heard_while_the_call_goes_on(client, service):
    with client.websocket_connect("/v1/audiohook", headers=audiohook_headers(service.clock)) as socket:
        hook = AudioHook(socket)
        hook.open(consent="granted")
        hook.speak(5)
        call = service.ledger.get(CONVERSATION)
        heard = service.landing.read(call.landing, partial=True)
        assert when(lambda: b"".join(service.landing.read(call.landing, partial=True)) == FRAME * 5)
        del heard
        hook.close()


def test_an_interrupted_call_keeps_what_came(client, service):
    with client.websocket_connect("/v1/audiohook", headers=audiohook_headers(service.clock)) as socket:
        hook = AudioHook(socket)
        hook.open(consent="granted")
        hook.speak(7)
        socket.close(1001)
    assert when(lambda: service.ledger.get(CONVERSATION).arrived_at)
    call = service.ledger.get(CONVERSATION)
    assert call.incomplete
    assert audio_of(service, call) == FRAME * 7


def test_a_call_without_consent_waits_paused(client, service):
    with client.websocket_connect("/v1/audiohook", headers=audiohook_headers(service.clock)) as socket:
        hook = AudioHook(socket)
        assert hook.open()["parameters"]["startPaused"] is True
        assert decide_call(CONVERSATION, service, "w").state is CallState.HELD
        call = service.ledger.get(CONVERSATION).call
        records = parse_consent(b'{"consent": "granted"}', source="test", call=call)
        service.ledger.record_consent(CONVERSATION, records, actor="test", now=service.clock.now())
        assert hook.hear()["type"] == "resume"
        hook.say("resumed", start="PT0S", discarded="PT0S")
        hook.speak(3)
        hook.close()
    assert audio_of(service, service.ledger.get(CONVERSATION)).endswith(FRAME * 3)


def test_a_denial_in_mid_call_ends_the_recording(client, service):
    with client.websocket_connect("/v1/audiohook", headers=audiohook_headers(service.clock)) as socket:
        hook = AudioHook(socket)
        hook.open(consent="granted")
        hook.speak(3)
        call = service.ledger.get(CONVERSATION).call
        records = parse_consent(b'{"consent": "denied"}', source="test", call=call)
        service.ledger.record_consent(CONVERSATION, records, actor="test", now=service.clock.now())
        assert hook.hear()["type"] == "disconnect"
        assert hook.close()["type"] == "closed"
    assert decide_call(CONVERSATION, service, "w").state is CallState.DISCARDED
    assert service.ledger.get(CONVERSATION).landing is None


def test_a_denied_call_is_never_landed(client, service):
    with client.websocket_connect("/v1/audiohook", headers=audiohook_headers(service.clock)) as socket:
        assert AudioHook(socket).open(consent="denied")["type"] == "disconnect"
    assert service.ledger.calls() == ()


def refused(client, path, headers):
    with pytest.raises(WebSocketDenialResponse) as denial, client.websocket_connect(path, headers=headers):
        pass
    assert denial.value.status_code == 401
    assert denial.value.json()["code"] == "signature"


def test_a_connection_that_is_not_signed_is_refused(client, service):
    refused(client, "/v1/audiohook", {})
    refused(
        client, "/v1/audiohook", audiohook_headers(service.clock, secret=b"another secret of 32 bytes.....")
    )


def test_a_signature_counts_once(client, service):
    headers = audiohook_headers(service.clock)
    with client.websocket_connect("/v1/audiohook", headers=headers) as socket:
        AudioHook(socket).open(consent="granted")
    refused(client, "/v1/audiohook", headers)


def test_without_keys_every_connection_is_refused(service):
    with TestClient(build_api(service)) as client:
        refused(client, "/v1/audiohook", audiohook_headers(service.clock))
        refused(client, "/v1/twilio", twilio_headers())


def test_an_id_that_is_taken_ends_the_second_recording(client, service):
    for number in range(2):
        with client.websocket_connect("/v1/audiohook", headers=audiohook_headers(service.clock)) as socket:
            hook = AudioHook(socket)
            kinds = [hook.open(consent="granted")["type"]]
            if number:
                kinds += [hook.hear()["type"]]
                assert "disconnect" in kinds
            else:
                hook.speak(2)
                hook.close()
    assert service.ledger.get(CONVERSATION).n_bytes == 2 * len(FRAME)


def twilio_headers(token=TOKEN):
    signature = base64.b64encode(hmac.new(token.encode(), URL.encode(), hashlib.sha1).digest()).decode()
    return {"X-Twilio-Signature": signature}


class Twilio:
    """A client by the published message order."""

    def __init__(self, socket):
        self._socket, self._number = socket, 0

    def say(self, event, body=None):
        message = {"event": event}
        if event != "connected":
            self._number += 1
            message |= {"sequenceNumber": str(self._number), "streamSid": "MZ1"}
        if body is not None:
            message[event] = body
        self._socket.send_text(json.dumps(message))

    def start(self, **parameters):
        self.say("connected")
        self.say(
            "start",
            {
                "accountSid": "AC1",
                "callSid": "CA1",
                "streamSid": "MZ1",
                "tracks": ["inbound", "outbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": parameters,
            },
        )

    def speak(self, track, chunk, payload):
        self.say(
            "media",
            {
                "track": track,
                "chunk": str(chunk),
                "timestamp": str(20 * (chunk - 1)),
                "payload": base64.b64encode(payload).decode(),
            },
        )


def test_a_call_over_twilio_has_two_channels(client, service):
    with client.websocket_connect("/v1/twilio", headers=twilio_headers()) as socket:
        twilio = Twilio(socket)
        twilio.start(consent="granted")
        for chunk in range(1, 51):
            twilio.speak("inbound", chunk, bytes([1]) * 160)
            twilio.speak("outbound", chunk, bytes([2]) * 160)
        twilio.say("dtmf", {"track": "inbound_track", "digit": "7"})
        twilio.say("stop", {"accountSid": "AC1", "callSid": "CA1"})
        assert when(lambda: service.ledger.calls() and service.ledger.get("CA1").arrived_at)
    call = service.ledger.get("CA1")
    assert (call.incomplete, call.stream) == (False, "ulaw/8000/2")
    assert audio_of(service, call) == bytes([1, 2]) * 160 * 50


def test_twilio_must_sign(client):
    refused(client, "/v1/twilio", {})
    refused(client, "/v1/twilio", twilio_headers("another token of somebody else"))


def test_what_is_no_protocol_is_closed_with_its_code(client, service):
    with client.websocket_connect("/v1/twilio", headers=twilio_headers()) as socket:
        socket.send_text("no json")
        assert socket.receive()["code"] in (1002, 1003, 1007)
    with pytest.raises(NotFoundError):
        service.ledger.get("CA1")
