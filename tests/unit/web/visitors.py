"""Whoever looks at pages: signed in, with the forms of the pages they have seen; and calls in quarantine."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from datetime import timedelta

import numpy as np
import soundfile
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from callveil.adapters.passwords import Argon2Passwords
from callveil.pipeline.intake import take_in
from callveil.stages.retention_tags import decision_key
from callveil.testing.builders import call as a_call
from callveil.vocabulary.accounts import Privilege, User, WebRole
from callveil.vocabulary.ledger import CallState, Settlement
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.reviews import Stretch
from callveil.web.pages.access import csrf_of, digest_of
from callveil.web.pages.app import build_page_app
from callveil.web.pages.headers import SecureAnswers

PASSWORDS = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
HEAR = (Privilege.REPLAY_ORIGINAL,)
WHY = "To see what is left"
LEFT = Stretch(channel=1, start_s=1.25, end_s=1.75, entity=Entity.PERSON)
"""What could still be heard of a quarantined call."""


def recording(seconds=2.0, seed=7):
    """A WAV file that is unlike any other."""
    samples = np.random.default_rng(seed).normal(0, 0.1, (int(8000 * seconds), 2)).clip(-1, 1)
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="WAV", subtype="PCM_16")
    return file.getvalue()


WAV = recording()


def add_user(service, name, *roles, privileges=(), queues=()):
    """A browser in which somebody is signed in."""
    now = service.clock.now()
    user = User(
        name=name,
        roles=frozenset(roles or {WebRole.REVIEWER}),
        privileges=frozenset(privileges),
        queues=frozenset(queues),
        created_at=now,
    )
    service.books.accounts.add(user, kept=PASSWORDS.hash("geheim-und-lang"), actor="test", now=now)
    return Browser(service, name)


def take_call(service, call_id, queue, consent=None, content=WAV):
    """A call of which a worker has begun; returns its metadata."""
    call = dataclasses.replace(a_call(call_id, consent=consent), queue=queue)
    with service.landing.begin() as writer:
        writer.write(content)
        take_in(call, writer, service, source="push", actor="key:pbx")
    settle(service, call_id, Settlement(state=CallState.KEPT))
    return call


def settle(service, call_id, settlement):
    now = service.clock.now()
    claim = service.ledger.claim(call_id, owner="w", lease_s=60, now=now)
    return service.ledger.settle(claim, settlement, now=now)


def quarantine_call(service, call_id="c-1", queue="care", **given):
    """A call in which a name could still be heard."""
    call = take_call(service, call_id, queue, **given)
    found = {"channel": 1, "start_s": LEFT.start_s, "end_s": LEFT.end_s, "entity": LEFT.entity.value}
    record = {
        "decided_at": service.clock.now().isoformat(),
        "verify": {"left": 1, "rounds": 2, "findings": [found]},
        "audio": {"duration_s": 2.0, "channels": 2},
    }
    service.store.put_decision(decision_key(call), json.dumps(record).encode())
    reason = "1 finding could still be heard."
    settle(service, call_id, Settlement(state=CallState.QUARANTINED, reason=reason))
    service.clock.advance(timedelta(seconds=60))
    return call_id


class Browser:
    """A client with a session, which fills in the forms of the pages it has seen."""

    def __init__(self, service, name):
        self._service, self._name = service, name
        web = service.config.profile.web
        app = SecureAnswers(build_page_app(service, passwords=PASSWORDS), web)
        self.client = TestClient(
            app,
            base_url="http://testserver",
            headers={"Accept": "text/html"},
            follow_redirects=False,
            raise_server_exceptions=False,
        )
        self.begin()

    def begin(self):
        """A new session."""
        accounts, now = self._service.books.accounts, self._service.clock.now()
        self.token = f"{self._name}{len(self._service.ledger.audit())}".ljust(43, "A")
        accounts.sign_in(
            self._name,
            digest_of(self.token),
            kept=accounts.kept(self._name),
            address="192.0.2.1",
            limits=self._service.config.profile.web.session_limits,
            now=now,
        )
        self.client.cookies.set("callveil", self.token, domain="testserver.local")

    def get(self, path, **headers):
        return self.client.get(path, headers=headers)

    def post(self, path, **form):
        csrf = csrf_of(self.token)
        return self.client.post(path, data={"csrf": csrf, **form})

    def listen(self, path, reason=WHY):
        """Ask for the player; returns the playing's id."""
        answer = self.post(f"{path}/listen", reason=reason)
        assert answer.status_code == 303, answer.text
        return re.search(r"play=(play-[0-9a-f]{16})", answer.headers["location"])[1]

    def hear(self, path, play, range="bytes=0-"):
        return self.get(f"{path}/audio?play={play}", Range=range)


def entries(service, action):
    return [each for each in service.ledger.audit() if each.action == action]


def all_bytes(service):
    return b"".join(path.read_bytes() for path in service.site.data.rglob("*") if path.is_file())
