"""One spelling for every identifier of a person, so that the same person is found however it was written.

What cannot be told apart surely is not joined: plus-tags and dots of e-mail addresses stay, and a telephone
number without country is another identifier than the same digits with one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import phonenumbers
from phonenumbers import PhoneNumberFormat, ValidationResult

from callveil.errors import MetadataError
from callveil.ports import SubjectHasher
from callveil.vocabulary.call import Call
from callveil.vocabulary.rights import IdentifierKind, Identity

LOCAL = "local:"
"""Stands before the digits of a telephone number whose country is not known."""

MOST_IDENTIFIERS = 100
"""Of one person in one search."""

_PHONE_ALLOWED = "allowed: a telephone number of 3 to 32 digits, best with its country (+4930123456)"
_EMAIL_ALLOWED = "allowed: an e-mail address (name@example.org)"
_CUSTOMER_ALLOWED = "allowed: 1 to 256 characters that can be seen"

_SCHEME = re.compile(r"(?:tel|sips?):", re.IGNORECASE)
_CONTEXT = re.compile(r";\s*phone-context=(\+[0-9().\-]+)", re.IGNORECASE)
# A pause ("," or "p"), a parameter (";"), a menu's choice ("#") or a word for an extension ends the number.
_EXTENSION = re.compile(
    r"\s*(?:[,;#~]|\bext(?:ension|n)?\b|\be?xtn?\.|(?<=[\d\s])x(?=[\s.]*\d)).*", re.I | re.S
)
_PHONE = re.compile(r"\+?[\d\s().\-/\u2010-\u2015\u2212]+")
_LABEL = re.compile(r"[^\s@<>()\[\]\\,;:\"]+")

WITHHELD = frozenset({"+266696687", "+2562533", "+7378742833", "+8656696", "+86282452253"})
"""ANONYMOUS, BLOCKED, RESTRICTED, UNKNOWN and UNAVAILABLE on a keypad: what telephony systems give as the
number of a caller who withholds it. Taken for numbers they would make one person of all of them."""


def normalise(
    kind: IdentifierKind, value: str, *, region: str | None = None, field: str | None = None
) -> str:
    """One spelling of an identifier.

    Args:
        kind: Of the identifier.
        value: As somebody wrote it.
        region: ISO 3166-1 code of the country a national telephone number is of; None when not known.
        field: Named in errors; the kind when left out.

    Raises:
        MetadataError: It is none. The message names the field, never the value.
    """
    where = field or kind.value
    if kind is IdentifierKind.PHONE:
        return normalise_phone(value, region=region, field=where)
    if kind is IdentifierKind.EMAIL:
        return normalise_email(value, field=where)
    return normalise_customer_id(value, field=where)


def normalise_all(
    given: Mapping[IdentifierKind, Sequence[str]], *, region: str | None, fields: Mapping[IdentifierKind, str]
) -> tuple[tuple[IdentifierKind, str], ...]:
    """One spelling of all that a person is to be found by, each once.

    Args:
        given: Values as somebody wrote them.
        region: ISO 3166-1 code of the country of national telephone numbers; None when not known.
        fields: Named in errors, never the values.

    Raises:
        MetadataError: One is no identifier, or there are none, or more than `MOST_IDENTIFIERS`.
    """
    found: dict[tuple[IdentifierKind, str], None] = {}
    for kind, values in given.items():
        for value in values:
            found[kind, normalise(kind, value, region=region, field=fields[kind])] = None
    if not 1 <= len(found) <= MOST_IDENTIFIERS:
        raise MetadataError(
            f"{', '.join(fields[kind] for kind in IdentifierKind)}: {len(found)} are given; allowed: 1 to"
            f" {MOST_IDENTIFIERS} of them together"
        )
    return tuple(found)


def normalise_phone(value: str, *, region: str | None = None, field: str = "phone") -> str:
    """E.164, or `LOCAL` and the digits when the country is not known; extensions are dropped.

    Args:
        value: A telephone number, or a `tel:`, `sip:` or `sips:` address of one.
        region: ISO 3166-1 code of the country a national number is of; others than these count as None.
        field: Named in errors.

    Raises:
        MetadataError: It is no telephone number, or one that stands for a withheld one.
    """
    number = _bare_number(value)
    digits = "".join(str(unicodedata.digit(sign)) for sign in number if sign.isdecimal())
    if not _PHONE.fullmatch(number) or not 3 <= len(digits) <= 32 or len(set(digits)) == 1:
        raise MetadataError(f"{field}: is no telephone number; {_PHONE_ALLOWED}")
    is_international = number.startswith("+")
    if is_international and "+" + digits in WITHHELD:
        raise MetadataError(f"{field}: stands for a number that is withheld; {_PHONE_ALLOWED}")
    known = region if region in phonenumbers.SUPPORTED_REGIONS else None
    if found := _e164(number if is_international else digits, known):
        return found
    if not is_international and digits.startswith("00") and (found := _e164("+" + digits[2:], None)):
        return found
    return LOCAL + digits


def _bare_number(value: str) -> str:
    """Without scheme, host, parameters, extension and signs that cannot be seen."""
    text = _visible(unicodedata.normalize("NFKC", value)).strip()
    if scheme := _SCHEME.match(text):
        text = unquote(text[scheme.end() :].partition("@")[0])
        context = _CONTEXT.search(text)
        if context is not None and not text.startswith("+"):
            text = context[1] + text
    return _EXTENSION.sub("", text).strip()


def _e164(number: str, region: str | None) -> str | None:
    """E.164 of a number that the country's plan has room for; None for others."""
    if region is None and not number.startswith("+"):
        return None
    try:
        found = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    # Not `is_valid_number`: it knows which ranges are given out today, and a call from years ago must match.
    if phonenumbers.is_possible_number_with_reason(found) != ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(found, PhoneNumberFormat.E164)


