"""Settings of the pages: their address, how long a session lasts, who vouches for users."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from callveil.vocabulary.accounts import SessionLimits
from callveil.vocabulary.proposals import ProposalKind


class OidcConfig(BaseModel):
    """An identity provider that vouches for users (OpenID Connect)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="URL of the provider, exactly as its metadata names it; none for no provider",
    )
    client_id: str = Field(default="", description="as the provider knows this installation")
    label: str = Field(
        default="Sign in with single sign-on",
        min_length=1,
        max_length=60,
        description="what the button on the sign-in page says",
    )


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
    oidc: OidcConfig = OidcConfig()

    @model_validator(mode="after")
    def _check_oidc(self) -> WebConfig:
        # Where a provider sends browsers back to must not come out of a request.
        if self.oidc.issuer is not None and not (self.oidc.client_id and self.public_url):
            raise ValueError("oidc.issuer needs oidc.client_id, and web.public_url")
        return self

    @property
    def session_limits(self) -> SessionLimits:
        """When a session ends by itself."""
        return SessionLimits(idle_s=self.idle_minutes * 60, longest_s=self.session_hours * 3600)
