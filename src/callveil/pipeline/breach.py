"""Find out what a breach exposed, and write what the authority and the persons have to be told."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from callveil.adapters.private_output import check_free, write_private
from callveil.errors import NotFoundError, StoreError
from callveil.kit import Office
from callveil.pipeline.export import controller_of
from callveil.pipeline.report_views import kind_of
from callveil.rights.breach import (
    BreachFacts,
    Copies,
    CopiesFound,
    KeyState,
    PersonCounter,
    breach_document,
)
from callveil.rights.wording import counted, day, day_and_time, joined
from callveil.stages.card_secrets import NEVER_KEPT
from callveil.stages.documents.forms import indented
from callveil.vocabulary.ledger import CallState, LedgerCall

_PAGE = 500
_PUBLISHED = re.compile(r"(?:^|/)calls/[0-9]{4}/[0-9]{2}/[0-9]{2}/([A-Za-z0-9._-]{1,128})(?:/|$)")
_ORIGINAL = re.compile(r"(?:^|/)originals/([A-Za-z0-9._-]{1,128})(?:/|$)")
_LANDED = re.compile(r"(?:^|/)([0-9a-f]{32})(?:[./]|$)")
_SILENCED = frozenset(entity.value for entity in NEVER_KEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which copies of which calls were exposed.

    Attributes:
        how: "calls", "window" or "objects".
        calls: The calls with their exposed copies; a call may come once only.
        n_unknown: Calls that were named and are not known here.
        n_unmatched: Object names that belong to no call.
    """

    how: str
    calls: Iterator[tuple[LedgerCall, frozenset[Copies]]]
    n_unknown: int = 0
    n_unmatched: int = 0


