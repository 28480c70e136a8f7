"""What a form says about a legal hold: on which calls, why, and who demands it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from starlette.datastructures import FormData

from callveil.errors import MetadataError, NotFoundError, PrivilegeError
from callveil.kit import Office
from callveil.pipeline.holds import HoldQuery, how_many, matching
from callveil.pipeline.outlook import Sought, named, of_subject
from callveil.pipeline.subjects import Linked, Subject, note_search
from callveil.rights.identifiers import MOST_IDENTIFIERS
from callveil.vocabulary.retention import HoldScope
from callveil.vocabulary.rights import IdentifierKind
from callveil.web.office_bodies import IdentifiersBody
from callveil.web.office_person import find, identifiers_of
from callveil.web.pages.access import Access

FIELDS = ("calls", "phone", "email", "customer_id", "region", "queue", "agent", "since", "until")
_MOST = 1000
_LONGEST = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldForm:
    """As it was sent.

    Attributes:
        scope: What it is placed on.
        values: Name of a field to what was typed.
        linked: Short ids of identifiers that are the same person's too.
        reason: Why.
        authority: Who demands it.
    """

    scope: HoldScope
    values: Mapping[str, str]
    linked: tuple[str, ...] = ()
    reason: str = ""
    authority: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """The calls that a form means.

    Attributes:
        n_calls: How many.
        more: There are more than that.
        first: Ids of the first of them.
        linked: Who else the person may be; empty for other holds.
    """

    n_calls: int
    more: bool
    first: tuple[str, ...]
    linked: tuple[Linked, ...] = ()


def read_hold_form(given: FormData) -> HoldForm:
    """Read it.

    Raises:
        MetadataError: A field is missing, or its value is not allowed.
    """

    def text(name: str) -> str:
        value = given.get(name, "")
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise MetadataError(f"{name}: is too long")
        return value.strip()

    if text("scope") not in set(HoldScope):
        raise MetadataError("scope: allowed: call, subject, query")
    reason, authority = text("reason"), text("authority")
    for name, words in (("reason", reason), ("authority", authority)):
        if not 1 <= len(words) <= 500 or not words.isprintable():
            raise MetadataError(f"{name}: allowed: 1 to 500 characters on one line")
    return HoldForm(
        scope=HoldScope(text("scope")),
        values={name: text(name) for name in FIELDS},
        linked=tuple(each for each in given.getlist("linked") if isinstance(each, str))[:50],
        reason=reason,
        authority=authority,
    )


def look_up(form: HoldForm, access: Access, office: Office) -> Meant:
    """How many calls it means, before anything is placed.

    Raises:
        MetadataError: It names nothing, or an identifier is wrong.
        NotFoundError: A named call is not there, or not the asker's to see.
        PrivilegeError: It concerns queues that are not the asker's.
    """
    if form.scope is HoldScope.QUERY:
        query = _query(form, access)
        counted = how_many(query, office.ledger)
        first = office.ledger.search.page(query.wanted, within=None, limit=10).calls
        ids = tuple(call.call_id for call in first)
        return Meant(n_calls=counted.n_calls, more=counted.more, first=ids)
    linked: tuple[Linked, ...] = ()
    if form.scope is HoldScope.SUBJECT:
        found, wanted = _person(form, access, office)
        note_search(found, (kind for kind, _ in wanted), len(form.linked), office, actor=access.actor)
        ids, linked = found.call_ids, found.linked
    else:
        ids = _named(form, access, office).call_ids
    return Meant(n_calls=len(ids), more=False, first=ids[:10], linked=linked)


def sought(form: HoldForm, access: Access, office: Office) -> Sought:
    """The calls that it means; raises as `look_up` does."""
    if form.scope is HoldScope.QUERY:
        return Sought(call_ids=tuple(matching(_query(form, access), office.ledger)))
    if form.scope is HoldScope.SUBJECT:
        return of_subject(_person(form, access, office)[0], (), office)
    return _named(form, access, office)


def check_sees_all(access: Access) -> None:
    """A person, or a hold that others placed, may be in calls of any queue.

    Raises:
        PrivilegeError: The user sees some queues only.
    """
    if access.user.queues:
        raise PrivilegeError("this concerns the calls of all queues, and your account is for some only")


def _named(form: HoldForm, access: Access, office: Office) -> Sought:
    ids = tuple(dict.fromkeys(form.values["calls"].split()))
    if not 1 <= len(ids) <= _MOST:
        raise MetadataError(f"calls: allowed: 1 to {_MOST:,} ids of calls")
    within = access.user.queues or None
    if not all(len(each) <= 128 and office.ledger.search.may_see(each, within=within) for each in ids):
        raise NotFoundError("one of these calls is not there; no hold is placed")
    return named(ids, office)


def _person(
    form: HoldForm, access: Access, office: Office
) -> tuple[Subject, tuple[tuple[IdentifierKind, str], ...]]:
    check_sees_all(access)
    lines = {name: _lines(form.values[name]) for name in ("phone", "email", "customer_id")}
    if not any(lines.values()):
        raise MetadataError("phone, email, customer_id: name one of them")
    if any(len(each) > 512 for values in lines.values() for each in values):
        raise MetadataError("phone, email, customer_id: one is too long")
    if sum(map(len, lines.values())) > MOST_IDENTIFIERS:
        raise MetadataError(f"phone, email, customer_id: allowed: {MOST_IDENTIFIERS} of them")
    given = IdentifiersBody(**lines)
    wanted = identifiers_of(given, form.values["region"].upper() or None)
    return find(wanted, form.linked, office), wanted


def _query(form: HoldForm, access: Access) -> HoldQuery:
    values = form.values
    if access.user.queues and values["queue"] not in access.user.queues:
        raise PrivilegeError("name one of your queues")
    query = HoldQuery(
        queue=values["queue"] or None,
        agent=values["agent"] or None,
        since=_moment("since", values["since"]),
        until=_moment("until", values["until"], days=1),
    )
    if query.is_empty:
        raise MetadataError("queue, agent, since, until: name one of them")
    return query


def _moment(name: str, text: str, days: int = 0) -> datetime | None:
    """A moment as it is; a day begins in UTC, and with `days` ends with the next one's begin."""
    if not text:
        return None
    try:
        if "T" in text:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        return day + timedelta(days=days)
    except (ValueError, OverflowError):
        raise MetadataError(f"{name}: allowed: a day such as 2026-11-24") from None


def _lines(text: str) -> tuple[str, ...]:
    return tuple(_stripped(text))


def _stripped(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if line.strip())
