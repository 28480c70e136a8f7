"""What is kept of passwords."""

import unicodedata

import pytest
from argon2 import PasswordHasher

from callveil.adapters.passwords import LONGEST, SHORTEST, Argon2Passwords
from callveil.errors import MetadataError


@pytest.fixture(scope="module")
def passwords():
    return Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def test_the_usual_parameters_are_those_of_rfc_9106():
    assert Argon2Passwords().hash("geheim-und-lang").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_password_fits_what_was_kept_of_it_and_nothing_else(passwords):
    kept = passwords.hash("geheim-und-lang")
    assert passwords.verify(kept, "geheim-und-lang")
    for other in ("geheim-und-lang ", "Geheim-und-lang", "", "geheim-und-lang\x00", "\udcff", "x" * 5000):
        assert not passwords.verify(kept, other)
    assert passwords.hash("geheim-und-lang") != kept
    assert not passwords.verify("not a hash", "geheim-und-lang")
    assert not passwords.verify(None, "geheim-und-lang")


def test_how_a_keyboard_composes_letters_does_not_matter(passwords):
    kept = passwords.hash(unicodedata.normalize("NFD", "größer-als-früher"))
    assert passwords.verify(kept, unicodedata.normalize("NFC", "größer-als-früher"))


def test_the_longest_is_compared_to_its_end(passwords):
    longest = "ab." * (LONGEST // 3) + "x" * (LONGEST % 3)
    kept = passwords.hash(longest)
    assert passwords.verify(kept, longest)
    assert not passwords.verify(kept, longest[:-1] + "y")
    assert not passwords.verify(kept, longest + "x")


@pytest.mark.parametrize(
    "password", ["", "abcdefg", "a" * 20, "ab" * 10, "abc" * 100, "geheim\udcff-und-lang"]
)
def test_weak_and_endless_ones_are_refused_without_repeating_them(passwords, password):
    with pytest.raises(MetadataError, match=f"allowed: {SHORTEST} to {LONGEST}") as caught:
        passwords.hash(password)
    assert not password or password not in str(caught.value)


def test_what_was_kept_with_other_parameters_is_stale(passwords):
    assert not passwords.is_stale(passwords.hash("geheim-und-lang"))
    assert passwords.is_stale(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash("x"))