@dataclass(slots=True)
class _Tally:
    """What is exposed of one kind of copy, call by call."""

    n_calls: int = 0
    n_unknown: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    silenced: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A breach report.

    Attributes:
        facts: What it says.
        call_ids: Of all calls with an exposed copy, sorted.
        authority: Markdown for the supervisory authority (Art. 33(3)).
        subjects: Markdown for the persons (Art. 34(2)).
    """

    facts: BreachFacts
    call_ids: tuple[str, ...]
    authority: str
    subjects: str

    @property
    def document(self) -> dict[str, object]:
        """For machines."""
        return breach_document(self.facts, self.call_ids)


def by_calls(office: Office, call_ids: Sequence[str], copies: frozenset[Copies]) -> Selection:
    """Calls by name."""
    known = {call.call_id: call for call in _known(office, call_ids)}
    return Selection(
        how="calls",
        calls=((call, copies) for call in known.values()),
        n_unknown=len(set(call_ids)) - len(known),
    )


def by_window(office: Office, start: datetime, end: datetime, copies: frozenset[Copies]) -> Selection:
    """Calls that began in a window, its end excluded."""
    return Selection(
        how="window",
        calls=((call, copies) for call in _all(office) if start <= call.call.started_at < end),
    )


def by_objects(office: Office, keys: Sequence[str]) -> Selection:
    """Calls by the names of exposed objects or files of store, originals or landing; or whole paths."""
    named: dict[str, set[Copies]] = {}
    tokens: set[str] = set()
    n_unmatched = 0
    for key in dict.fromkeys(keys):
        if found := _PUBLISHED.search(key):
            named.setdefault(found[1], set()).add(Copies.PUBLISHED)
        elif found := _ORIGINAL.search(key):
            named.setdefault(found[1], set()).add(Copies.ORIGINALS)
        elif found := _LANDED.search(key):
            tokens.add(found[1])
        else:
            n_unmatched += 1
    by_id = {call.call_id: call for call in _known(office, list(named))}
    if tokens:
        for call in _all(office):
            if call.landing in tokens:
                tokens.discard(call.landing)
                by_id[call.call_id] = call
                named.setdefault(call.call_id, set()).add(Copies.LANDING)
    return Selection(
        how="objects",
        calls=((call, frozenset(named[call_id])) for call_id, call in by_id.items()),
        n_unknown=len(named) - len(by_id),
        n_unmatched=n_unmatched + len(tokens),
    )


def report_breach(
    office: Office, selection: Selection, *, known_at: datetime, key: KeyState, actor: str
) -> Breach:
    """Count, word, and write into the audit chain that it was reported.

    Args:
        office: Where everything is.
        selection: What was exposed.
        known_at: When the controller became aware, aware UTC.
        key: Whether the landing key was exposed too.
        actor: As in the audit chain.
    """
    now = office.clock.now()
    tallies: dict[Copies, _Tally] = {}
    counter, places = PersonCounter(), set()
    call_ids: list[str] = []
    first = last = None
    n_not_there = selection.n_unknown
    named = selection.how == "objects"
    while page := list(islice(selection.calls, _PAGE)):
        exposed = [(call, there) for call, copies in page if (there := _there(office, call, copies, named))]
        n_not_there += len(page) - len(exposed) if selection.how != "window" else 0
        digests = _digests(office, [call.call_id for call, _ in exposed])
        for call, there in exposed:
            call_ids.append(call.call_id)
            started = call.call.started_at
            first = started if first is None else min(first, started)
            last = started if last is None else max(last, started)
            places |= {party.jurisdiction for party in call.call.parties if party.jurisdiction}
            counter.add([party.role.value for party in call.call.parties], digests.get(call.call_id, {}))
            for copies in there:
                _tally(tallies.setdefault(copies, _Tally()), copies, call)
    facts = BreachFacts(
        known_at=known_at,
        created_at=now,
        how=selection.how,
        controller=controller_of(office),
        n_calls=len(call_ids),
        first_at=first,
        last_at=last,
        found=tuple(_found(copies, tallies[copies]) for copies in Copies if copies in tallies),
        persons=counter.persons,
        key=key,
        jurisdictions=tuple(sorted(places)),
        n_not_there=n_not_there,
        n_unmatched=selection.n_unmatched,
    )
    office.ledger.note(
        actor=actor,
        action="breach.reported",
        call_id=None,
        detail={
            "found_by": facts.how,
            "calls": facts.n_calls,
            "persons_at_least": facts.persons.at_least,
            "persons_at_most": facts.persons.at_most,
            "copies": "+".join(found.copies.value for found in facts.found),
            "key": key.value,
        },
        now=now,
    )
    return Breach(
        facts=facts,
        call_ids=tuple(sorted(call_ids)),
        authority=_render("breach-authority.md.j2", facts),
        subjects=_render("breach-subjects.md.j2", facts),
    )


def breach_files(breach: Breach) -> Mapping[str, bytes]:
    """The letters and lists of a report, by file name."""
    return {
        "authority.md": breach.authority.encode(),
        "subjects.md": breach.subjects.encode(),
        "report.json": indented(breach.document),
        "calls.txt": "".join(f"{call_id}\n" for call_id in breach.call_ids).encode(),
    }


def write_breach(breach: Breach, out: Path) -> None:
    """Write a report into a new folder, whole or not at all, for the owner only.

    Raises:
        RefusedError: There is such a folder.
        StoreError: It cannot be written.
    """
    check_free(out)
    draft = out.absolute().with_name(f".{out.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
        draft.mkdir(mode=0o700)
        for name, content in breach_files(breach).items():
            write_private(draft / name, content)
        draft.rename(out)
    except OSError as error:
        raise StoreError(f"--out: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _known(office: Office, call_ids: Sequence[str]) -> Iterator[LedgerCall]:
    for call_id in dict.fromkeys(call_ids):
        try:
            yield office.ledger.get(call_id)
        except NotFoundError:
            continue


def _all(office: Office) -> Iterator[LedgerCall]:
    after: str | None = None
    while page := office.ledger.calls(after=after, limit=1000):
        yield from page
        after = page[-1].call_id


def _there(office: Office, call: LedgerCall, copies: frozenset[Copies], named: bool) -> frozenset[Copies]:
    """Copies that there are; an object that was named was there, whatever became of it."""
    if named:
        return copies
    if call.state is CallState.ERASED:
        return frozenset()
    has: Mapping[Copies, Callable[[], bool]] = {
        Copies.PUBLISHED: lambda: call.prefix is not None,
        Copies.ORIGINALS: lambda: _has_original(office, call.call_id),
        Copies.LANDING: lambda: call.landing is not None,
    }
    return frozenset(copy for copy in copies if has[copy]())


def _has_original(office: Office, call_id: str) -> bool:
    if office.originals is None:
        return False
    try:
        office.originals.store.key(call_id)
    except NotFoundError:
        return False
    return True


def _digests(office: Office, call_ids: Sequence[str]) -> dict[str, dict[int, list[str]]]:
    found: dict[str, dict[int, list[str]]] = {}
    for sighting in office.books.subjects.beside(call_ids) if call_ids else ():
        parties = found.setdefault(sighting.call_id, {})
        parties.setdefault(sighting.identity.party, []).append(sighting.identity.digest)
    return found


def _tally(tally: _Tally, copies: Copies, call: LedgerCall) -> None:
    tally.n_calls += 1
    kinds = set(call.masked_s)
    if copies is Copies.PUBLISHED:
        tally.silenced.update(kinds)
    elif copies is Copies.ORIGINALS:
        tally.silenced.update(kinds & _SILENCED)
        tally.kinds.update(kinds - _SILENCED)
    elif call.prefix is None:
        tally.n_unknown += 1
    else:
        tally.kinds.update(kinds)


def _found(copies: Copies, tally: _Tally) -> CopiesFound:
    return CopiesFound(
        copies=copies,
        n_calls=tally.n_calls,
        kinds=dict(tally.kinds),
        silenced=dict(tally.silenced),
        n_unknown=tally.n_unknown,
    )


def _render(template: str, facts: BreachFacts) -> str:
    # Markdown: nothing to escape for, and nothing of a call's own words gets in but ISO codes and numbers.
    environment = Environment(
        loader=PackageLoader("callveil.pipeline", "templates"),
        autoescape=False,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        day=day, days=_days, day_and_time=day_and_time, counted=counted, kinds=_kind_words, joined=joined
    )
    environment.globals.update(Copies=Copies, KeyState=KeyState)
    return environment.get_template(template).render(facts=facts)


def _days(facts: BreachFacts) -> str:
    if facts.first_at is None or facts.last_at is None:
        return ""
    first, last = day(facts.first_at), day(facts.last_at)
    return f"on {first}" if first == last else f"from {first} to {last}"


def _kind_words(kinds: Mapping[str, int]) -> str:
    found = sorted((kind_of(kind).label, n) for kind, n in kinds.items())
    return joined([f"{label} ({counted(n, 'call', 'calls')})" for label, n in found])
