"""Calls come in, whole or live, and their answers to consent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import (
    audit_chain,
    consent_rows,
    outbox,
    search_rows,
    subject_index,
    subject_lock,
)
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_rows import (
    call_from_json,
    call_to_json,
    dump,
    ledger_call,
    without_identifiers,
)
from callveil.adapters.ledger_sql.call_state import change, enter, find, owe_again, read
from callveil.adapters.ledger_sql.holds import hold_arriving
from callveil.adapters.ledger_sql.retention_columns import columns_of, end_of
from callveil.adapters.ledger_sql.tables import OUTSIDE, calls
from callveil.errors import RefusedError
from callveil.stages.consent_history import fold_answers
from callveil.vocabulary.consent import ConsentRecord
from callveil.vocabulary.ledger import TRANSITIONS, CallState, LedgerCall, NewCall, Settlement

_DECIDED_ANEW = frozenset(CallState) - {CallState.PROCESSING, CallState.DISCARDED, CallState.ERASED}


def accept(connection: sa.Connection, new: NewCall, *, actor: str, now: datetime) -> tuple[LedgerCall, bool]:
    """See `Ledger.accept`."""
    key = None if new.idempotency_key is None else hashlib.sha256(new.idempotency_key.encode()).hexdigest()
    found = _present(connection, new, key)
    if found is not None:
        # The same landing: the caller asks again for what it brought itself, so it is not to throw it away.
        return ledger_call(found), found.landing == new.landing
    if new.identities:
        subject_lock.share(connection)
    _insert(connection, new, key, now)
    call_id = new.call.call_id
    consent_rows.add(connection, call_id, new.call.consent, actor=actor, now=now)
    subject_index.add(connection, new.call, new.identities)
    event = outbox.owe(
        connection,
        call_id=call_id,
        state=CallState.RECEIVED,
        prefix=None,
        error_code=None,
        due_at=now,
        now=now,
    )
    change(connection, call_id, last_event=event)
    detail = {"source": new.source, "content_sha256": new.content_sha256, "n_bytes": new.n_bytes}
    audit_chain.append(
        connection, actor=actor, action=Action.RECEIVED, call_id=call_id, detail=detail, now=now
    )
    hold_arriving(connection, call_id, new.identities, actor=actor, now=now)
    return read(connection, call_id), True


def _present(connection: sa.Connection, new: NewCall, key: str | None) -> sa.Row[Any] | None:
    """The call that `new` is, when it is there already.

    Raises:
        RefusedError: Its id or its key stands for something else. A live call is never the same as another:
            nobody can tell before all of it is there.
    """
    by_id = connection.execute(sa.select(calls).where(calls.c.call_id == new.call.call_id)).one_or_none()
    by_key = None
    if key is not None:
        by_key = connection.execute(sa.select(calls).where(calls.c.idempotency_sha256 == key)).one_or_none()
    if by_id is not None and by_key is not None and by_id.call_id != by_key.call_id:
        raise RefusedError("the idempotency key stands for another call")
    for found in (by_id, by_key):
        if found is not None and found.state == CallState.ERASED:
            raise RefusedError(f"call {found.call_id}: was erased; it is not taken in again")
    if by_id is not None and by_id.source == OUTSIDE:
        raise RefusedError(f"call {by_id.call_id}: was processed outside of the service")
    for found, what in ((by_id, "call id"), (by_key, "idempotency key")):
        if found is None or found.landing == new.landing:
            continue
        if new.content_sha256 is None:
            raise RefusedError(f"the {what} stands for a call that is there already")
        if found.content_sha256 != new.content_sha256:
            raise RefusedError(f"the {what} stands for another recording")
    return by_id if by_id is not None else by_key


def _is_outside(row: sa.Row[Any]) -> bool:
    return bool(row.source == OUTSIDE)


def enlist(connection: sa.Connection, new: NewCall, *, actor: str, now: datetime) -> LedgerCall:
    """See `Ledger.enlist`."""
    call_id = new.call.call_id
    if new.identities:
        subject_lock.share(connection)
    query = sa.select(calls).where(calls.c.call_id == call_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        _insert(connection, new, None, now)
        consent_rows.add(connection, call_id, new.call.consent, actor=OUTSIDE, now=now)
    elif row.state == CallState.ERASED:
        raise RefusedError(f"call {call_id}: was erased; it is not taken in again")
    elif row.landing is not None or not _is_outside(row):
        raise RefusedError(f"call {call_id}: the service has this call")
    else:
        _enlist_again(connection, row, new, now=now)
    subject_index.replace(connection, new.call, new.identities)
    detail = {"source": new.source, "content_sha256": new.content_sha256, "n_bytes": new.n_bytes}
    audit_chain.append(
        connection, actor=actor, action=Action.ENLISTED, call_id=call_id, detail=detail, now=now
    )
    hold_arriving(connection, call_id, new.identities, actor=actor, now=now)
    return read(connection, call_id)


def _enlist_again(connection: sa.Connection, row: sa.Row[Any], new: NewCall, *, now: datetime) -> None:
    """Metadata becomes the new one's; answers that somebody brought since stay in force, whatever it says."""
    history = consent_rows.history(connection, row.call_id)
    told = [record for _, who, record in history if who == OUTSIDE]
    later = [record for _, who, record in history if who != OUTSIDE]
    unheard = [record for record in new.call.consent if record not in told]
    consent_rows.add(connection, row.call_id, unheard, actor=OUTSIDE, now=now)
    call = replace(new.call, consent=fold_answers(new.call.consent, later))
    change(
        connection,
        row.call_id,
        call=call_to_json(without_identifiers(call)),
        content_sha256=new.content_sha256,
        n_bytes=new.n_bytes,
        updated_at=now,
        # Whoever corrects what is published of it has worked in vain.
        fence=row.fence + 1,
        lease_owner=None,
        lease_until=None,
        **columns_of(connection, call, row.duration_s),
    )


