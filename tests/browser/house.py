"""A house full of calls, and its service: what browser tests and screenshots look at.

Everything is made by the project's own code, in a real data folder; only voices and ears are stand-ins (see
`voices`). Nothing here needs a model.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from tests.browser.voices import PhraseDetector, Spoken, ToneTranscriber, speak

from callveil.adapters.recipients import write_recipients
from callveil.adapters.signing_keys import KeyFolder
from callveil.adapters.subject_keys import create_subject_keys
from callveil.cli.ingest_key import new_ingest_key, write_ingest_keys
from callveil.config import load_config, load_site
from callveil.engines.channels import ChannelDiarizer
from callveil.engines.channels import Options as ChannelOptions
from callveil.kit import (
    Kit,
    Office,
    Service,
    build_service,
    make_landing_key,
    office_of,
    open_passwords,
    open_signer,
)
from callveil.kit.policies import open_policies
from callveil.pipeline.erasure import erase
from callveil.pipeline.holds import place
from callveil.pipeline.intake import take_in
from callveil.pipeline.outlook import named
from callveil.pipeline.restrict import restrict_call
from callveil.pipeline.work import decide_call, redact_call
from callveil.vocabulary.accounts import Privilege, User, WebRole
from callveil.vocabulary.call import Call, Direction, Identifiers, Party, Role
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Method, Purpose
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import HoldScope
from callveil.vocabulary.rights import Recipient
from callveil.web.pages.access import digest_of
from callveil.web.site import build_site

PASSWORD = "quiet harbour lantern"
PERSON = Identifiers(phone="+442079460018", email="maud.ferring@example.org", customer_id="K-7741-ZQ")
"""The customer of every eighth call, for the pages about persons."""

QUEUES = ("billing", "care", "sales", "broker")
AGENTS = ("agent-amira", "agent-ben", "agent-chen", "agent-dora", "agent-emil")
SPAN = timedelta(days=21)
"""The calls are spread over three weeks."""

_KNOWN = "house.json"

_PLAIN = ("card", "address", "refund", "appointment", "complaint", "bank")

USERS: Mapping[str, tuple[tuple[WebRole, ...], tuple[Privilege, ...], tuple[str, ...]]] = {
    "rita": ((WebRole.REVIEWER,), (), ()),
    "nora": ((WebRole.REVIEWER,), (), ("care",)),
    "hugo": ((WebRole.REVIEWER,), (Privilege.REPLAY_ORIGINAL,), ()),
    "hanna": ((WebRole.REVIEWER,), (Privilege.REPLAY_ORIGINAL,), ()),
    "oscar": ((WebRole.OPS,), (), ()),
    "olga": ((WebRole.OPS,), (), ()),
    "petra": ((WebRole.PRIVACY,), (), ()),
    "paul": ((WebRole.PRIVACY,), (Privilege.EXPORT,), ()),
    "ada": ((WebRole.ADMIN,), (), ()),
    "grete": (tuple(WebRole), tuple(Privilege), ()),
}
"""Name to roles, privileges, queues; "hugo" and "hanna", "oscar" and "olga" make two persons each."""


class HouseClock:
    """Stands still while the house is built, then runs."""

    def __init__(self, end: datetime) -> None:
        self._end, self._still, self._since = end, end, 0.0
        self._runs = False

    def now(self) -> datetime:
        """See `Clock`."""
        if not self._runs:
            return self._still
        return self._end + timedelta(seconds=time.monotonic() - self._since)

    def set(self, at: datetime) -> None:
        """Show another time, as long as it stands still."""
        self._still = at

    def run(self) -> None:
        """From now on it goes."""
        self._runs, self._since = True, time.monotonic()


@dataclass
class House:
    """The service, and which calls are what.

    Attributes:
        folder: The data folder; `callveil --data` works on it too.
        service: Of the server; `office` is made of it.
        kit: What a worker redacts with: stand-in ears that really listen.
        url: Of the pages, "http://127.0.0.1:PORT".
        clock: Of all of it.
        calls: What is special to the ids of such calls: "published", "held", "quarantined", "failed",
            "discarded", "erased", "restricted", "on_hold", "long", "received", and "missed": a name nobody
            masked is in it.
        words: Call id to what was really said: (text, channel, start_s, end_s).
    """

    folder: Path
    service: Service
    kit: Kit
    clock: HouseClock
    url: str = ""
    calls: dict[str, list[str]] = field(default_factory=dict)
    words: dict[str, tuple[tuple[str, int, float, float], ...]] = field(default_factory=dict)

    @property
    def office(self) -> Office:
        return office_of(self.service)

    def one(self, what: str) -> str:
        """The first call of a kind; of the published ones one that nothing else is special about."""
        return self.calls[what][0]

    def in_queue(self, queue: str, what: str = "published") -> str:
        """The first call of a kind in a queue."""
        ledger = self.service.ledger
        return next(each for each in self.calls[what] if ledger.get(each).call.queue == queue)

    def begin_session(self, name: str) -> str:
        """Sign a user in without the form; returns the token for the cookie."""
        token, accounts = secrets.token_urlsafe(32), self.service.books.accounts
        limits = self.service.config.profile.web.session_limits
        begun = accounts.sign_in(
            name,
            digest_of(token),
            kept=accounts.kept(name),
            address="127.0.0.1",
            limits=limits,
            now=self.clock.now(),
        )
        assert begun is not None, name
        return token


def build_house(folder: Path, *, now: datetime | None = None, n_calls: int = 60, **profile: Any) -> House:
    """Make the calls and the users.

    Args:
        folder: A new folder.
        now: When the house is finished; its last call came shortly before. None for now.
        n_calls: How many calls are published.
        profile: Tables that take the place of those of the default profile: `web={"two_person": [...]}`.
    """
    clock = HouseClock((now or datetime.now(UTC)).replace(microsecond=0))
    house = _found(folder, clock, profile)
    _Builder(house, clock.now()).build(n_calls)
    clock.set(clock._end)
    _add_users(house)
    clock.run()
    return house


def copy_house(kept: Path, folder: Path | None, **profile: Any) -> House:
    """Open a copy of a house that was built and `keep`t before; `profile` as for `build_house`.

    Args:
        kept: Its folder.
        folder: Where the copy goes; None to open the house itself.
        profile: See `build_house`.
    """
    if folder is not None:
        shutil.copytree(kept, folder)
    folder = folder or kept
    known = json.loads((folder / _KNOWN).read_text())
    house = _open(folder, HouseClock(datetime.now(UTC).replace(microsecond=0)), profile)
    house.calls = known["calls"]
    house.words = {call_id: tuple(map(tuple, words)) for call_id, words in known["words"].items()}
    house.clock.run()
    return house


def keep(house: House) -> None:
    """Write down what `copy_house` needs, and close the house."""
    (house.folder / _KNOWN).write_text(json.dumps({"calls": house.calls, "words": house.words}))
    house.service.ledger.close()


def _found(folder: Path, clock: HouseClock, profile: Mapping[str, Any]) -> House:
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    site = load_site(folder, {})
    make_landing_key(site)
    create_subject_keys(site.subject_key_file)
    write_ingest_keys(site, [new_ingest_key()])
    KeyFolder(folder / "keys", clock).create()
    recipient = Recipient(name="crm", kind="crm", url="http://127.0.0.1:9/forget", secret="s" * 40)
    write_recipients(site.recipients_file, [recipient])
    return _open(folder, clock, profile)


def _open(folder: Path, clock: HouseClock, profile: Mapping[str, Any]) -> House:
    kept = {name: value for name, value in os.environ.items() if name == "CALLVEIL_OIDC_SECRET"}
    config = load_config("default", {**kept, "CALLVEIL_KEYS_DIR": str(folder / "keys")})
    given = {"originals": {"keep": "seal", "location": str(folder / "originals")}, **profile}
    table = {**config.profile.model_dump(), **given}
    config = dataclasses.replace(config, profile=type(config.profile).model_validate(table))
    service = dataclasses.replace(build_service(config, load_site(folder, {})), clock=clock)
    kit = Kit(
        profile_name=config.name,
        profile=config.profile,
        rules=service.rules,
        transcriber=ToneTranscriber(),
        dual=ChannelDiarizer(ChannelOptions()),
        mono=ChannelDiarizer(ChannelOptions()),
        detector=PhraseDetector(),
        listener=ToneTranscriber(name="tones-again", deaf_to=frozenset()),
        store=service.store,
        clock=clock,
        signer=open_signer(config),
        originals=service.originals,
        policies=open_policies(config),
    )
    return House(folder=folder, service=service, kit=kit, clock=clock)


class _Builder:
    """Brings calls in, in the order of their times, and each as far as it shall go."""

    def __init__(self, house: House, end: datetime) -> None:
        self._house, self._end, self._count = house, end, 0
        self._clock = house.clock

    def build(self, n_calls: int) -> None:
        steps: list[tuple[str, Callable[[datetime], str]]] = [
            ("published", self._plain(i)) for i in range(n_calls)
        ]
        extra = [
            ("missed", lambda at: self._published(at, "missed", 101, queue="care")),
            ("missed", lambda at: self._published(at, "missed", 102, queue="billing")),
            ("long", lambda at: self._published(at, "refund", 103, rounds=4, queue="care")),
            *[("held", lambda at, i=i: self._held(at, i)) for i in range(3)],
            *[("discarded", lambda at, i=i: self._discarded(at, i)) for i in range(2)],
            *[("quarantined", lambda at, i=i: self._quarantined(at, i)) for i in range(4)],
            *[("failed", lambda at, i=i: self._failed(at, i)) for i in range(3)],
            ("restricted", lambda at: self._published(at, "card", 104, queue="billing")),
            ("restricted", lambda at: self._published(at, "address", 105, queue="care")),
            ("on_hold", lambda at: self._published(at, "complaint", 106, queue="care")),
            ("on_hold", lambda at: self._published(at, "bank", 107, queue="broker")),
            ("erased", lambda at: self._published(at, "card", 108, queue="billing")),
            ("erased", lambda at: self._published(at, "refund", 109, queue="care")),
        ]
        # What is special stands among the newest, where people look first.
        step = max(1, len(steps) // (len(extra) * 2))
        for index, each in enumerate(extra):
            steps.insert(len(steps) - (index + 1) * step, each)
        steps.append(("received", lambda at: self._take(self._call(at, 0), speak("complaint", seed=110))))
        for index, (what, make) in enumerate(steps):
            at = self._end - SPAN + (SPAN - timedelta(hours=6)) * (index / len(steps))
            self._house.calls.setdefault(what, []).append(make(at.replace(microsecond=0)))
        self._afterwards()

    def _afterwards(self) -> None:
        """What the office does in the last hours."""
        house, calls = self._house, self._house.calls
        self._clock.set(self._end - timedelta(hours=4))
        for call_id in calls["restricted"]:
            restrict_call(
                call_id, "The caller says that it is wrong (Art. 18).", house.office, actor="user:petra"
            )
        place(
            HoldScope.CALL,
            named(calls["on_hold"], house.office),
            house.office,
            reason="Matter 2026/114",
            authority="Legal department",
            actor="user:petra",
        )
        self._clock.set(self._end - timedelta(hours=3))
        erase(named(calls["erased"], house.office), house.office, actor="user:petra")

    def _call(self, at: datetime, seed: int, *, queue: str | None = None, flag: Flag = Flag.GRANTED) -> Call:
        self._count += 1
        person = PERSON if self._count % 8 == 1 else Identifiers(phone=f"+4420794{10000 + self._count}")
        consent = tuple(
            ConsentRecord(
                purpose=purpose,
                flag=flag,
                lawful_basis=LawfulBasis.CONSENT if flag is Flag.GRANTED else None,
                given_at=at if flag is not Flag.UNKNOWN else None,
                method=Method.ANNOUNCEMENT if flag is Flag.GRANTED else None,
            )
            for purpose in (Purpose.RECORDING, Purpose.TRANSCRIPTION)
        )
        chosen = queue or QUEUES[seed % len(QUEUES)]
        return Call(
            call_id=f"call-{self._count:03d}",
            started_at=at,
            direction=Direction.INBOUND if seed % 5 else Direction.OUTBOUND,
            queue=chosen,
            agent=AGENTS[seed % len(AGENTS)],
            language="en",
            parties=(
                Party(role=Role.AGENT, channel=0, jurisdiction="GB"),
                Party(role=Role.CUSTOMER, channel=1, jurisdiction="GB", identifiers=person),
            ),
            consent=consent,
            tags=("mifid",) if chosen == "broker" else (),
        )

    def _take(self, call: Call, said: Spoken | bytes) -> str:
        service = self._house.service
        content, duration_s = (said, 5.0) if isinstance(said, bytes) else (said.wav, said.duration_s)
        self._clock.set(call.started_at + timedelta(seconds=round(duration_s) + 20))
        with service.landing.begin() as writer:
            writer.write(content)
            take_in(call, writer, service, source="push", actor="key:pbx")
        if not isinstance(said, bytes):
            self._house.words[call.call_id] = said.words
        return call.call_id

    def _go(self, call: Call, said: Spoken | bytes, state: CallState, kit: Kit | None = None) -> str:
        call_id = self._take(call, said)
        service = self._house.service
        self._later(3)
        decide_call(call_id, service, "worker-1")
        if kit is not None:
            self._later(10)
            redact_call(call_id, service, kit, "worker-1")
        found = service.ledger.get(call_id)
        assert found.state is state, (found.state, found.reason)
        return call_id

    def _later(self, seconds: float) -> None:
        self._clock.set(self._clock.now() + timedelta(seconds=seconds))

    def _plain(self, index: int) -> Callable[[datetime], str]:
        """Short ones, but for some: every second of sound takes its time."""
        dialogue, turns = _PLAIN[index % len(_PLAIN)], None if index % 7 == 0 else 4
        return lambda at: self._published(at, dialogue, index, turns=turns)

    def _published(
        self, at: datetime, dialogue: str, seed: int, *, queue: str | None = None, **spoken: Any
    ) -> str:
        call = self._call(at, seed, queue=queue)
        return self._go(call, speak(dialogue, seed=seed, **spoken), CallState.PUBLISHED, self._house.kit)

    def _held(self, at: datetime, seed: int) -> str:
        call = self._call(at, seed, flag=Flag.UNKNOWN)
        return self._go(call, speak("appointment", seed=seed), CallState.HELD)

    def _discarded(self, at: datetime, seed: int) -> str:
        call = self._call(at, seed, flag=Flag.DENIED)
        return self._go(call, speak("refund", seed=seed), CallState.DISCARDED)

    def _quarantined(self, at: datetime, seed: int) -> str:
        once = self._house.kit.profile.verify.model_copy(update={"max_rounds": 1})
        profile = self._house.kit.profile.model_copy(update={"verify": once})
        kit = dataclasses.replace(self._house.kit, profile=profile)
        return self._go(self._call(at, seed), speak("leak", seed=seed), CallState.QUARANTINED, kit)

    def _failed(self, at: datetime, seed: int) -> str:
        return self._go(self._call(at, seed), b"RIFF no audio" * 50, CallState.FAILED, self._house.kit)


def _add_users(house: House) -> None:
    accounts, now = house.service.books.accounts, house.clock.now()
    kept = open_passwords().hash(PASSWORD)
    for name, (roles, privileges, queues) in USERS.items():
        user = User(
            name=name,
            roles=frozenset(roles),
            privileges=frozenset(privileges),
            queues=frozenset(queues),
            created_at=now,
        )
        accounts.add(user, kept=kept, actor="cli:root", now=now)


@contextmanager
def served(house: House, port: int = 0) -> Iterator[House]:
    """Serve it on a port, a free one when it is 0, in a thread."""
    config = uvicorn.Config(
        build_site(house.service), port=port, log_config=None, access_log=False, ws="none", lifespan="on"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="house", daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started:
        if time.monotonic() > end or not thread.is_alive():
            raise RuntimeError("the server of the house does not start")
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    house.url = f"http://127.0.0.1:{port}"
    try:
        yield house
    finally:
        server.should_exit = True
        thread.join(10)
        house.service.ledger.close()
