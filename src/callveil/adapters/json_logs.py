"""Logs as one JSON object a line: what happened to which call, never what was said in it."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import TextIO

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "taskName",
}


class JsonFormatter(logging.Formatter):
    """Writes a record with its `extra` fields. Of an exception only the kind and the places in the code.

    The text of an exception of a library may quote what it was given, so it is left out.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        fields: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and not name.startswith("_"):
                plain = value is None or isinstance(value, str | int | float)
                fields[name] = value if plain else type(value).__name__
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])
            fields["trace"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames][
                -12:
            ]
        return json.dumps(fields, ensure_ascii=False, default=str)


class _Ours(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("callveil"):
            record.msg, record.args = f"message of {record.name}", ()
        return True


def log_as_json(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Have everything logged as JSON, ours from a level on, libraries' from warning on.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        stream: Where to; None for standard error.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(_Ours())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("callveil").setLevel(level)
    for name in ("uvicorn.access", "uvicorn.error", "uvicorn"):
        library = logging.getLogger(name)
        library.handlers[:], library.propagate = [], True
        library.setLevel(logging.WARNING)
