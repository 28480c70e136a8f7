"""What lies in a drop folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedFile:
    """A file as it was seen.

    Attributes:
        name: In the folder; may hold personal data, such as a telephone number, so it is never logged.
        n_bytes: Its size.
        age_s: Seconds since its last change, by the clock of whoever keeps the files.
        changed_at: Of its last change as the sender dates it, aware UTC.
        is_plain: False for a link, a pipe and whatever else is no file.
        stamp: Differs when the file is another one, or has been changed.
    """

    name: str = field(repr=False)
    n_bytes: int
    age_s: float
    changed_at: datetime
    is_plain: bool
    stamp: tuple[str | int, ...]
