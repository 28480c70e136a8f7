"""Find the calls of a person by what the person can be found by, and who else may be the same person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from callveil.errors import ConfigError, MetadataError
from callveil.kit import Office
from callveil.ports import SubjectHasher
from callveil.rights.identifiers import local_spellings
from callveil.vocabulary.rights import IdentifierKind, Identity, Sighting

SHORT = 10
"""Hex digits of a digest that name an identifier to people: 40 bits, of which no value can be told."""

REKEYED_AT_A_TIME = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """An identifier that may be of the same person. It is suggested; a person decides.

    Attributes:
        short_id: Names it on the command line.
        kind: Of the identifier.
        n_calls: In how many calls it stands that were not found.
        why: "beside": it stood beside the person in a call, as the same party. "no_country": the same digits
            stand in metadata that tells no country.
    """

    short_id: str
    kind: IdentifierKind
    n_calls: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom a search is for, in keyed hashes: what was typed is not in it, and cannot be told from it.

    Attributes:
        known: Identifiers of the person, each of the earliest generation of the key that is known of it, so
            that those of all later ones follow; `party` is -1.
        alike: How the telephone numbers may stand in metadata that tells no country.
    """

    known: tuple[Identity, ...]
    alike: tuple[Identity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A person, as far as the subject index knows.

    Attributes:
        identities: What was asked for and the linked ones that were accepted, of the newest generation of
            the key; `party` is -1, as they are of no call.
        sightings: Where they stand, by call id.
        linked: Who else it may be.
        complete: False while a rotation of the key is not finished: some of `linked` may be missing then.
        person: Whom the search was for, with the linked ones that were accepted.
    """

    identities: tuple[Identity, ...]
    sightings: tuple[Sighting, ...]
    linked: tuple[Linked, ...]
    complete: bool = True
    person: Person = Person(known=())

    @property
    def call_ids(self) -> tuple[str, ...]:
        """Of all calls the person is in, sorted."""
        return tuple(sorted({sighting.call_id for sighting in self.sightings}))

    @property
    def parties(self) -> Mapping[str, tuple[int, ...]]:
        """Call id to the parties that the person is in it."""
        found: dict[str, set[int]] = {}
        for sighting in self.sightings:
            found.setdefault(sighting.call_id, set()).add(sighting.identity.party)
        return {call_id: tuple(sorted(parties)) for call_id, parties in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    kind: IdentifierKind
    digests: tuple[str, ...]
    """The newest first, as far as they are known."""
    why: str


def find_subject(
    identifiers: Sequence[tuple[IdentifierKind, str]], with_linked: Sequence[str], office: Office
) -> Subject:
    """Find a person.

    Args:
        identifiers: Kind and normalised value; all are of the same person.
        with_linked: Short ids of linked identifiers that are the same person too.
        office: For the subject index and its key.

    Raises:
        MetadataError: One of the short ids is not among those that were suggested.
        ConfigError: There are no subject keys, or they are behind those that the index was made with.
        LedgerError: The database failed.
    """
    return find_person(person_of(identifiers, office), with_linked, office)


def person_of(identifiers: Sequence[tuple[IdentifierKind, str]], office: Office) -> Person:
    """A person by normalised identifiers; nothing is looked for yet.

    Raises:
        ConfigError: There are no subject keys.
    """
    hasher = office.hasher
    alike = [
        (kind, spelling)
        for kind, value in identifiers
        if kind is IdentifierKind.PHONE
        for spelling in local_spellings(value)
    ]
    return Person(
        known=tuple(_earliest(kind, hasher.digests(kind, value), hasher) for kind, value in identifiers),
        alike=tuple(_earliest(kind, hasher.digests(kind, value), hasher) for kind, value in alike),
    )


def with_alike_there(person: Person, office: Office) -> Person:
    """The same person, without spellings of telephone numbers that stand in no call.

    Raises:
        LedgerError: The database failed.
    """
    find, hasher = office.books.subjects.find, office.hasher
    return Person(
        known=person.known, alike=tuple(each for each in person.alike if find(_ahead(each, hasher)))
    )


def find_person(person: Person, with_linked: Sequence[str], office: Office) -> Subject:
    """Find a person whose identifiers are hashed already.

    Args:
        person: Whom to find.
        with_linked: As for `find_subject`, which says what is raised too.
        office: For the subject index and its key.
    """
    hasher, index = office.hasher, office.books.subjects
    complete = _is_rekeyed(office)
    known = {(each.kind, digests[0]): digests for each in person.known if (digests := _ahead(each, hasher))}
    left = {short_id.strip().lower() for short_id in with_linked}
    while True:
        sightings = index.find([digest for digests in known.values() for digest in digests])
        candidates = _candidates(person.alike, known, sightings, office)
        # An accepted identifier may lead to another one that was suggested because of it.
        accepted = {key: found for key, found in candidates.items() if key[1][:SHORT] in left}
        if not accepted:
            break
        known |= {key: found.digests for key, found in accepted.items()}
        left -= {digest[:SHORT] for _, digest in accepted}
    unknown = left - {digest[:SHORT] for _, digest in known}
    if unknown:
        raise MetadataError(
            "--with: names no linked identifier; allowed: ids that `callveil subject find` shows"
        )
    return Subject(
        person=Person(
            known=tuple(_earliest(kind, digests, hasher) for (kind, _), digests in known.items()),
            alike=person.alike,
        ),
        identities=tuple(
            Identity(kind=kind, digest=digest, generation=hasher.generation, party=-1)
            for kind, digest in known
        ),
        sightings=sightings,
        linked=_suggested(candidates, {sighting.call_id for sighting in sightings}, office),
        complete=complete,
    )


def note_search(
    found: Subject,
    kinds: Iterable[IdentifierKind],
    n_linked: int,
    office: Office,
    *,
    actor: str,
) -> None:
    """Write a search into the audit chain, in numbers.

    Args:
        found: What `find_subject` found.
        kinds: Of the identifiers that it got.
        n_linked: How many linked ones were accepted.
        office: For the ledger.
        actor: As in the audit chain.
    """
    office.ledger.note(
        actor=actor,
        action="subject.searched",
        call_id=None,
        detail={
            **Counter(kind.value for kind in kinds),
            "linked": n_linked,
            "calls": len(found.call_ids),
        },
        now=office.clock.now(),
    )


def _earliest(kind: IdentifierKind, digests: Sequence[str], hasher: SubjectHasher) -> Identity:
    """The last of digests of one generation after the other, the newest first."""
    generation = hasher.generation - len(digests) + 1
    return Identity(kind=kind, digest=digests[-1], generation=generation, party=-1)


def _candidates(
    alike: Sequence[Identity],
    known: Mapping[tuple[IdentifierKind, str], tuple[str, ...]],
    sightings: Sequence[Sighting],
    office: Office,
) -> dict[tuple[IdentifierKind, str], _Candidate]:
    """Identifiers beside the person, and those with the same digits; by kind and newest digest."""
    found: dict[tuple[IdentifierKind, str], _Candidate] = {}
    for each in alike:
        digests = _ahead(each, office.hasher)
        found[each.kind, digests[0]] = _Candidate(kind=each.kind, digests=digests, why="no_country")
    own = {(sighting.call_id, sighting.identity.party) for sighting in sightings}
    call_ids = sorted({sighting.call_id for sighting in sightings})
    for other in office.books.subjects.beside(call_ids):
        if (other.call_id, other.identity.party) in own:
            digests = _ahead(other.identity, office.hasher)
            found[other.identity.kind, digests[0]] = _Candidate(
                kind=other.identity.kind, digests=digests, why="beside"
            )
    return {key: candidate for key, candidate in found.items() if key not in known}


def _ahead(identity: Identity, hasher: SubjectHasher) -> tuple[str, ...]:
    """The digest and those of all later generations, the newest first."""
    digests = [identity.digest]
    for generation in range(identity.generation, hasher.generation):
        digests.append(hasher.step(generation)(digests[-1]))
    return tuple(reversed(digests))


def _suggested(
    candidates: Mapping[tuple[IdentifierKind, str], _Candidate], found: set[str], office: Office
) -> tuple[Linked, ...]:
    """Those that would bring more calls."""
    suggested = []
    for (kind, digest), candidate in candidates.items():
        calls = {sighting.call_id for sighting in office.books.subjects.find(candidate.digests)} - found
        if calls:
            short_id = digest[:SHORT]
            suggested.append(Linked(short_id=short_id, kind=kind, n_calls=len(calls), why=candidate.why))
    return tuple(sorted(suggested, key=lambda linked: (-linked.n_calls, linked.short_id)))


def _is_rekeyed(office: Office) -> bool:
    """False while identifiers of an earlier generation of the key are left: a rotation is not finished."""
    newest = office.hasher.generation
    generations = {generation for generation, n in office.books.subjects.generations().items() if n}
    if max(generations, default=0) > newest:
        # With keys that are behind, a person who is there would not be found.
        raise ConfigError(
            "subject keys: the index is of a later generation; allowed: all keys it was made with"
        )
    return generations <= {newest}


def rekey(office: Office, *, actor: str) -> int:
    """Take all identifiers to the newest generation of the key; returns how many steps that were.

    It can be stopped at any point and goes on with the next call.

    Args:
        office: For the index and the keys.
        actor: As in the audit chain.

    Raises:
        ConfigError: The index has identifiers of a generation that the keys do not reach.
        LedgerError: The database failed.
    """
    newest, n_steps = office.hasher.generation, 0
    index = office.books.subjects
    _is_rekeyed(office)
    for generation in range(1, newest):
        step = office.hasher.step(generation)
        while n := index.rekey(generation, step, limit=REKEYED_AT_A_TIME):
            n_steps += n
    office.ledger.note(
        actor=actor,
        action="subject.rekeyed",
        call_id=None,
        detail={"generation": newest, "steps": n_steps},
        now=office.clock.now(),
    )
    return n_steps
