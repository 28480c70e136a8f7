"""The encrypted form of a landed recording: a header and authenticated chunks, like the STREAM construction.

    file    = header, record, record, ...
    header  = magic (8), version (1), token (16), nonce prefix (7)
    record  = end (1), length of the plaintext (4), ciphertext, tag (16)
    nonce   = nonce prefix (7), number of the record (4), end (1); associated data: the header

`end` is 0 for a record that others follow, 1 for the last one and 2 for the empty last one that
`Landing.finish_partial` writes. Number and end stand in the nonce, so a record that is moved, dropped,
doubled, or was not last, does not decrypt; the token in the header keeps a record from passing for another
recording's. `end` 2 has a nonce of its own: a writer that died may have used the one with 1 already.

Source: AES-256-GCM with 96-bit nonces and 128-bit tags (NIST SP 800-38D); Hoang, Reyhanitabar, Rogaway and
Vizar, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance" (2015), for STREAM. The data
key is used for one file, so a nonce comes up once as long as its number does.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from callveil.errors import LandingError, NotFoundError, TamperedError

CHUNK_BYTES = 64 << 10
"""Most plaintext in one record."""

KEY_BYTES = 32

_MAGIC, _VERSION = b"CVLANDED", 1
_HEADER = struct.Struct(">8sB16s7s")
HEADER_BYTES = _HEADER.size
_PREFACE = struct.Struct(">BI")
_TAG_BYTES = 16
_MOST_RECORDS = 2**32

POLL_S = 0.05
"""How long a follower waits before it looks again; live calls are to be heard within a second."""

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""Offset and size to bytes; fewer at the end of the file."""


class End(IntEnum):
    """Whether a record is the last one."""

    NO = 0
    YES = 1
    RECOVERED = 2
    """Last and empty, written when its writer had died."""


class Sealer:
    """Encrypts the records of one recording, in order.

    Args:
        key: The data key, `KEY_BYTES`.
        header: See `new_header`.
        number: Of the next record.
    """

    def __init__(self, key: bytes, header: bytes, *, number: int = 0) -> None:
        self._cipher = AESGCM(key)
        self._header = header
        self._number = number

    def seal(self, plain: bytes, end: End) -> bytes:
        """Make the next record.

        Args:
            plain: Up to `CHUNK_BYTES`.
            end: Whether it is the last one.

        Raises:
            LandingError: The recording has 2^32 records.
        """
        if self._number >= _MOST_RECORDS:
            raise LandingError("landing: a recording has too many pieces; flush less often")
        nonce = _nonce(self._header, self._number, end)
        self._number += 1
        return _PREFACE.pack(end, len(plain)) + self._cipher.encrypt(nonce, plain, self._header)


def new_header(token: str) -> bytes:
    """Header of a new recording, with a random nonce prefix.

    Args:
        token: 32 hex digits.
    """
    return _HEADER.pack(_MAGIC, _VERSION, bytes.fromhex(token), os.urandom(7))


