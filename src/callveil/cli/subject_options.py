"""How a person is named on the command line; the same for every verb of `callveil subject`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias

import typer

from callveil.adapters.strict_json import BadJsonError, strict_json
from callveil.errors import MetadataError
from callveil.rights.identifiers import normalise_all, region_of
from callveil.vocabulary.rights import IdentifierKind

Identifier: TypeAlias = tuple[IdentifierKind, str]
"""Kind and normalised value. Personal data: never printed."""

Phones = Annotated[
    list[str] | None,
    typer.Option("--phone", help="Telephone number, best with its country; repeatable.", show_default=False),
]
Emails = Annotated[
    list[str] | None, typer.Option("--email", help="E-mail address; repeatable.", show_default=False)
]
CustomerIds = Annotated[
    list[str] | None, typer.Option("--customer-id", help="Customer id; repeatable.", show_default=False)
]
Region = Annotated[
    str | None,
    typer.Option("--region", help="Country of numbers without one, such as GB.", show_default=False),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with", help="Id of a linked identifier that is the same person; repeatable.", show_default=False
    ),
]
FromStdin = Annotated[
    bool,
    typer.Option(
        "--identifiers-stdin",
        help='Read {"phone": [...], "email": [...], "customer_id": [...]} from standard input: what stands on'
        " a command line can be seen by others on this machine.",
    ),
]

_MOST_BYTES = 65_536
_OPTIONS = {
    IdentifierKind.PHONE: "--phone",
    IdentifierKind.EMAIL: "--email",
    IdentifierKind.CUSTOMER_ID: "--customer-id",
}


def identifiers(
    phone: Sequence[str] | None,
    email: Sequence[str] | None,
    customer_id: Sequence[str] | None,
    region: str | None = None,
    from_stdin: bool = False,
) -> tuple[Identifier, ...]:
    """What a person is to be found by, normalised, each once.

    Args:
        phone: Telephone numbers.
        email: E-mail addresses.
        customer_id: Customer ids.
        region: Country of national numbers.
        from_stdin: Read more of them from standard input.

    Raises:
        MetadataError: None is given, or one is wrong. The message names the option, never the value.
    """
    if region is not None and region_of(region) is None:
        raise MetadataError("--region: is no country; allowed: two letters of ISO 3166-1, such as GB")
    given: dict[IdentifierKind, list[str]] = {
        IdentifierKind.PHONE: list(phone or ()),
        IdentifierKind.EMAIL: list(email or ()),
        IdentifierKind.CUSTOMER_ID: list(customer_id or ()),
    }
    if from_stdin:
        for kind, values in _from_stdin(sys.stdin.read(_MOST_BYTES + 1)).items():
            given[kind] += values
    return normalise_all(given, region=region_of(region), fields=_OPTIONS)


def _from_stdin(text: str) -> Mapping[IdentifierKind, list[str]]:
    allowed = 'allowed: a JSON object of lists of text: "phone", "email", "customer_id"'
    try:
        document: Any = json.loads(strict_json(text, max_bytes=_MOST_BYTES))
        if not isinstance(document, dict):
            raise TypeError
        found = {IdentifierKind(name): values for name, values in document.items()}
        for values in found.values():
            if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
                raise TypeError
    except (BadJsonError, ValueError, TypeError):
        raise MetadataError(f"--identifiers-stdin: cannot be read; {allowed}") from None
    return found
