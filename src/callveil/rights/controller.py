"""Who answers for the recordings: what no software knows and every document must name."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """The controller (GDPR Art. 4(7)), as the profile names it; empty where it does not.

    Attributes:
        name: Of the organisation.
        address: Postal address on one line.
        contact: E-mail address, phone number or web address for requests.
        officer: Contact of the data protection officer.
        authority: The supervisory authority that complaints go to.
        notice: Web address of the privacy notice.
    """

    name: str = ""
    address: str = ""
    contact: str = ""
    officer: str = ""
    authority: str = ""
    notice: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Settings of the profile that are empty: "controller.name", ..."""
        return tuple(f"controller.{field.name}" for field in fields(self) if not getattr(self, field.name))

    @property
    def document(self) -> dict[str, str | None]:
        """For JSON; null where it is not known."""
        return {field.name: getattr(self, field.name) or None for field in fields(self)}
