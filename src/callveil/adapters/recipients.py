"""The recipients of an installation: systems that got copies. Their file is for its owner only."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from callveil.adapters.local_files import file_errors, write_whole
from callveil.adapters.webhook import check_url
from callveil.errors import ConfigError
from callveil.vocabulary.rights import Recipient

KINDS = ("crm", "recorder", "warehouse", "other")
MOST_RECIPIENTS = 100
SHORTEST_SECRET = 32
LONGEST_DEADLINE_DAYS = 30
"""A request is to be answered within one month (GDPR Art. 12(3))."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_NEEDED, _OPTIONAL = {"name", "kind", "url", "secret"}, {"deadline_days", "queues"}


def read_recipients(file: Path) -> tuple[Recipient, ...]:
    """Recipients of a file; none when it is not there.

    Raises:
        ConfigError: Others may read it, or it is something else.
    """
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: cannot be read: {type(error).__name__}") from None
    if mode & 0o077:
        raise ConfigError(f"{file}: has mode {mode:04o}; allowed: 0600, or others could read the secrets")
    return parse_recipients(text, str(file))


def write_recipients(file: Path, recipients: Sequence[Recipient]) -> None:
    """Put the file in place, for the owner only.

    Raises:
        StoreError: It cannot be written.
    """
    rows = [
        {
            "name": each.name,
            "kind": each.kind,
            "url": each.url,
            "secret": each.secret,
            "deadline_days": each.deadline_days,
            "queues": sorted(each.queues),
        }
        for each in recipients
    ]
    with file_errors("writing the recipients"):
        write_whole(file, f"{json.dumps(rows, indent=2)}\n".encode(), draft=file.with_suffix(".draft"))


def parse_recipients(text: str, where: str) -> tuple[Recipient, ...]:
    """Read a list of recipients.

    Args:
        text: JSON: a list of objects with name, kind, url, secret, and perhaps deadline_days and queues.
        where: Named in errors.

    Raises:
        ConfigError: It is something else; no value is in the message.
    """
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"{where}: is not JSON; allowed: a list of recipients") from None
    if not isinstance(rows, list) or len(rows) > MOST_RECIPIENTS:
        raise ConfigError(f"{where}: allowed: a list of at most {MOST_RECIPIENTS} recipients")
    found = tuple(_recipient(row, f"{where}: recipient {i}") for i, row in enumerate(rows, start=1))
    if len({recipient.name for recipient in found}) != len(found):
        raise ConfigError(f"{where}: name: one of them is there twice")
    return found


def check_recipient(recipient: Recipient, where: str) -> Recipient:
    """Refuse what no recipient can be.

    Raises:
        ConfigError: A field has a value that is not allowed.
    """
    if not _NAME.fullmatch(recipient.name):
        raise ConfigError(f'{where}: name: allowed: 1 to 64 letters, digits, "-", "_" and "."')
    if recipient.kind not in KINDS:
        raise ConfigError(f"{where}: kind: allowed: {', '.join(KINDS)}")
    check_url(recipient.url, f"{where}: url")
    if len(recipient.secret) < SHORTEST_SECRET:
        raise ConfigError(f"{where}: secret: allowed: {SHORTEST_SECRET} characters or more")
    if not 1 <= recipient.deadline_days <= LONGEST_DEADLINE_DAYS:
        raise ConfigError(f"{where}: deadline_days: allowed: 1 to {LONGEST_DEADLINE_DAYS}")
    return recipient


def _recipient(row: object, where: str) -> Recipient:
    if not isinstance(row, dict) or not _NEEDED <= set(row) <= _NEEDED | _OPTIONAL:
        raise ConfigError(
            f"{where}: allowed: an object with name, kind, url, secret, and perhaps deadline_days and queues"
        )
    days, queues = row.get("deadline_days", 7), row.get("queues", [])
    if not all(isinstance(row[name], str) for name in _NEEDED):
        raise ConfigError(f"{where}: name, kind, url and secret: allowed: text")
    if isinstance(days, bool) or not isinstance(days, int):
        raise ConfigError(f"{where}: deadline_days: allowed: a whole number")
    if not isinstance(queues, list) or not all(isinstance(queue, str) and queue for queue in queues):
        raise ConfigError(f"{where}: queues: allowed: a list of names")
    recipient = Recipient(
        name=row["name"],
        kind=row["kind"],
        url=row["url"],
        secret=row["secret"],
        deadline_days=days,
        queues=frozenset(queues),
    )
    return check_recipient(recipient, where)
