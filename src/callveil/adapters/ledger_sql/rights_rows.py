"""Holds and requests as rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from callveil.vocabulary.retention import Hold, HoldScope
from callveil.vocabulary.rights import Identity, Request, RequestKind, RequestState


def hold_of(row: sa.Row[Any], *, n_calls: int) -> Hold:
    """A row of the table of holds."""
    return Hold(
        hold_id=row.hold_id,
        scope=HoldScope(row.scope),
        reason=row.reason,
        authority=row.authority,
        placed_by=row.placed_by,
        placed_at=row.placed_at,
        released_by=row.released_by,
        released_at=row.released_at,
        release_reason=row.release_reason,
        n_calls=n_calls,
    )


def request_of(row: sa.Row[Any], *, identities: tuple[Identity, ...], n_calls: int) -> Request:
    """A row of the table of requests."""
    return Request(
        request_id=row.request_id,
        kind=RequestKind(row.kind),
        state=RequestState(row.state),
        identities=identities,
        received_at=row.received_at,
        due_at=row.due_at,
        extension_reason=row.extension_reason,
        closed_at=row.closed_at,
        note=row.note,
        n_calls=n_calls,
    )
