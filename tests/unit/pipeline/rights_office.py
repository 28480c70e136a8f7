"""An office for tests: a memory store, and a ledger and books that hold what a test puts in."""

import hashlib
import io
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import soundfile

from callveil.errors import NotFoundError
from callveil.ports.books import SweptCall
from callveil.stages.documents.captions import captions_vtt
from callveil.stages.documents.certificate import (
    AudioFacts,
    CertificateFacts,
    EngineUsed,
    certificate_json,
)
from callveil.stages.documents.transcript import transcript_json
from callveil.stages.documents.vcon import VconFacts, vcon_json
from callveil.stages.mask_audio import AudioStyle
from callveil.stages.mask_text import TextStyle
from callveil.stages.plan_masks import MaskPlan
from callveil.testing import CLEAN, START, ManualClock, MemoryStore, throw_away_signer, tone
from callveil.testing import call as make_call
from callveil.vocabulary.consent import Action, ConsentDecision
from callveil.vocabulary.ledger import CallState, LedgerCall
from callveil.vocabulary.pii import Entity, MaskSpan
from callveil.vocabulary.recording import MaskedFile, Part, PublishedPart
from callveil.vocabulary.retention import CallFacts, CallTraits, KeptPart, Period, Policy
from callveil.vocabulary.rights import RequestState
from callveil.vocabulary.transcript import MaskedTurn, MaskedWord

KEEP = ConsentDecision(action=Action.KEEP, rule="all_party", reason="Every party agreed.")
CARD = MaskSpan(channel=1, start_s=1.0, end_s=2.5, entity=Entity.CREDIT_CARD, detector="spoken", score=0.9)
TURNS = (
    MaskedTurn(
        speaker="agent", channel=0, start_s=0.1, end_s=0.9,
        words=(MaskedWord(text="Your card, please?", start_s=0.1, end_s=0.9, entity=None),),
    ),
    MaskedTurn(
        speaker="customer", channel=1, start_s=1.0, end_s=3.0,
        words=(
            MaskedWord(text="It's", start_s=0.9, end_s=1.0, entity=None),
            MaskedWord(text="[CREDIT_CARD]", start_s=1.0, end_s=2.5, entity="CREDIT_CARD"),
            MaskedWord(text="thanks.", start_s=2.6, end_s=3.0, entity=None),
        ),
    ),
)  # fmt: skip
POLICY = Policy(
    name="standard",
    keep={part: Period(months=12) for part in KeptPart},
    law="our contract",
)


class FakeLedger:
    """The methods of a ledger that documents need."""

    def __init__(self):
        self.all, self.notes, self.history = {}, [], {}

    def get(self, call_id):
        if call_id not in self.all:
            raise NotFoundError("no such call")
        return self.all[call_id]

    def calls(self, *, state=None, after=None, limit=100):
        ids = sorted(i for i in self.all if after is None or i > after)
        found = [self.all[i] for i in ids if state is None or self.all[i].state is state]
        return tuple(found[:limit])

    def consent_history(self, call_id):
        return tuple(self.history.get(call_id, ()))

    def note(self, **entry):
        self.notes.append(entry)

    def counts(self, *, now):
        by_state = {}
        for call in self.all.values():
            by_state[call.state] = by_state.get(call.state, 0) + 1
        return SimpleNamespace(by_state=by_state)


class FakeRequests:
    """A register in memory."""

    def __init__(self):
        self.all, self.items_seen = {}, []

    def open(self, request, items, *, actor, now):
        self.all[request.request_id] = request
        self.items_seen += items
        return request

    def requests(self, *, kind=None, states=()):
        return tuple(
            r for r in self.all.values() if kind in (None, r.kind) and (not states or r.state in states)
        )

    def change(self, request_id, *, actor, now, state=None, note=None, forget_identities=False):
        old = self.all[request_id]
        self.all[request_id] = replace(
            old,
            state=state or old.state,
            closed_at=now if state is RequestState.DONE else None,
            note=note if note is not None else old.note,
            identities=() if forget_identities else old.identities,
        )
        return self.all[request_id]


