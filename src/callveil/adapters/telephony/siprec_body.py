"""SIPREC: the body of an INVITE, with SDP and recording metadata side by side (RFC 7866 section 9)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from callveil.errors import MetadataError

MAX_BODY_BYTES: Final = 1_048_576
"""Ours, as for a metadata file. Real bodies have some 3 kB."""

METADATA_TYPES: Final = frozenset({"application/rs-metadata+xml", "application/rs-metadata"})
_MAX_PARTS = 16
# RFC 2046 section 5.1.1.
_BOUNDARY = re.compile(r";\s*boundary\s*=\s*(?:\"([^\"\r\n]{1,70})\"|([^\s;\"]{1,70}))", re.IGNORECASE)
_LABEL = re.compile(r"[\x21-\x7e]{1,256}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiprecBody:
    """The parts that count.

    Attributes:
        metadata: XML of RFC 7865.
        sdp: Session description; None in an update without one.
    """

    metadata: bytes = field(repr=False)
    sdp: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SdpStream:
    """A media line that has a label.

    Attributes:
        label: Joins it with a stream of the metadata.
        media: Such as "audio".
        sending: False when it is `inactive` or `recvonly`, as for a call on hold.
    """

    label: str
    media: str
    sending: bool


def read_body(body: bytes, content_type: str) -> SiprecBody:
    """Take an INVITE's body apart.

    Args:
        body: At most 1 MiB.
        content_type: The message's header, `multipart/mixed` with its boundary, or metadata alone.

    Raises:
        MetadataError: It is not such a body, or holds no metadata, or more than once.
    """
    if len(body) > MAX_BODY_BYTES:
        raise MetadataError(f"body: is larger than {MAX_BODY_BYTES} bytes")
    kind = _media_type(content_type)
    if kind in METADATA_TYPES:
        return SiprecBody(metadata=body, sdp=None)
    boundary = _BOUNDARY.search(content_type)
    if not kind.startswith("multipart/") or boundary is None:
        raise MetadataError(
            "Content-Type: allowed: multipart/mixed with a boundary, application/rs-metadata+xml"
        )
    parts = _parts(body, (boundary[1] or boundary[2]).encode("utf-8", "replace"))
    metadata = [content for kind, content in parts if kind in METADATA_TYPES]
    sdp = [content for kind, content in parts if kind == "application/sdp"]
    if len(metadata) != 1 or len(sdp) > 1:
        raise MetadataError(
            "body: allowed: one part application/rs-metadata+xml, at most one application/sdp"
        )
    return SiprecBody(metadata=metadata[0], sdp=sdp[0] if sdp else None)


def sdp_streams(sdp: bytes) -> tuple[SdpStream, ...]:
    """The labelled media lines of a session description, in its order (RFC 4574).

    Raises:
        MetadataError: A label stands twice, or is none.
    """
    found: list[SdpStream] = []
    for block in re.split(rb"(?m)^m=", sdp)[1:]:
        lines = block.decode("utf-8", "replace").splitlines()
        labels = [line[8:].strip() for line in lines if line.startswith("a=label:")]
        if not labels:
            continue
        if len(labels) > 1 or _LABEL.fullmatch(labels[0]) is None:
            raise MetadataError(
                "sdp: a=label: allowed: one of 1 to 256 visible characters for each media line"
            )
        found.append(
            SdpStream(
                label=labels[0],
                media=lines[0].partition(" ")[0],
                sending=not {"a=inactive", "a=recvonly"} & {line.strip() for line in lines},
            )
        )
    if len({stream.label for stream in found}) < len(found):
        raise MetadataError("sdp: a=label: stands at two media lines")
    return tuple(found)


def _parts(body: bytes, boundary: bytes) -> list[tuple[str, bytes]]:
    """Media type and content of each part; parts in parts are not opened."""
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(?:--)?[ \t]*(?:\r?\n|\Z)")
    # What stands before the first delimiter is no part. The last one is often missing in practice.
    pieces = delimiter.split(body)[1:]
    if len(pieces) > _MAX_PARTS + 1:
        raise MetadataError(f"body: has more than {_MAX_PARTS} parts")
    found = []
    for piece in pieces:
        head, blank, content = _cut(piece)
        if not blank:
            continue
        headers = _headers(head)
        if headers.get("content-transfer-encoding", "binary").lower() not in ("7bit", "8bit", "binary"):
            raise MetadataError("Content-Transfer-Encoding: allowed: 7bit, 8bit, binary")
        found.append((_media_type(headers.get("content-type", "")), content))
    return found


def _cut(piece: bytes) -> tuple[bytes, bytes, bytes]:
    blank = re.search(rb"\r?\n\r?\n", piece)
    return (piece, b"", b"") if blank is None else (piece[: blank.start()], blank[0], piece[blank.end() :])


def _headers(head: bytes) -> Mapping[str, str]:
    text = re.sub(r"\r?\n[ \t]+", " ", head.decode("utf-8", "replace"))
    lines = (line.partition(":") for line in text.splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()
