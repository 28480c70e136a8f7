"""Stretches that somebody marked, out of a form. `templates/marking.html.j2` makes the fields."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from starlette.datastructures import FormData

from callveil.errors import MetadataError
from callveil.pipeline.report_views import kind_of
from callveil.pipeline.reviews import MOST_STRETCHES
from callveil.vocabulary.call import Call, Role
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.reviews import Stretch

CHANNEL, START, END, ENTITY = "stretch_channel", "stretch_start", "stretch_end", "stretch_entity"
BOTH = "all"
"""Stands for every channel."""

_CLOCK = re.compile(r"(?:(?:(\d{1,2}):)?(\d{1,4}):)?(\d{1,6}(?:[.,]\d{1,6})?)", re.ASCII)
_ROLES: Mapping[Role, str] = {Role.AGENT: "Agent", Role.CUSTOMER: "Customer"}


def stretches_of(form: FormData, *, channels: int) -> tuple[Stretch, ...]:
    """Read the stretches of a form. Rows without times are left out.

    Args:
        form: It; times are seconds or "m:ss.s".
        channels: Of the call; a row may mean all of them.

    Raises:
        MetadataError: A row is not complete or not readable; it is named by its place.
    """
    found: list[Stretch] = []
    columns = [[str(value) for value in form.getlist(name)] for name in (CHANNEL, START, END, ENTITY)]
    if max(map(len, columns)) > MOST_STRETCHES:
        raise MetadataError(f"marks: allowed: up to {MOST_STRETCHES}")
    for number, (channel, start, end, entity) in enumerate(zip_longest(*columns, fillvalue=""), 1):
        if not start.strip() and not end.strip():
            continue
        where = f"mark {number}"
        start_s, end_s = _seconds(start, f"{where}: start"), _seconds(end, f"{where}: end")
        for each in _channels(channel, channels, where):
            found.append(Stretch(channel=each, start_s=start_s, end_s=end_s, entity=_kind(entity, where)))
    return tuple(found)


def clock(seconds: float) -> str:
    """A time as the fields show it, "1:23.45"."""
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes}:{rest // 100:02}.{rest % 100:02}"


def kinds() -> tuple[tuple[str, str], ...]:
    """All kinds of personal data with their names, by name."""
    return tuple(sorted(((each.value, kind_of(each.value).label) for each in Entity), key=lambda one: one[1]))


def channel_names(call: Call, channels: int) -> list[str]:
    """Who is heard on each channel, for people."""
    if channels == 1:
        return ["The call"]
    names = []
    for channel in range(channels):
        roles = [party.role for party in call.parties if party.channel == channel]
        names.append(_ROLES.get(roles[0], f"Channel {channel + 1}") if roles else f"Channel {channel + 1}")
    return names if len(set(names)) == channels else [f"Channel {each + 1}" for each in range(channels)]


def rows(stretches: Sequence[Stretch]) -> list[dict[str, str]]:
    """Stretches as the fields hold them: to hundredths, never shorter."""
    return [
        {
            "channel": str(each.channel),
            "start": clock(math.floor(each.start_s * 100 + 1e-6) / 100),
            "end": clock(math.ceil(each.end_s * 100 - 1e-6) / 100),
            "kind": each.entity.value,
        }
        for each in stretches
    ]


def given_rows(form: FormData) -> list[dict[str, str]]:
    """What was typed, to be shown again beside what is wrong with it."""
    columns = [[str(value)[:40] for value in form.getlist(name)] for name in (CHANNEL, START, END, ENTITY)]
    whole = list(zip_longest(*columns, fillvalue=""))[:MOST_STRETCHES]
    return [
        {"channel": channel, "start": start, "end": end, "kind": kind}
        for channel, start, end, kind in whole
        if start.strip() or end.strip()
    ]


def _seconds(text: str, where: str) -> float:
    parts = _CLOCK.fullmatch(text.strip())
    if parts is None:
        raise MetadataError(f"{where}: allowed: seconds, or minutes:seconds such as 1:23.4")
    hours, minutes, seconds = parts.groups()
    return 3600.0 * int(hours or 0) + 60.0 * int(minutes or 0) + float(seconds.replace(",", "."))


def _channels(text: str, channels: int, where: str) -> range:
    if text == BOTH:
        return range(channels)
    if not (text.isascii() and text.isdigit() and len(text) == 1):
        raise MetadataError(f"{where}: channel: allowed: 0 to {channels - 1}, or {BOTH}")
    return range(int(text), int(text) + 1)


def _kind(text: str, where: str) -> Entity:
    try:
        return Entity(text)
    except ValueError:
        raise MetadataError(f"{where}: kind: allowed: one from the list") from None
