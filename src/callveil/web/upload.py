"""A push's body, multipart/form-data, read as it comes: metadata into memory, audio into the landing."""

from __future__ import annotations

import hashlib
import io
from typing import Protocol

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from callveil.adapters.audio_structure import container_of
from callveil.adapters.call_metadata import MAX_BYTES as MOST_METADATA_BYTES
from callveil.errors import AudioError
from callveil.web.problems import ProblemError

PARTS = ("metadata", "audio")

_MOST_HEADER_BYTES = 8192
_HEAD_BYTES = 64
"""Enough to tell every container that is read."""


class Sink(Protocol):
    """Takes the audio."""

    def write(self, data: bytes) -> None:
        """Append."""


class Upload:
    """Parser of one body; give it every chunk, then `finish`.

    Args:
        content_type: Of the request.
        sink: Takes the audio part as it comes.
        max_bytes: Of the audio.

    Raises:
        ProblemError: 415 for another content type, 413 for too much, 422 for a body that is not what it says.
    """

    def __init__(self, content_type: str, sink: Sink, max_bytes: int) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise ProblemError(415, "Content-Type: allowed: multipart/form-data with a boundary")
        self._sink, self._max_bytes = sink, max_bytes
        self._hash, self._body = hashlib.sha256(), hashlib.sha256()
        self._metadata, self._head = bytearray(), bytearray()
        self._seen: set[str] = set()
        self._name = ""
        self._header: list[bytearray] = [bytearray(), bytearray()]
        self._n_header_bytes = 0
        self._disposition = b""
        self._ended = False
        self.n_bytes = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": lambda data, start, end: self._header_bytes(0, data[start:end]),
                "on_header_value": lambda data, start, end: self._header_bytes(1, data[start:end]),
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": lambda data, start, end: self._data(data[start:end]),
                "on_end": self._ends,
            },
        )

    @property
    def body_sha256(self) -> str:
        """Of the whole body so far, in hex."""
        return self._body.hexdigest()

    @property
    def audio_sha256(self) -> str:
        """Of the audio so far, in hex."""
        return self._hash.hexdigest()

    @property
    def metadata(self) -> bytes:
        """The metadata part."""
        return bytes(self._metadata)

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body."""
        self._body.update(chunk)
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise ProblemError(422, "body: is not multipart/form-data with that boundary") from None

    def finish(self) -> None:
        """All is there; check that it is whole."""
        try:
            self._parser.finalize()
        except FormParserError:
            raise ProblemError(422, "body: is not multipart/form-data with that boundary") from None
        missing = [name for name in PARTS if name not in self._seen]
        if missing:
            raise ProblemError(422, f"body: part {missing[0]} is missing; needed: metadata (JSON) and audio")
        if not self._ended:
            raise ProblemError(422, "body: ends before its last boundary")
        if self.n_bytes == 0:
            raise ProblemError(422, "audio: is empty")
        try:
            container_of(io.BytesIO(bytes(self._head)))
        except AudioError as error:
            raise ProblemError(415, f"audio: {error}") from None

    def _part_begins(self) -> None:
        self._name, self._disposition, self._n_header_bytes = "", b"", 0
        self._header = [bytearray(), bytearray()]

    def _header_bytes(self, which: int, data: bytes) -> None:
        self._n_header_bytes += len(data)
        if self._n_header_bytes > _MOST_HEADER_BYTES:
            raise ProblemError(413, f"body: headers of a part: allowed: up to {_MOST_HEADER_BYTES} bytes")
        self._header[which] += data

    def _header_ends(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = bytes(self._header[1])
        self._header = [bytearray(), bytearray()]

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name not in PARTS:
            raise ProblemError(422, "body: has a part of another name; allowed: metadata and audio")
        if name in self._seen:
            raise ProblemError(422, f"body: has two parts called {name}")
        self._seen.add(name)
        self._name = name

    def _data(self, data: bytes) -> None:
        if self._name == "metadata":
            if len(self._metadata) + len(data) > MOST_METADATA_BYTES:
                raise ProblemError(413, f"metadata: allowed: up to {MOST_METADATA_BYTES} bytes")
            self._metadata += data
            return
        self.n_bytes += len(data)
        if self.n_bytes > self._max_bytes:
            raise ProblemError(413, f"audio: allowed: up to {self._max_bytes} bytes")
        if len(self._head) < _HEAD_BYTES:
            self._head += data[: _HEAD_BYTES - len(self._head)]
        self._hash.update(data)
        self._sink.write(data)

    def _ends(self) -> None:
        self._ended = True