def record(
    connection: sa.Connection, call_id: str, result: Settlement, *, actor: str, now: datetime
) -> LedgerCall:
    """See `Ledger.record`."""
    row = find(connection, call_id, lock=True)
    if row.state == CallState.ERASED:
        raise RefusedError(f"call {call_id}: was erased meanwhile")
    if result.state not in TRANSITIONS[CallState.PROCESSING] or result.state is CallState.ERASED:
        raise ValueError(f"a call is not recorded as {result.state}")
    values: dict[str, Any] = {}
    if result.state in (CallState.PUBLISHED, CallState.DISCARDED):
        values = {
            "prefix": result.prefix,
            "keep_until_s": result.keep_until_s,
            "duration_s": result.duration_s if result.duration_s is not None else row.duration_s,
            "masked_s": dump(dict(result.masked_s)) if result.masked_s else row.masked_s,
            "gone": "" if result.duration_s is not None else row.gone,
            # Whatever the store had is gone or replaced: reconcile puts the hold on anew.
            "store_hold": False if result.duration_s is not None else row.store_hold,
        }
        values |= end_of(call_from_json(row.call), values["duration_s"])
        masked_s = json.loads(values["masked_s"])
        values |= search_rows.length_columns(values["duration_s"], masked_s)
        search_rows.set_kinds(connection, call_id, row.started_at, tuple(masked_s))
    change(
        connection,
        call_id,
        state=result.state.value,
        reason=result.reason,
        error_code=result.error_code,
        hold_until=result.hold_until if result.state is CallState.HELD else None,
        waiting_since=None,
        lease_owner=None,
        lease_until=None,
        updated_at=now,
        **values,
    )
    search_rows.settled(connection, call_id, result.turns)
    detail = {"state": result.state.value, "error_code": result.error_code, "prefix": result.prefix}
    audit_chain.append(
        connection, actor=actor, action=Action.RECORDED, call_id=call_id, detail=detail, now=now
    )
    return read(connection, call_id)


