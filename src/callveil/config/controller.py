"""Settings that say who answers for the recordings; documents for people and authorities name it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

_LINE = r"^[^\x00-\x1f\x7f]*$"


class ControllerConfig(BaseModel):
    """The controller. What is left empty stands as a blank in the documents."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", max_length=200, pattern=_LINE, description="one line, the organisation")
    address: str = Field(default="", max_length=300, pattern=_LINE, description="one line, postal address")
    contact: str = Field(
        default="", max_length=200, pattern=_LINE, description="one line: e-mail, phone or web address"
    )
    officer: str = Field(
        default="", max_length=200, pattern=_LINE, description="one line, the data protection officer"
    )
    authority: str = Field(
        default="", max_length=200, pattern=_LINE, description="one line, the supervisory authority"
    )
    notice: str = Field(
        default="",
        max_length=500,
        pattern=r"^(https://\S+)?$",
        description="an https address, the privacy notice",
    )
