"""A small installation in a folder: real ledger and books on SQLite, store, sealed originals, landing."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.landing_folder import LandingFolder
from callveil.adapters.ledger_sql import open_ledger
from callveil.adapters.originals_folder import FolderOriginals
from callveil.adapters.sealed_original import sealed
from callveil.adapters.store_local import LocalStore
from callveil.adapters.subject_keys import SubjectKeys
from callveil.config import Profile, Site, load_config
from callveil.kit import FixedPolicies, Office, Originals
from callveil.pipeline.outlook import Sought, of_subject
from callveil.pipeline.subjects import find_subject
from callveil.rights.identifiers import identities_of
from callveil.stages.retention_tags import call_prefix, decision_key
from callveil.testing import START, ManualClock, call, throw_away_signer
from callveil.vocabulary.audio import AudioFormat, CardSafeAudio
from callveil.vocabulary.call import Identifiers
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart
from callveil.vocabulary.retention import KeptPart, Match, Period, Policy
from callveil.vocabulary.rights import IdentifierKind, Recipient

PHONE, EMAIL, CUSTOMER = "+442079460018", "maud.ferring@example.org", "K-7741-ZQ"
"""Of the person that tests look for; as `rights.identifiers` writes them."""

KEEP = Policy(name="standard", keep=dict.fromkeys(KeptPart, Period(months=24)))
DUTY = Policy(
    name="mifid",
    match=Match(queues=frozenset({"broker"})),
    duty={KeptPart.AUDIO: Period(months=60), KeptPart.TRANSCRIPT: Period(months=60)},
    law="MiFID II Art. 16(7)",
)


@dataclass
class World:
    """The installation, and what tests do with it."""

    folder: Path
    office: Office
    clock: ManualClock
    answers: list = field(default_factory=list)

    def plant(
        self,
        call_id: str = "c-1",
        *,
        state: CallState = CallState.PUBLISHED,
        queue: str | None = None,
        original: bool = True,
        landed: bool = False,
        person: bool = True,
        source: str = "push",
    ) -> str:
        """A call of the person, on its way as far as `state`; returns the token of its audio."""
        office, made = self.office, dataclasses.replace(call(call_id), queue=queue)
        if person:
            who = Identifiers(phone=PHONE, email=EMAIL, customer_id=CUSTOMER)
            agent, customer = made.parties
            made = dataclasses.replace(made, parties=(agent, dataclasses.replace(customer, identifiers=who)))
        with office.landing.begin() as writer:
            writer.write(f"raw audio of {call_id}, Maud Ferring speaking".encode() * 50)
            found = writer.finish()
        new = NewCall(
            call=made,
            landing=found.token,
            source=source,
            content_sha256=found.sha256,
            n_bytes=found.n_bytes,
            identities=identities_of(made, office.hasher),
        )
        office.ledger.accept(new, actor="test", now=self.clock.now())
        if original:
            self.seal(call_id)
        self.go(made, state, landed=landed)
        return found.token

    def go(self, made, state: CallState, *, landed: bool) -> None:
        """Bring a call that was received to a state."""
        ledger, now, call_id = self.office.ledger, self.clock.now(), made.call_id
        if state is CallState.RECEIVED:
            return
        claim = ledger.claim(call_id, owner="w", lease_s=60, now=now)
        if state in (CallState.DISCARDED, CallState.FAILED):
            self.office.store.put_decision(decision_key(made), b'{"call_id": "x"}')
            ledger.settle(claim, Settlement(state=state, reason="test"), now=now)
            return
        ledger.settle(claim, Settlement(state=CallState.KEPT), now=now)
        if state is CallState.KEPT:
            return
        claim = ledger.claim(call_id, owner="w", lease_s=60, now=now)
        if state is CallState.PROCESSING:
            return
        prefix = self.publish(call_id)
        ledger.settle(claim, Settlement(state=state, prefix=prefix, duration_s=60.0), now=now)
        if not landed:
            self.office.landing.shred(ledger.get(call_id).landing)
            ledger.shredded(call_id, actor="test", now=now)

    def publish(self, call_id: str) -> str:
        prefix = call_prefix(call(call_id))
        parts = [
            PublishedPart(
                part=part, body=MaskedDocument(content=f"{part} of {call_id}".encode()), media_type="x/y"
            )
            for part in Part
        ]
        until = START + timedelta(days=700)
        self.office.store.publish(
            prefix, parts, tags={"callveil-call": call_id, "callveil-hold": "no"}, retain_until=until
        )
        return prefix

    def seal(self, call_id: str) -> None:
        noise = np.random.default_rng(1).uniform(-0.5, 0.5, (800, 1)).astype(np.float32)
        with sealed(
            [CardSafeAudio(samples=noise, rate_hz=8000)],
            AudioFormat(rate_hz=8000, channels=1, codec=""),
            self.office.originals.wrapper,
            call_id=call_id,
            input_sha256="ab" * 32,
            sealed_at=START,
            expires_at=START + timedelta(days=300),
        ) as original:
            self.office.originals.store.put(original)

    def person(self) -> Sought:
        found = find_subject([(IdentifierKind.PHONE, PHONE)], (), self.office)
        return of_subject(found, (), self.office)

    def files(self) -> dict[str, bytes]:
        """Every byte of the installation."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }

    def proof(self, request_id: str) -> dict:
        return json.loads((self.folder / "erasures" / f"{request_id}.json").read_bytes())

    def state(self, call_id: str = "c-1") -> CallState:
        return self.office.ledger.get(call_id).state

    def with_recipients(self, *recipients: Recipient) -> None:
        self.office = dataclasses.replace(self.office, recipients=recipients)


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    with make_world(tmp_path / "data") as made:
        yield made


@contextmanager
def make_world(folder: Path) -> Iterator[World]:
    clock = ManualClock()
    folder.mkdir()
    clock.advance(timedelta(hours=1))
    site = Site(
        data=folder,
        ledger=SecretStr(f"sqlite:///{folder / 'ledger.sqlite3'}"),
        landing=folder / "landing",
        landing_key=folder / "landing.key",
        store=str(folder / "store"),
        broker="",
    )
    ledger, wrapper = open_ledger(site.ledger.get_secret_value()), LocalKeyWrapper(bytes(32))
    office = Office(
        config=dataclasses.replace(load_config("default"), profile=Profile()),
        site=site,
        ledger=ledger,
        books=ledger.books,
        store=LocalStore(folder / "store", clock=clock),
        originals=Originals(store=FolderOriginals(folder / "originals"), wrapper=wrapper),
        landing=LandingFolder(site.landing, wrapper),
        in_force=FixedPolicies(policies=(KEEP, DUTY)),
        hasher=SubjectKeys([bytes(range(32))]),
        signer=throw_away_signer(),
        clock=clock,
    )
    yield World(folder=folder, office=office, clock=clock)
    ledger.close()


@pytest.fixture
def another_world(tmp_path) -> Iterator[Callable[[], World]]:
    """Makes new installations, one after the other."""
    with ExitStack() as stack:
        numbers = count()
        yield lambda: stack.enter_context(make_world(tmp_path / f"data-{next(numbers)}"))