def local_spellings(normalised: str) -> tuple[str, ...]:
    """How an E.164 number may stand in metadata that tells no country.

    Another number of another country has the same digits then: to be suggested, never taken for the same.
    """
    if not normalised.startswith("+"):
        return ()
    found = phonenumbers.parse(normalised, None)
    national = phonenumbers.format_number(found, PhoneNumberFormat.NATIONAL)
    spellings = {normalised[1:], phonenumbers.national_significant_number(found)}
    spellings.add("".join(sign for sign in national if sign.isdecimal()))
    return tuple(LOCAL + digits for digits in sorted(spellings))


def normalise_email(value: str, *, field: str = "email") -> str:
    """An e-mail address in small letters, its domain as the network writes it (IDNA).

    Args:
        value: The address.
        field: Named in errors.

    Raises:
        MetadataError: It is none.
    """
    local, at, _ = _folded(value).strip().rpartition("@")
    # Punycode label by label, as IDNA 2008 keeps "ß": Python's own codec makes another domain of it.
    labels = _nfkc(value).rpartition("@")[2].strip().replace("\u3002", ".").removesuffix(".").split(".")
    names = [_a_label(label) for label in labels]
    if not at or not _LABEL.fullmatch(local) or not all(_LABEL.fullmatch(name) for name in names):
        raise MetadataError(f"{field}: is no e-mail address; {_EMAIL_ALLOWED}")
    return f"{local}@{'.'.join(names)}"


def _a_label(label: str) -> str:
    small = unicodedata.normalize("NFKC", label.lower())
    return small if small.isascii() else "xn--" + small.encode("punycode").decode("ascii").lower()


def normalise_customer_id(value: str, *, field: str = "customer_id") -> str:
    """A customer id without spaces, in small letters; zeros and hyphens stay.

    Args:
        value: The id.
        field: Named in errors.

    Raises:
        MetadataError: There is nothing to be seen in it, or too much.
    """
    found = "".join(_folded(value).split())
    if not 1 <= len(found) <= 256 or any(unicodedata.category(sign) == "Cc" for sign in found):
        raise MetadataError(f"{field}: is no customer id; {_CUSTOMER_ALLOWED}")
    return found


def _nfkc(value: str) -> str:
    return _visible(unicodedata.normalize("NFKC", value))


def _folded(value: str) -> str:
    """Source: Unicode 16, 3.13.3, definition D146 (NFKC_Casefold)."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", _visible(value)).casefold())
    return _visible(unicodedata.normalize("NFKC", text.casefold()))


def _visible(text: str) -> str:
    """Without format characters, which address books paste around numbers."""
    return "".join(sign for sign in text if unicodedata.category(sign) != "Cf")


def region_of(jurisdiction: str | None) -> str | None:
    """The country of a jurisdiction ("US" of "US-CA"); None when it is not known."""
    country = (jurisdiction or "").strip().upper().partition("-")[0]
    return country if country in phonenumbers.SUPPORTED_REGIONS else None


def identities_of(call: Call, hasher: SubjectHasher) -> tuple[Identity, ...]:
    """What the parties of a call can be found by, as keyed hashes.

    A value that is no identifier, such as the number "anonymous", stands for nobody and is left out.
    """
    found: dict[Identity, None] = {}
    for index, party in enumerate(call.parties):
        given = party.identifiers
        region = region_of(party.jurisdiction)
        for kind, value in (
            (IdentifierKind.PHONE, given.phone),
            (IdentifierKind.EMAIL, given.email),
            (IdentifierKind.CUSTOMER_ID, given.customer_id),
        ):
            if value is None:
                continue
            try:
                normalised = normalise(kind, value, region=region)
            except MetadataError:
                continue
            found[hasher.identity(kind, normalised, index)] = None
    return tuple(found)
