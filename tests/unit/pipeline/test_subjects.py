"""Persons are found by any identifier; who else it may be is suggested."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.adapters.subject_keys import SubjectKeys, new_subject_keys
from callveil.errors import ConfigError, MetadataError
from callveil.pipeline.subjects import SHORT, find_person, find_subject, person_of, rekey, with_alike_there
from callveil.testing import ManualClock
from callveil.vocabulary.rights import IdentifierKind, Identity, Sighting

PHONE, EMAIL, CUSTOMER = IdentifierKind
KEYS = SubjectKeys([bytes([1]) * 32])


class Index:
    """A subject index in memory."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []

    def add(self, call_id: str, party: int, keys: SubjectKeys, *identifiers, role: str = "customer") -> None:
        for kind, value in identifiers:
            identity = keys.identity(kind, value, party)
            self.sightings.append(Sighting(call_id=call_id, identity=identity, role=role))

    def find(self, digests):
        return tuple(each for each in self.sightings if each.identity.digest in digests)

    def beside(self, call_ids):
        return tuple(each for each in self.sightings if each.call_id in call_ids)

    def generations(self):
        found: dict[int, int] = {}
        for each in self.sightings:
            found[each.identity.generation] = found.get(each.identity.generation, 0) + 1
        return found

    def rekey(self, generation, step, *, limit):
        old = [each for each in self.sightings if each.identity.generation == generation][:limit]
        for each in old:
            was = each.identity
            now = Identity(kind=was.kind, digest=step(was.digest), generation=generation + 1, party=was.party)
            self.sightings.remove(each)
            self.sightings.append(Sighting(call_id=each.call_id, identity=now, role=each.role))
        return len(old)


class Office:
    def __init__(self, keys: SubjectKeys = KEYS) -> None:
        self.index, self.hasher, self.notes = Index(), keys, []
        self.books = SimpleNamespace(subjects=self.index)
        self.clock = ManualClock()
        self.ledger = SimpleNamespace(note=lambda **given: self.notes.append(given))

    def find(self, *identifiers, also: tuple[str, ...] = ()):
        this: Any = self
        return find_subject(identifiers, also, this)


ADA = (PHONE, "+442079460958")
ADA_MAIL = (EMAIL, "ada@example.org")
FAMILY = (PHONE, "+442079460000")


@pytest.fixture
def office():
    office = Office()
    office.index.add("c-1", 1, KEYS, ADA, ADA_MAIL)
    office.index.add("c-1", 0, KEYS, (CUSTOMER, "agent-7"), role="agent")
    office.index.add("c-2", 1, KEYS, ADA_MAIL, FAMILY)
    office.index.add("c-3", 1, KEYS, FAMILY, (EMAIL, "bob@example.org"))
    office.index.add("c-4", 0, KEYS, (CUSTOMER, "agent-7"), role="agent")
    office.index.add("c-5", 0, KEYS, (PHONE, "local:02079460958"))
    return office


def short(kind: IdentifierKind, value: str) -> str:
    return KEYS.digests(kind, value)[0][:SHORT]


def test_a_person_is_found_by_any_identifier_and_by_several(office):
    assert office.find(ADA).call_ids == ("c-1",)
    assert office.find(ADA_MAIL).call_ids == ("c-1", "c-2")
    both = office.find(ADA, ADA_MAIL)
    assert both.call_ids == ("c-1", "c-2")
    assert both.parties == {"c-1": (1,), "c-2": (1,)}
    assert [identity.party for identity in both.identities] == [-1, -1]
    assert office.find((EMAIL, "nobody@example.org")).call_ids == ()


def test_what_stood_beside_the_person_is_suggested_and_not_counted(office):
    found = office.find(ADA)
    assert {(each.short_id, each.kind, each.n_calls, each.why) for each in found.linked} == {
        (short(*ADA_MAIL), EMAIL, 1, "beside"),
        (short(PHONE, "local:02079460958"), PHONE, 1, "no_country"),
    }


def test_another_party_of_the_call_is_not_suggested(office):
    assert short(CUSTOMER, "agent-7") not in {each.short_id for each in office.find(ADA, ADA_MAIL).linked}


def test_what_brings_no_more_calls_is_not_suggested(office):
    assert {each.short_id for each in office.find(ADA, ADA_MAIL, FAMILY).linked} == {
        short(PHONE, "local:02079460958")
    }


