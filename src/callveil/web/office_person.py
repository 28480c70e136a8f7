"""Who or which calls a request to the office means."""

from __future__ import annotations

from datetime import datetime

from callveil.errors import MetadataError
from callveil.kit import Office
from callveil.pipeline.outlook import Sought, named, of_subject
from callveil.pipeline.subjects import Subject, find_subject
from callveil.rights.identifiers import normalise_all, region_of
from callveil.vocabulary.rights import IdentifierKind
from callveil.web.office_bodies import IdentifiersBody, MeantBody

_FIELDS = {kind: f"identifiers.{kind.value}" for kind in IdentifierKind}


def identifiers_of(given: IdentifiersBody, region: str | None) -> tuple[tuple[IdentifierKind, str], ...]:
    """What a person is found by, in one spelling.

    Raises:
        MetadataError: There is none, or one is wrong; no value is in the message.
    """
    if region is not None and region_of(region) is None:
        raise MetadataError("region: is no country; allowed: two letters of ISO 3166-1, such as GB")
    values = {kind: getattr(given, kind.value) for kind in IdentifierKind}
    return normalise_all(values, region=region_of(region), fields=_FIELDS)


def find(
    identifiers: tuple[tuple[IdentifierKind, str], ...], linked: tuple[str, ...], office: Office
) -> Subject:
    """Find a person.

    Raises:
        MetadataError: A linked identifier is not among those that were suggested.
        ConfigError: There are no subject keys.
    """
    try:
        return find_subject(identifiers, linked, office)
    except MetadataError:
        raise MetadataError("linked: names no linked identifier; allowed: ids that a search shows") from None


def meant(asked: MeantBody, office: Office) -> Sought:
    """The calls of a person, or named ones, or both.

    Raises:
        MetadataError: Nobody and no call is named, or an identifier is wrong.
        NotFoundError: A named call is not there.
    """
    if asked.identifiers is None:
        if not asked.call_ids or asked.linked or asked.region:
            raise MetadataError("identifiers, call_ids: name a person, or calls")
        return named(asked.call_ids, office)
    wanted = identifiers_of(asked.identifiers, asked.region)
    return of_subject(find(wanted, asked.linked, office), asked.call_ids, office)


def came(received: datetime | None, office: Office) -> datetime | None:
    """When a request came.

    Raises:
        MetadataError: It lies in the future.
    """
    if received is not None and received > office.clock.now():
        raise MetadataError("received: lies in the future; allowed: when the request came")
    return received
