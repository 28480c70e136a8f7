"""What stands in the paths of the office: ids that Callveil made, and call ids. Never an identifier."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from callveil.adapters.call_document import CALL_ID

CallId = Annotated[str, Path(pattern=CALL_ID, max_length=128, description="The call.")]
RequestId = Annotated[str, Path(pattern=r"^req-[0-9a-f]{12}$", description="The request.")]
HoldId = Annotated[str, Path(pattern=r"^hold-[0-9a-f]{12}$", description="The hold.")]
NoticeId = Annotated[str, Path(pattern=r"^ntc-[0-9a-f]{12}$", description="The notice.")]
