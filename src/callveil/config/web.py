"""Settings of the pages: under which address they are reached, and how long a session lasts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from callveil.vocabulary.accounts import SessionLimits
from callveil.vocabulary.proposals import ProposalKind


class WebConfig(BaseModel):
    """What the pages of `callveil dev` and `serve` go by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[A-Za-z0-9.:\[\]-]+$",
        description="address that browsers use, such as https://calls.example.com, without a path",
    )
    idle_minutes: int = Field(
        default=30, ge=1, le=720, description="1 to 720 minutes until a session that is not used ends"
    )
    session_hours: int = Field(
        default=12, ge=1, le=24, description="1 to 24 hours until a session ends, used or not"
    )
    two_person: tuple[ProposalKind, ...] = Field(
        default=(), description='what a second person must agree to: "retention", "quarantine"'
    )

    @property
    def session_limits(self) -> SessionLimits:
        """When a session ends by itself."""
        return SessionLimits(idle_s=self.idle_minutes * 60, longest_s=self.session_hours * 3600)