class Records:
    """Reads the records of one recording from its beginning.

    Attributes:
        position: Offset behind the last whole record that was read.
        number: How many were read.
        is_closed: The last one was read.

    Args:
        read_at: Gives the file's bytes.
        key: The data key.
        token: Of the recording.
    """

    def __init__(self, read_at: ReadAt, key: bytes, token: str) -> None:
        self._read_at = read_at
        self._cipher = AESGCM(key)
        self._token = bytes.fromhex(token)
        self._header = b""
        self.position = 0
        self.number = 0
        self.is_closed = False

    @property
    def header(self) -> bytes:
        """The header; b"" until it was read whole."""
        return self._header

    def next(self) -> bytes | None:
        """Decrypt the next record; None when there is no whole one (yet).

        Raises:
            TamperedError: It is not what was written.
        """
        preface = self._preface()
        if preface is None:
            return None
        end, size = preface
        record = self._read_at(self.position + _PREFACE.size, size + _TAG_BYTES)
        if len(record) < size + _TAG_BYTES:
            return None
        plain = self._open(record, end)
        self._step(end, size)
        return plain

    def skip_to_end(self) -> None:
        """Pass over all whole records, and authenticate the last one when it says that it is the last.

        Raises:
            TamperedError: It is not what was written.
        """
        while (preface := self._preface()) is not None:
            end, size = preface
            if end is not End.NO:
                self.next()
                return
            last_byte = self.position + _PREFACE.size + size + _TAG_BYTES - 1
            if not self._read_at(last_byte, 1):
                return
            self._step(end, size)

    def check_nothing_follows(self) -> None:
        """Refuse what was added behind the last record.

        Raises:
            TamperedError: There is something.
        """
        if self._read_at(self.position, 1):
            raise TamperedError("landing: something was added behind the end of a recording")

    def is_zeroed(self) -> bool:
        """Tell whether the next record is what a power cut leaves: zeros from some place in it to the end.

        File systems may make a file longer before its content has reached the disk.
        """
        preface = self._read_at(self.position, _PREFACE.size)
        position = self.position
        if preface.count(0) != len(preface):  # a begun record: its tag has to be zeros
            position += _PREFACE.size + int.from_bytes(preface[1:], "big")
            if len(self._read_at(position, _TAG_BYTES)) < _TAG_BYTES:
                return False
        while block := self._read_at(position, CHUNK_BYTES):
            if block.count(0) != len(block):
                return False
            position += len(block)
        return True

    def _preface(self) -> tuple[End, int] | None:
        if self.is_closed or not (self._header or self._read_header()):
            return None
        raw = self._read_at(self.position, _PREFACE.size)
        if len(raw) < _PREFACE.size:
            return None
        end, size = _PREFACE.unpack(raw)
        least, most = {End.NO: (1, CHUNK_BYTES), End.YES: (0, CHUNK_BYTES)}.get(end, (0, 0))
        if end > End.RECOVERED or not least <= size <= most:
            raise TamperedError("landing: a recording holds a piece that makes no sense")
        return End(end), size

    def _read_header(self) -> bool:
        raw = self._read_at(0, _HEADER.size)
        if len(raw) < _HEADER.size:
            return False
        magic, version, token, _ = _HEADER.unpack(raw)
        if (magic, token) != (_MAGIC, self._token):
            raise TamperedError("landing: the file is not the recording that its name says")
        if version != _VERSION:
            raise TamperedError(f"landing: the recording has version {version}; known: {_VERSION}")
        self._header, self.position = raw, _HEADER.size
        return True

    def _open(self, record: bytes, end: End) -> bytes:
        try:
            return self._cipher.decrypt(_nonce(self._header, self.number, end), record, self._header)
        except InvalidTag:
            raise TamperedError("landing: a piece of a recording is not what was written") from None

    def _step(self, end: End, size: int) -> None:
        self.position += _PREFACE.size + size + _TAG_BYTES
        self.number += 1
        self.is_closed = end is not End.NO


def read_records(
    records: Records,
    *,
    follow: Callable[[], bool] | None,
    partial: bool,
    wait: Callable[[float], None],
    is_there: Callable[[], bool],
) -> Iterator[bytes]:
    """Decrypt a recording; see `Landing.read`.

    Args:
        records: Of the recording.
        follow: See `Landing.read`.
        partial: See `Landing.read`.
        wait: Sleeps so many seconds.
        is_there: False once the recording was shredded.
    """
    while not records.is_closed:
        # Asked before the file is looked at, so that nothing flushed before "no more" is missed.
        more = follow is not None and follow()
        while (plain := _whole(records, partial=partial and not more)) is not None:
            if plain:
                yield plain
        if records.is_closed or not more:
            break
        if not is_there():
            raise NotFoundError("landing: the recording was shredded")
        wait(POLL_S)
    if records.is_closed:
        records.check_nothing_follows()
    elif not partial:
        raise LandingError("landing: the recording is not finished")


def _whole(records: Records, *, partial: bool) -> bytes | None:
    try:
        return records.next()
    except TamperedError:
        if partial and records.is_zeroed():
            return None
        raise


def _nonce(header: bytes, number: int, end: End) -> bytes:
    return header[-7:] + number.to_bytes(4, "big") + bytes([end])
