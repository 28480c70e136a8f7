"""Try out what Callveil relies on: a scratch call goes the whole way through a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from callveil.errors import CallveilError, NotFoundError, RefusedError
from callveil.ports import ObjectStore
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart

LOCKED_FOR = timedelta(minutes=20)
"""How long scratch objects are locked: what cannot be cleaned up can be after that."""

_CALL = "calls/2000/01/01/callveil-check/"
_RECORD = "decisions/2000/01/01/callveil-check.json"
_TAGS = {"callveil-call": "callveil-check", "callveil-retention": "callveil-check", "callveil-hold": "no"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One thing that was tried.

    Attributes:
        name: What, in a few words.
        needed: Callveil cannot do its work without it.
        works: It does.
        problem: What went wrong; empty when it works.
        without: What Callveil does when it is not there; empty where there is nothing it could do.
    """

    name: str
    needed: bool
    works: bool
    problem: str = ""
    without: str = ""


def tried(name: str, action: Callable[[], str | None], *, needed: bool = True, without: str = "") -> Trial:
    """Try one thing.

    Args:
        name: See `Trial`.
        action: Returns what is wrong, None when nothing is; an error of ours is wrong too.
        needed: See `Trial`.
        without: See `Trial`.
    """
    try:
        problem = action() or ""
    except CallveilError as error:
        problem = str(error)
    return Trial(name=name, needed=needed, works=not problem, problem=problem, without=without)


def must_refuse(action: Callable[[], object], otherwise: str) -> str | None:
    """What is wrong when an action is not refused."""
    try:
        action()
    except RefusedError:
        return None
    return otherwise


def try_store(store: ObjectStore, *, can_hold: bool) -> Iterator[Trial]:
    """Send a call the whole way through a store that holds nothing else, and leave nothing there.

    Args:
        store: Empty.
        can_hold: It enforces legal holds.
    """
    trials = _StoreTrials(store)
    try:
        yield tried("a call is stored whole and reads back as it was", trials.publish)
        yield tried("tags change while a call is locked", trials.restrict)
        yield tried("a call is not deleted before its date", trials.refuse)
        yield tried("the date of a call moves both ways", trials.move)
        if can_hold:
            yield tried("a legal hold stops every deletion, and can be lifted", trials.hold)
        yield tried("a part is deleted and its call stays", trials.delete_part)
        yield tried("a deleted call leaves nothing behind", trials.delete)
        yield tried("a decision record is replaced and deleted, with all its versions", trials.decide)
    finally:
        trials.clean_up()


class _StoreTrials:
    """Each method goes on where the one before it ended."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def publish(self) -> str | None:
        parts = [
            PublishedPart(part=part, body=MaskedDocument(content=_content(part)), media_type="text/plain")
            for part in Part
        ]
        self._store.publish(_CALL, parts, tags=_TAGS, retain_until=_soon(), replace=True)
        if list(self._store.list_calls()) != [_CALL]:
            return "the call is not listed"
        for part in Part:
            if self._store.get(_CALL + part) != _content(part):
                return "an object reads back otherwise than it was stored"
            if self._store.tags(_CALL + part) != {**_TAGS, "callveil-part": part.value}:
                return "an object has other tags than it was stored with"
        return None

    def restrict(self) -> str | None:
        self._store.set_tags(_CALL, {"callveil-restricted": "yes"})
        tags = self._store.tags(_CALL + Part.AUDIO)
        expected = {**_TAGS, "callveil-part": "audio.flac", "callveil-restricted": "yes"}
        return None if tags == expected else "the tags are not those that were set"

    def refuse(self) -> str | None:
        if not self._store.count_versions(_CALL):
            return "there is no call to try it with"
        return must_refuse(lambda: self._store.delete_call(_CALL), "the call was deleted before its date")

    def move(self) -> str | None:
        for later in (2, 0.5):
            date = _soon(later).replace(microsecond=0)
            self._store.set_retention(_CALL, date)
            if self._store.retention(_CALL) != date:
                return "the date is not the one that was set"
        return None

    def hold(self) -> str | None:
        self._store.set_legal_hold(_CALL, True)
        if not self._store.legal_hold(_CALL):
            return "the hold that was placed is not there"
        problem = must_refuse(
            lambda: self._store.delete_call(_CALL, bypass_governance=True), "a call under hold was deleted"
        )
        self._store.set_legal_hold(_CALL, False)
        return problem or ("the hold was not lifted" if self._store.legal_hold(_CALL) else None)

    def delete_part(self) -> str | None:
        self._store.delete_parts(_CALL, [Part.AUDIO], bypass_governance=True)
        try:
            self._store.get(_CALL + Part.AUDIO)
        except NotFoundError:
            said = self._store.tags(_CALL + Part.CERTIFICATE).get("callveil-removed")
            return None if said == Part.AUDIO else "the call does not say which part was deleted"
        return "the part is still there"

    def delete(self) -> str | None:
        self._store.delete_call(_CALL, bypass_governance=True)
        left = self._store.count_versions(_CALL)
        return f"{left} versions of its objects are still there" if left else None

    def decide(self) -> str | None:
        for content in (b"{}", b"[]"):
            self._store.put_decision(_RECORD, content)
        if self._store.get(_RECORD) != b"[]" or self._store.count_versions(_RECORD) != 1:
            return "an earlier version is still there"
        self._store.delete_decision(_RECORD)
        left = self._store.count_versions(_RECORD)
        return f"{left} versions of it are still there" if left else None

    def clean_up(self) -> None:
        for action in (
            lambda: self._store.set_legal_hold(_CALL, False),
            lambda: self._store.delete_call(_CALL, bypass_governance=True),
            lambda: self._store.delete_decision(_RECORD),
        ):
            with suppress(CallveilError):
                action()


def _content(part: Part) -> bytes:
    return f"{part} of callveil store check".encode()


def _soon(times: float = 1.0) -> datetime:
    return datetime.now(UTC) + times * LOCKED_FOR
