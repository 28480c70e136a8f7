"""A report on what a store holds: one HTML file that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from callveil import __version__
from callveil.adapters.store_rules import CALLS, is_restricted, removed_parts
from callveil.errors import NotFoundError, StoreError
from callveil.pipeline.report_views import CallView, KindTotal, call_view, kind_totals, masked_seconds
from callveil.ports import ObjectStore
from callveil.vocabulary.recording import Part

_FEW_CALLS = 5
_MAX_EMBEDDED_BYTES = 60_000_000  # of all calls together; browsers grow slow beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line of the overview; `has_audio` is False once retention or erasure has deleted the recording."""

    call_id: str
    started_at: datetime
    duration_s: float
    masked_s: float
    n_masks: int
    has_audio: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Totals:
    """The figures on top."""

    kept: int
    quarantined: int
    held: int
    discarded: int
    duration_s: float
    masked_s: float
    kinds: tuple[KindTotal, ...]


def write_report(
    store: ObjectStore,
    out: Path,
    *,
    title: str,
    decisions: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Write the report.

    It reads published objects and decision records only, one call at a time. The record of a call that was
    published since is left out. Parts that retention or erasure deleted are named as such; of restricted
    calls nothing is shown that was said.

    Args:
        store: What to report on.
        out: The HTML file; an earlier one is replaced when the new one is complete.
        title: Heading.
        decisions: Decision records of the calls that were not kept; None reads them from the store.

    Raises:
        StoreError: The store failed, or holds a document that is not in its format.
        AudioError: A redacted recording cannot be decoded.
    """
    prefixes = list(store.list_calls())
    recordings = {stored.key for stored in store.list_objects(CALLS) if stored.key.endswith(f"/{Part.AUDIO}")}
    records = _records(store) if decisions is None else list(decisions)
    rows, spans, published_at = [], [], dict[str, str]()
    for prefix in prefixes:
        with _well_formed(prefix):
            certificate = _document(store, prefix + Part.CERTIFICATE)
            rows.append(_row(certificate, has_audio=prefix + Part.AUDIO in recordings))
            spans.extend(certificate["masked_spans"])
            published_at[certificate["call_id"]] = certificate["created_at"]
    with _well_formed("decisions/"):
        # Points in time are written in one form, so their texts have the order of time.
        records = [r for r in records if r["decided_at"] >= published_at.get(r["call_id"], "")]
    page = _environment().get_template("report.html.j2")
    stream = page.stream(
        title=title,
        version=__version__,
        totals=_totals(rows, spans, records),
        rows=rows,
        quarantined=[record for record in records if record["action"] == "quarantine"],
        refused=[record for record in records if record["action"] != "quarantine"],
        calls=_calls(store, prefixes),
        open_transcripts=len(rows) <= _FEW_CALLS,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f"{out.name}.part")
    try:
        stream.dump(str(draft), encoding="utf-8")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def clock(second: float) -> str:
    """Seconds as players show them: "1:05", "1:02:03"."""
    minutes, s = divmod(int(second), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{s:02d}" if hours else f"{minutes}:{s:02d}"


def _calls(store: ObjectStore, prefixes: Sequence[str]) -> Iterator[CallView]:
    embedded_bytes = 0
    for prefix in prefixes:
        with _well_formed(prefix):
            tags = store.tags(prefix + Part.CERTIFICATE)
            may_show = not is_restricted(tags)
            transcript = _part(store, prefix, Part.TRANSCRIPT) if may_show else None
            view = call_view(
                audio_key=prefix + Part.AUDIO,
                certificate=_document(store, prefix + Part.CERTIFICATE),
                transcript=None if transcript is None else _parsed(transcript),
                audio=_part(store, prefix, Part.AUDIO) if may_show else None,
                tags=tags,
                may_embed=embedded_bytes < _MAX_EMBEDDED_BYTES,
            )
        embedded_bytes += view.audio_bytes if view.audio_uri else 0
        yield view


def _records(store: ObjectStore) -> list[Mapping[str, Any]]:
    records: list[Mapping[str, Any]] = []
    for stored in store.list_objects("decisions/"):
        with _well_formed(stored.key):
            records.append(_document(store, stored.key))
    return records


def _part(store: ObjectStore, prefix: str, part: Part) -> bytes | None:
    """Content of a part; None when retention or erasure has deleted it."""
    try:
        return store.get(prefix + part)
    except NotFoundError:
        if part in removed_parts(store.tags(prefix + Part.CERTIFICATE)):
            return None
        raise


def _document(store: ObjectStore, key: str) -> dict[str, Any]:
    return _parsed(store.get(key))


def _parsed(content: bytes) -> dict[str, Any]:
    document = json.loads(content)
    if not isinstance(document, dict):
        raise TypeError("not a JSON object")
    return document


@contextmanager
def _well_formed(place: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{place}: a stored document is not in its format") from error


def _row(certificate: Mapping[str, Any], *, has_audio: bool) -> _Row:
    spans = certificate["masked_spans"]
    return _Row(
        call_id=certificate["call_id"],
        started_at=datetime.fromisoformat(certificate["started_at"]),
        duration_s=certificate["audio"]["duration_s"],
        masked_s=masked_seconds(spans),
        n_masks=len(spans),
        has_audio=has_audio,
    )


def _totals(
    rows: Sequence[_Row], spans: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]
) -> _Totals:
    return _Totals(
        kept=len(rows),
        quarantined=sum(record["action"] == "quarantine" for record in records),
        held=sum(record["action"] == "hold" for record in records),
        discarded=sum(record["action"] == "discard" for record in records),
        duration_s=sum(row.duration_s for row in rows if row.has_audio),
        masked_s=sum(row.masked_s for row in rows if row.has_audio),
        kinds=kind_totals(spans),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("callveil.pipeline", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = clock
    environment.filters["tenths"] = lambda second: f"{second:.1f}"
    environment.filters["day"] = _day
    environment.filters["size"] = lambda n_bytes: f"{n_bytes / 1e6:.1f} MB"
    return environment


def _day(moment: datetime | str) -> str:
    when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{when.day} {when:%B %Y, %H:%M} UTC"