def _insert(connection: sa.Connection, new: NewCall, key: str | None, now: datetime) -> None:
    is_arriving = new.content_sha256 is None and new.source != OUTSIDE
    arrived_at = None if is_arriving else now
    connection.execute(
        sa.insert(calls).values(
            call_id=new.call.call_id,
            call=call_to_json(without_identifiers(new.call)),
            state=CallState.RECEIVED.value,
            reason="",
            source=new.source,
            landing=new.landing,
            stream=new.stream,
            content_sha256=new.content_sha256,
            n_bytes=new.n_bytes,
            incomplete=False,
            idempotency_sha256=key,
            masked_s="{}",
            attempts=0,
            consent_version=0,
            received_at=now,
            arrived_at=arrived_at,
            heartbeat_at=now,
            updated_at=now,
            waiting_since=None if new.landing is None else arrived_at,
            fence=0,
            **columns_of(connection, new.call, None),
        )
    )


def heartbeat(connection: sa.Connection, call_ids: Sequence[str], *, now: datetime) -> None:
    """See `Ledger.heartbeat`."""
    for start in range(0, len(call_ids), outbox.BATCH):
        ids = list(call_ids[start : start + outbox.BATCH])
        outbox.lock_calls(connection, ids)
        connection.execute(
            sa.update(calls)
            .where(calls.c.call_id.in_(ids), calls.c.arrived_at.is_(None))
            .values(heartbeat_at=now)
        )


def arrived(
    connection: sa.Connection,
    call_id: str,
    *,
    content_sha256: str,
    n_bytes: int,
    incomplete: bool,
    actor: str,
    now: datetime,
) -> None:
    """See `Ledger.arrived`."""
    row = find(connection, call_id, lock=True)
    if row.arrived_at is not None:
        return
    if row.state == CallState.ERASED:
        return  # what its receiver leaves in the landing belongs to no call, and is shredded as such
    waits = row.state in (CallState.RECEIVED, CallState.KEPT, CallState.PROCESSING)
    change(
        connection,
        call_id,
        content_sha256=content_sha256,
        n_bytes=n_bytes,
        incomplete=incomplete,
        arrived_at=now,
        updated_at=now,
        waiting_since=now if waits else None,
        not_before=None,
    )
    if row.state in (CallState.RECEIVED, CallState.KEPT):
        owe_again(connection, row, now=now)
    detail: audit_chain.Detail = {
        "content_sha256": content_sha256,
        "n_bytes": n_bytes,
        "incomplete": incomplete,
    }
    audit_chain.append(
        connection, actor=actor, action=Action.ARRIVED, call_id=call_id, detail=detail, now=now
    )


def record_consent(
    connection: sa.Connection, call_id: str, records: Sequence[ConsentRecord], *, actor: str, now: datetime
) -> LedgerCall:
    """See `Ledger.record_consent`."""
    row = find(connection, call_id, lock=True)
    if row.state == CallState.ERASED:
        raise RefusedError(f"call {call_id}: was erased")
    if not records:
        return ledger_call(row)
    consent_rows.add(connection, call_id, records, actor=actor, now=now)
    call = call_from_json(row.call)
    standing = fold_answers(call.consent, records)
    version = row.consent_version + 1
    answers = {
        "call": consent_rows.with_consent(row.call, standing),
        "consent_version": version,
        **columns_of(connection, replace(call, consent=standing), row.duration_s),
    }
    if row.state in _DECIDED_ANEW and not _is_outside(row):
        # A worker that decides at this moment keeps its claim; what it settles is decided anew.
        lease = {"lease_owner": row.lease_owner, "lease_until": row.lease_until}
        enter(connection, row, CallState.RECEIVED, now=now, **answers, **lease)
    else:
        change(connection, call_id, **answers, updated_at=now)
    detail = {"answers": len(records), "version": version}
    audit_chain.append(
        connection, actor=actor, action=Action.CONSENT, call_id=call_id, detail=detail, now=now
    )
    return read(connection, call_id)
