"""The outbox on its way to a broker that fails."""

import asyncio
from types import SimpleNamespace

import pytest

from callveil.pipeline import stream
from callveil.testing import START, ManualClock
from callveil.vocabulary.ledger import CallState, Event, Topic

EVENTS = [
    Event(event_id=str(number), topic=Topic.KEPT, call_id=f"c-{number}", at=START, state=CallState.KEPT)
    for number in range(3)
]


class Ledger:
    def __init__(self) -> None:
        self.sent: list[list[str]] = []

    def mark_sent(self, event_ids, *, now) -> None:
        self.sent.append(list(event_ids))


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.setattr(stream, "_RESEND_S", 0.0)
    monkeypatch.setattr(stream, "Crew", lambda *_: SimpleNamespace(offer=lambda call_id: None))
    return stream._Parts(SimpleNamespace(ledger=Ledger(), clock=ManualClock()), "w", lambda _: None)


def test_what_fails_is_sent_again_at_once_and_the_rest_is_not(parts):
    asked: list[bytes] = []

    async def send(topic, key, value) -> None:
        asked.append(key)
        if key == b"c-1" and asked.count(key) < 3:
            raise ConnectionError

    asyncio.run(parts._send_all(EVENTS, send))
    assert parts._service.ledger.sent == [["0", "2"], ["1"]]
    assert sorted(asked) == [b"c-0", b"c-1", b"c-1", b"c-1", b"c-2"]


def test_it_ends_with_the_lease(parts, monkeypatch):
    monkeypatch.setattr(stream, "_RELAY_LEASE_S", 0.1)
    asked: list[bytes] = []

    async def send(topic, key, value) -> None:
        asked.append(key)
        raise ConnectionError

    asyncio.run(parts._send_all(EVENTS, send))
    assert parts._service.ledger.sent == []
    assert {b"c-0", b"c-1", b"c-2"} == set(asked)


def test_an_event_that_is_sent_again_is_seen_to_here(parts, monkeypatch):
    """The broker takes it and nobody gets it."""
    seen: list[str] = []

    async def gate(call_id) -> None:
        seen.append(f"gate {call_id}")

    monkeypatch.setattr(parts, "gate", gate)
    parts.crew = SimpleNamespace(offer=lambda call_id: seen.append(f"crew {call_id}"))
    received = Event(event_id="9", topic=Topic.RECEIVED, call_id="c-9", at=START, state=CallState.RECEIVED)
    redacted = Event(event_id="8", topic=Topic.REDACTED, call_id="c-8", at=START, state=CallState.PUBLISHED)

    async def send(topic, key, value) -> None:
        pass

    asyncio.run(parts._send_all([*EVENTS, received, redacted], send))
    assert seen == []
    asyncio.run(parts._send_all([EVENTS[1], received, redacted], send))
    assert seen == ["crew c-1", "gate c-9"]
