"""Settings of the streaming service: how much at once, how often again, how long to wait."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ServiceConfig(BaseModel):
    """What `callveil dev`, `serve`, `worker` and `reconcile` go by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: int = Field(
        default=1, ge=1, le=64, description="1 to 64 processes that redact; each loads the models"
    )
    live_calls: int = Field(
        default=4,
        ge=0,
        le=256,
        description="0 to 256 live calls that one process hears at a time; 0 for none",
    )
    partitions: int = Field(default=4, ge=1, le=256, description="1 to 256 partitions of each topic")
    lease_s: float = Field(
        default=60, ge=2, le=3600, description="2 to 3600 seconds after which a silent worker loses its call"
    )
    retry_first_s: float = Field(
        default=1, gt=0, le=60, description="up to 60 seconds before the second attempt; doubles each time"
    )
    retry_longest_s: float = Field(
        default=60, gt=0, le=3600, description="up to 3600 seconds between two attempts"
    )
    max_waiting: int = Field(
        default=10_000,
        ge=1,
        description="a number of calls waiting, above which pushes are answered with 429",
    )
    max_uploads: int = Field(
        default=64, ge=1, le=10_000, description="1 to 10000 uploads at a time; more are answered with 429"
    )
    signature_window_s: float = Field(
        default=300, ge=10, le=3600, description="10 to 3600 seconds a signature's timestamp may be off"
    )
    reconcile_every_s: float = Field(
        default=15, ge=0.5, le=3600, description="0.5 to 3600 seconds between looks for what is owed"
    )
    reemit_after_s: float = Field(
        default=60,
        ge=1,
        le=86400,
        description="1 to 86400 seconds until an event without effect is sent again",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^wss?://[^\s?#]+$",
        description="address that Twilio is told, such as wss://host/v1/twilio; needed for Twilio only",
    )
    landing_grace_s: float = Field(
        default=3600,
        ge=1,
        le=86400,
        description="1 to 86400 seconds until audio that belongs to no call is shredded",
    )
