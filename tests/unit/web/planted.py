"""Calls of a person, as the service would have them, without anybody who hears them."""

import dataclasses
import json

from callveil.rights.identifiers import identities_of
from callveil.stages.retention_tags import call_prefix
from callveil.testing import call
from callveil.vocabulary.call import Identifiers
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart

PHONE, EMAIL = "+442079460018", "maud.ferring@example.org"

DOCUMENT = json.dumps(
    {
        "turns": [],
        "masked_spans": [],
        "engines": [],
        "verify": {"result": "clean"},
        "tool": {"version": "0"},
        "profile": "default",
    }
).encode()
"""Enough of a transcript and a certificate for an export."""


def plant(service, call_id, *, published=True, email=EMAIL):
    """A call of the person."""
    agent, customer = call(call_id).parties
    customer = dataclasses.replace(customer, identifiers=Identifiers(phone=PHONE, email=email))
    made = dataclasses.replace(call(call_id), parties=(agent, customer))
    with service.landing.begin() as writer:
        writer.write(call_id.encode() * 50)
        found = writer.finish()
    new = NewCall(
        call=made, landing=found.token, source="push", content_sha256=found.sha256, n_bytes=found.n_bytes,
        identities=identities_of(made, service.hasher),
    )  # fmt: skip
    ledger, now = service.ledger, service.clock.now()
    ledger.accept(new, actor="test", now=now)
    if not published:
        return
    claim = ledger.claim(call_id, owner="w", lease_s=60, now=now)
    ledger.settle(claim, Settlement(state=CallState.KEPT), now=now)
    claim = ledger.claim(call_id, owner="w", lease_s=60, now=now)
    parts = [
        PublishedPart(part=part, body=MaskedDocument(content=DOCUMENT), media_type="x/y") for part in Part
    ]
    tags = {"callveil-call": call_id, "callveil-hold": "no", "callveil-restricted": "no"}
    service.store.publish(call_prefix(made), parts, tags=tags, retain_until=None)
    settled = Settlement(state=CallState.PUBLISHED, prefix=call_prefix(made), duration_s=60.0)
    ledger.settle(claim, settled, now=now)
    service.landing.shred(found.token)
    ledger.shredded(call_id, actor="test", now=now)
