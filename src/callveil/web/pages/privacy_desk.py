"""What all pages of the privacy officer share: who may, threads for slow work, whom a page is about."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

from fastapi import Depends, Form, Path, Request
from starlette.concurrency import run_in_threadpool

from callveil.errors import CallveilError, ConfigError, PrivilegeError
from callveil.kit import Office, Service
from callveil.pipeline.outlook import Sought, named, of_subject
from callveil.pipeline.subjects import Subject, find_person
from callveil.vocabulary.accounts import Session, WebRole
from callveil.web.pages.access import Access, Cookies, require
from callveil.web.pages.person_token import MOST_CHARS, Meant, seal, seal_words, unseal, unseal_words
from callveil.web.problems import ProblemError

log = logging.getLogger(__name__)

T = TypeVar("T")

_AT_ONCE = 4
"""Pages that are worked on at a time: the slow ones must not take all threads of the others."""

_BEHIND_AT_ONCE, _MOST_BEHIND = 2, 16
"""Exports and erasures that run, or wait to, behind the pages."""

PersonToken = Annotated[str, Path(alias="person", pattern=rf"^[A-Za-z0-9_-]{{1,{MOST_CHARS}}}$")]
Text = Annotated[str, Form(max_length=500)]
Once = Annotated[str, Form(pattern=r"^[A-Za-z0-9_-]{16}$")]
"""Made anew with each form, so that one that is sent twice is carried out once."""

_privacy = require(WebRole.PRIVACY)


async def officer(request: Request) -> Access:
    """Who may see the pages of the privacy officer.

    Raises:
        PrivilegeError: Another role, a machine, or somebody who sees calls of some queues only: a person's
            calls may be of any queue, and half an answer is a wrong one.
    """
    access = await _privacy(request)
    if access.user.queues:
        raise PrivilegeError(
            "a person's calls may be of any queue, and this account sees some only; an admin can change that"
        )
    return access


Officer = Annotated[Access, Depends(officer)]

OFFICERS = [Depends(officer)]
"""The same for pages that do not need to know who it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Whom a page is about, as the books know it now.

    Attributes:
        token: As in the page's address.
        subject: None when only calls were named.
        sought: All calls that are meant.
    """

    token: str
    subject: Subject | None
    sought: Sought


class PrivacyDesk:
    """Works for the pages.

    Args:
        service: For the clock and the settings of the web.
        office: What is worked with.
    """

    def __init__(self, service: Service, office: Office) -> None:
        self.office = office
        self._web = service.config.profile.web
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._behind = threading.BoundedSemaphore(_BEHIND_AT_ONCE)
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    async def do(self, work: Callable[[], T]) -> T:
        """Have slow work done in a thread.

        Raises:
            ProblemError: 503, a part of the office is not set up.
        """
        async with self._places:
            return await run_in_threadpool(self._done, work)

    def _done(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except ConfigError as error:
            raise ProblemError(503, f"A part is not set up: {error}") from None

    def behind(self, work: Callable[[], object]) -> None:
        """Have work done behind the page, after what was begun before.

        Raises:
            ProblemError: 503, much is waiting already.
        """
        thread = threading.Thread(target=self._run, args=(work,), daemon=True, name="callveil-office")
        with self._lock:
            self._threads = {each for each in self._threads if each.is_alive() or each.ident is None}
            if len(self._threads) >= _MOST_BEHIND:
                raise ProblemError(503, "Much is being worked on already. Try again in some minutes.")
            self._threads.add(thread)
        thread.start()

    def wait(self) -> None:
        """Until what runs behind the pages is done; for tests."""
        for thread in tuple(self._threads):
            thread.join()

    def _run(self, work: Callable[[], object]) -> None:
        with self._behind:
            try:
                work()
            except CallveilError as error:
                log.error("work behind a page has failed", extra={"error": error.code})
            except Exception as error:  # noqa: BLE001  it would end in nowhere
                log.error("work behind a page has failed", extra={"error": type(error).__name__})

    def seal(self, meant: Meant, request: Request) -> str:
        """See `person_token.seal`."""
        return seal(meant, self._session(request), now=self.office.clock.now())

    def find(self, token: str, request: Request) -> Found:
        """Look for whom a page is about.

        Raises:
            ProblemError: 404, the token is not of this session, or too old.
            NotFoundError: A named call is not there.
            ConfigError: There are no subject keys.
        """
        meant = unseal(token, self._session(request), now=self.office.clock.now())
        if meant.person is None:
            return Found(token=token, subject=None, sought=named(meant.call_ids, self.office))
        subject = find_person(meant.person, (), self.office)
        return Found(token=token, subject=subject, sought=of_subject(subject, meant.call_ids, self.office))

    def meant(self, token: str, request: Request) -> Meant:
        """See `person_token.unseal`."""
        return unseal(token, self._session(request), now=self.office.clock.now())

    def seal_words(self, words: str, request: Request) -> str:
        """See `person_token.seal_words`."""
        return seal_words(words, self._session(request))

    def unseal_words(self, token: str, request: Request) -> str:
        """See `person_token.unseal_words`."""
        return unseal_words(token, self._session(request))

    def note(self, access: Access, action: str, call_id: str | None = None, **detail: str | int) -> None:
        """Write into the audit chain what has no entry of its own."""
        office = self.office
        office.ledger.note(
            actor=access.actor, action=action, call_id=call_id, detail=detail, now=office.clock.now()
        )

    def _session(self, request: Request) -> str:
        token = Cookies(request, self._web).session
        if token is None:  # only browsers get here
            raise PrivilegeError("this page is for people")
        return token


def session_of(access: Access) -> Session:
    """The session of a browser.

    Raises:
        PrivilegeError: A machine asks.
    """
    if access.session is None:
        raise PrivilegeError("this page is for people")
    return access.session


def new_once() -> str:
    """For the field of `Once`."""
    return secrets.token_urlsafe(12)


def request_id_of(once: str, access: Access) -> str:
    """The id of the request that a form enters, however often it is sent."""
    content = f"{session_of(access).digest}\n{once}"
    return f"req-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def reason_of(text: str) -> str:
    """A reason that somebody typed.

    Raises:
        ProblemError: 422.
    """
    reason = text.strip()
    if not 1 <= len(reason) <= 500 or not reason.isprintable():
        raise ProblemError(
            422, "Say why, in 1 to 500 characters on one line, without personal data of callers."
        )
    return reason


def received_of(text: str, now: datetime) -> datetime | None:
    """When a request came, from the day that somebody chose; None for now.

    Args:
        text: A day, or with scripts its first moment in the viewer's zone.
        now: Aware UTC.

    Raises:
        ProblemError: 422.
    """
    if not text:
        return None
    try:
        begin = moment_of(text)
    except ValueError:
        raise ProblemError(422, "Day it came: is no day.") from None
    if not now - timedelta(days=3660) <= begin <= now + timedelta(hours=14):
        raise ProblemError(422, "Day it came: lies in the future, or more than ten years back.")
    return min(begin, now)  # where it is tomorrow already, today


def moment_of(text: str) -> datetime:
    """A moment out of a form: with scripts in UTC; without them what was typed counts as UTC.

    Raises:
        ValueError: It is none.
    """
    found = datetime.fromisoformat(text)
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError from None