def test_accepted_links_count_and_lead_further_only_when_accepted_too(office):
    found = office.find(ADA, also=(short(*ADA_MAIL),))
    assert found.call_ids == ("c-1", "c-2")
    assert short(*FAMILY) in {each.short_id for each in found.linked}
    further = office.find(ADA, also=(short(*FAMILY).upper(), short(*ADA_MAIL)))
    assert further.call_ids == ("c-1", "c-2", "c-3")
    assert len(further.identities) == 3


@pytest.mark.parametrize("also", ["0000000000", "", "agent-7"])
def test_a_link_that_was_not_suggested_is_refused(office, also):
    with pytest.raises(MetadataError, match="--with"):
        office.find(ADA, also=(also,))


def test_an_accepted_link_may_be_one_that_is_asked_for_anyway(office):
    assert office.find(ADA, ADA_MAIL, also=(short(*ADA_MAIL),)).call_ids == ("c-1", "c-2")


def test_a_person_is_found_in_the_middle_of_a_rotation(office):
    office.hasher = new_subject_keys(KEYS)
    office.index.rekey(1, office.hasher.step(1), limit=3)
    assert office.find(ADA_MAIL).call_ids == ("c-1", "c-2")
    assert not office.find(ADA_MAIL).complete
    assert rekey(office, actor="cli:ops") == 6
    assert office.find(ADA_MAIL).call_ids == ("c-1", "c-2")
    assert office.find(ADA_MAIL).complete
    assert office.notes == [
        {
            "actor": "cli:ops",
            "action": "subject.rekeyed",
            "call_id": None,
            "detail": {"generation": 2, "steps": 6},
            "now": office.clock.now(),
        }
    ]


def test_after_a_rotation_the_old_key_alone_finds_nobody(office):
    office.hasher = new_subject_keys(KEYS)
    rekey(office, actor="cli:ops")
    assert office.index.find(KEYS.digests(*ADA)) == ()


def test_keys_that_are_behind_the_index_are_refused(office):
    ahead = new_subject_keys(KEYS)
    office.hasher = ahead
    rekey(office, actor="cli:ops")
    office.hasher = KEYS
    with pytest.raises(ConfigError, match="later generation"):
        rekey(office, actor="cli:ops")
    with pytest.raises(ConfigError, match="later generation"):
        office.find(ADA)


values = st.sampled_from([(kind, f"v{number}") for kind in (EMAIL, CUSTOMER) for number in range(4)])
parties = st.lists(st.lists(values, min_size=1, max_size=3, unique=True), min_size=1, max_size=6)


@given(parties, values, st.integers(0, 3))
def test_found_are_the_calls_of_what_was_asked_for_and_no_other(calls, wanted, n_rotations):
    office = Office()
    for number, identifiers in enumerate(calls):
        office.index.add(f"c-{number}", 0, office.hasher, *identifiers)
        if number < n_rotations:
            office.hasher = new_subject_keys(office.hasher)
    expected = {f"c-{number}" for number, identifiers in enumerate(calls) if wanted in identifiers}
    assert set(office.find(wanted).call_ids) == expected
    rekey(office, actor="cli:ops")
    found = office.find(wanted)
    assert set(found.call_ids) == expected
    beside = {
        each for identifiers in calls if wanted in identifiers for each in identifiers if each != wanted
    }
    more = {
        each: sum(each in identifiers and wanted not in identifiers for identifiers in calls)
        for each in beside
    }
    assert {(each.short_id, each.n_calls) for each in found.linked} == {
        (office.hasher.digests(*each)[0][:SHORT], n) for each, n in more.items() if n
    }


def test_a_person_in_hashes_is_found_as_by_what_was_typed_and_after_a_rotation_too(office):
    typed = office.find(ADA, ADA_MAIL, also=(short(*FAMILY),))
    person = typed.person
    assert "7946" not in repr(person)
    assert find_person(person, (), office) == typed
    office.hasher = new_subject_keys(KEYS)
    assert find_person(person, (), office).sightings == typed.sightings  # half-way
    rekey(office, actor="test")
    later = find_person(person, (), office)
    assert later.call_ids == typed.call_ids == ("c-1", "c-2", "c-3")
    assert {each.short_id for each in later.linked} == {
        office.hasher.digests(PHONE, "local:02079460958")[0][:SHORT],
        office.hasher.digests(EMAIL, "bob@example.org")[0][:SHORT],
    }
    assert find_person(later.person, (), office) == later


def test_only_spellings_that_stand_in_a_call_are_carried_on(office):
    person = person_of([ADA, FAMILY], office)
    kept = with_alike_there(person, office)
    assert len(person.alike) > len(kept.alike) == 1
    assert find_person(kept, (), office).linked == find_person(person, (), office).linked
