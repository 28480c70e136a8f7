"""Transcripts that are published and not in the search index are read from the store and put there."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace

from callveil.errors import CallveilError, LedgerError, NotFoundError
from callveil.kit import Office
from callveil.stages.documents.transcript import transcript_turns
from callveil.vocabulary.recording import Part
from callveil.vocabulary.search import Unindexed
from callveil.vocabulary.transcript import MaskedTurn

log = logging.getLogger(__name__)

_PAGE = 200
_MOST_FAILURES = 10
"""Failures in a row after which it stops: the store is gone, not a transcript."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reindexed:
    """What was done.

    Attributes:
        indexed: Calls whose transcript is searched now.
        missing: Calls without a transcript that can be read; they are found by everything else.
        changed: Calls that changed meanwhile; they are looked at again by the next run.
        failed: Calls whose store failed; the next run tries again.
    """

    indexed: int = 0
    missing: int = 0
    changed: int = 0
    failed: int = 0

    @property
    def numbers(self) -> dict[str, int]:
        """All of it by name."""
        return asdict(self)


def reindex(office: Office, *, limit: int | None = None, every: bool = False) -> Reindexed:
    """Take what is owed to the index into it. It can be killed anywhere: the next run goes on.

    Args:
        office: For ledger and store.
        limit: At most so many calls; None for all.
        every: Empty the index before, so that everything is owed.

    Raises:
        LedgerError: The ledger failed.
    """
    search, found, seen, failures = office.ledger.search, Reindexed(), 0, 0
    if every:
        search.forget_index()
    after: str | None = None
    while page := search.unindexed(after=after, limit=min(_PAGE, limit or _PAGE)):
        for owed in page:
            what = _take(owed, office)
            found = replace(found, **{what: getattr(found, what) + 1})
            seen, failures = seen + 1, failures + 1 if what == "failed" else 0
            if failures >= _MOST_FAILURES or seen == limit:
                return found
        after = page[-1].call_id
    return found


def _take(owed: Unindexed, office: Office) -> str:
    turns: tuple[MaskedTurn, ...] = ()
    what = "indexed"
    try:
        turns = transcript_turns(office.store.get(owed.prefix + Part.TRANSCRIPT))
    except (NotFoundError, ValueError):
        what = "missing"  # nothing was said, for the index: it is not looked for again and again
    except LedgerError:
        raise
    except CallveilError as error:
        log.warning("a transcript cannot be read", extra={"call_id": owed.call_id, "error": error.code})
        return "failed"
    return what if office.ledger.search.index(owed.call_id, turns, as_of=owed.updated_at) else "changed"