class FakeOffice:
    """What documents use of an office."""

    def __init__(self, folder):
        self.folder = folder
        self.ledger, self.store, self.clock = FakeLedger(), MemoryStore(), ManualClock()
        self.sightings, self.holds, self.restricted, self.gone = [], {}, {}, {}
        self.books = SimpleNamespace(
            requests=FakeRequests(),
            removals=SimpleNamespace(swept=self._swept),
            subjects=SimpleNamespace(beside=self._beside),
        )
        self.originals = self.landing = None
        self.policies, self.recipients = (POLICY,), ()
        controller = SimpleNamespace(name="", address="", contact="", officer="", authority="", notice="")
        self.config = SimpleNamespace(profile=SimpleNamespace(controller=controller))

    def _swept(self, call_id):
        call = self.ledger.get(call_id)
        facts = CallFacts(
            call_id=call_id,
            traits=CallTraits(outcome=call.state.value, queue=call.call.queue),
            ended_at=call.call.started_at + timedelta(seconds=call.duration_s or 0),
        )
        return SweptCall(
            facts=facts,
            holds=tuple(self.holds.get(call_id, ())),
            requests=(),
            restricted=self.restricted.get(call_id),
        )

    def _beside(self, call_ids):
        return tuple(s for s in self.sightings if s.call_id in call_ids)

    def add(self, call_id="c-1", *, state=CallState.PUBLISHED, call=None, parts=None, seconds=4.0, **changes):
        """Put a call in; a published one into the store as well."""
        call = call or replace(make_call(call_id), queue="billing")
        prefix = f"calls/{call.started_at:%Y/%m/%d}/{call_id}/" if state is CallState.PUBLISHED else None
        if prefix:
            self.publish(prefix, call, seconds, parts)
        fields = {
            "call": call, "state": state, "reason": "", "error_code": None, "source": "push",
            "landing": None, "stream": None, "content_sha256": "ab" * 32, "n_bytes": 10,
            "incomplete": False, "prefix": prefix, "keep_until_s": None, "hold_until": None,
            "duration_s": seconds if prefix else None, "attempts": 1, "consent_version": 1,
            "masked_s": {"CREDIT_CARD": 1.5, "CARD_SECURITY_CODE": 0.4} if prefix else {},
            "received_at": call.started_at, "arrived_at": call.started_at, "updated_at": call.started_at,
        }  # fmt: skip
        self.ledger.all[call_id] = LedgerCall(**{**fields, **changes})
        self.ledger.history.setdefault(call_id, [(call.started_at, "key:k", r) for r in call.consent])
        return self.ledger.all[call_id]

    def publish(self, prefix, call, seconds, only=None):
        sound = io.BytesIO()
        soundfile.write(sound, tone(seconds, rate_hz=8000, channels=2).samples, 8000, format="FLAC")
        path = self.folder / f"{call.call_id}.flac"
        path.write_bytes(sound.getvalue())
        body = MaskedFile(
            path=path, sha256=hashlib.sha256(sound.getvalue()).hexdigest(), n_bytes=len(sound.getvalue())
        )
        audio = AudioFacts(rate_hz=8000, channels=2, n_samples=round(8000 * seconds))
        vcon = VconFacts(
            call=call, input_sha256="ab" * 32, turns=TURNS, audio=audio, audio_sha512="cd" * 64,
            created_at=START,
        )  # fmt: skip
        documents = {
            Part.TRANSCRIPT: transcript_json(call_id=call.call_id, language="en", turns=TURNS),
            Part.CAPTIONS: captions_vtt(TURNS),
            Part.VCON: vcon_json(vcon),
        }
        parts = [PublishedPart(part=Part.AUDIO, body=body, media_type="audio/flac")]
        parts += [PublishedPart(part=p, body=b, media_type="text/plain") for p, b in documents.items()]
        parts = [part for part in parts if only is None or part.part in only]
        facts = CertificateFacts(
            call_id=call.call_id, started_at=call.started_at, tool_version="0.1.0", profile="default",
            input_sha256="ab" * 32, outputs=parts, audio=audio, decision=KEEP,
            engines=(
                EngineUsed(role="transcriber", name="engine/model-x"),
                EngineUsed(role="listener", name="engine/model-y"),
            ),
            masked=(CARD,), plan=MaskPlan(), audio_style=AudioStyle.SILENCE, text_style=TextStyle.ENTITY,
            timings_s={}, created_at=START, verification=CLEAN,
        )  # fmt: skip
        certificate = certificate_json(facts, throw_away_signer())
        parts.append(PublishedPart(part=Part.CERTIFICATE, body=certificate, media_type="application/json"))
        self.store.publish(prefix, parts, tags={"callveil-call": call.call_id}, retain_until=None)
