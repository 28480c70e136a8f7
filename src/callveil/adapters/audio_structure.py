"""Whether an audio file is whole, judged from its container before anything is decoded.

Decoders are forgiving: libsndfile shortens a cut WAV or OGG without a word and mpg123 guesses the length of
an MP3. A call recording that lost its end must not pass for a whole one, so the containers are walked here.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from callveil.errors import AudioError


class Container(StrEnum):
    """The kinds of audio file that can be read."""

    WAV = "WAV"
    FLAC = "FLAC"
    MP3 = "MP3"
    OGG = "OGG"
    M4A = "M4A"


ALLOWED = "WAV, FLAC, MP3, OGG (Vorbis or Opus), M4A (AAC)"


def container_of(file: BinaryIO) -> Container:
    """Tell the container from the first bytes; the file's name plays no part.

    Args:
        file: At its beginning; left anywhere.

    Raises:
        AudioError: It is none of the allowed kinds.
    """
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return Container.WAV
    if head[:4] == b"fLaC":
        return Container.FLAC
    if head[:4] == b"OggS":
        return Container.OGG
    if head[4:8] == b"ftyp":
        return Container.M4A
    if head[:3] == b"ID3" or _mp3_frame(head[:4]):
        return Container.MP3
    raise AudioError(f"is not audio; allowed: {ALLOWED}")


def check_wav(file: BinaryIO, size: int) -> None:
    """Check that a WAV file's data chunk is all there.

    Args:
        file: The file, seekable.
        size: Its size in bytes.

    Raises:
        AudioError: The data chunk is missing, empty, or longer than the file.

    Source: Microsoft, "Multimedia Programming Interface and Data Specifications 1.0", 1991, RIFF and WAVE.
    """
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        found = size - position - 8
        if name == b"data":
            if length == 0 and found > 1:
                raise AudioError("its WAV header says 0 bytes of audio: the recorder never finished it")
            if length > found:
                raise AudioError(f"ends early: its WAV header says {length} bytes of audio, found {found}")
            return
        position += 8 + length + length % 2
    raise AudioError("ends early: it has no WAV data chunk")


def check_ogg(file: BinaryIO) -> None:
    """Check that an OGG file is one stream of pages with sound checksums and an end.

    Args:
        file: The file, seekable.

    Raises:
        AudioError: A page is damaged, missing or cut, the end-of-stream page is missing, or there is more
            than one stream.

    Source: RFC 3533, section 6, "The Ogg page format".
    """
    file.seek(0)
    serial, expected, ended = None, 0, False
    while header := file.read(27):
        if ended:
            raise AudioError("holds several OGG streams or bytes after its end; allowed: one stream")
        if len(header) < 27:
            raise AudioError("ends early: its last OGG page is cut")
        mark, _, flags, _, page_serial, number, checksum, n_segments = struct.unpack("<4sBBqIIIB", header)
        if mark != b"OggS":
            raise AudioError(f"is damaged: no OGG page at byte {file.tell() - 27}")
        lacing = file.read(n_segments)
        body = file.read(sum(lacing))
        if len(lacing) < n_segments or len(body) < sum(lacing):
            raise AudioError("ends early: its last OGG page is cut")
        if _ogg_checksum(header[:22] + bytes(4) + header[26:] + lacing + body) != checksum:
            raise AudioError(f"is damaged: checksum of OGG page {number} is wrong")
        if serial not in (None, page_serial):
            raise AudioError("holds several OGG streams; allowed: one")
        if number != expected:
            raise AudioError(f"is damaged: OGG page {expected} is missing")
        serial, expected, ended = page_serial, number + 1, bool(flags & 4)
    if not ended:
        raise AudioError("ends early: it has no OGG end-of-stream page")


_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def _ogg_checksum(page: bytes) -> int:
    # OGG uses the polynomial of zlib.crc32, most significant bit first, without the inversions.
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mp3Stream:
    """What the frames of an MP3 file add up to.

    Attributes:
        rate_hz: Sample rate.
        n_samples: Samples per channel in all frames, the encoder's padding included.
        frame_samples: Samples per channel in one frame, 576 or 1152.
        has_count: A Xing or Info frame states the number of frames (and it was right).
        constant: All frames have the same bit rate.
    """

    rate_hz: int
    n_samples: int
    frame_samples: int
    has_count: bool
    constant: bool


# Bit rates of layer III in kbit/s by index 1 to 14, and sample rates in Hz.
# Source: ISO/IEC 11172-3 (MPEG-1), ISO/IEC 13818-3 (MPEG-2); MPEG-2.5 halves the rates of MPEG-2.
_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_LONGEST_TAG = 1 << 20


@dataclass(frozen=True, slots=True)
class _Mp3Frame:
    version: int
    rate_hz: int
    kbps: int
    n_bytes: int
    n_samples: int
    mono: bool

    @property
    def xing_offset(self) -> int:
        """Where a Xing or Info mark lies: behind the 4-byte header and the side information."""
        if self.version == 3:
            return 4 + (17 if self.mono else 32)
        return 4 + (9 if self.mono else 17)


def _mp3_frame(header: bytes) -> _Mp3Frame | None:
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, index, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or index in (0, 15) or rate == 3:
        return None
    kbps = (_KBPS_1 if version == 3 else _KBPS_2)[index]
    rate_hz = _RATES_HZ[version][rate]
    n_samples = 1152 if version == 3 else 576
    n_bytes = n_samples // 8 * kbps * 1000 // rate_hz + (header[2] >> 1 & 1)
    return _Mp3Frame(version, rate_hz, kbps, n_bytes, n_samples, header[3] >> 6 == 3)


def check_mp3(file: BinaryIO, size: int) -> Mp3Stream:
    """Check that an MP3 file is an unbroken chain of frames, as many as it says.

    A file without a Xing or Info frame that was cut exactly between two frames passes for a whole one.

    Args:
        file: The file, seekable.
        size: Its size in bytes.

    Raises:
        AudioError: The chain is broken, the last frame is cut, or frames are missing.
    """
    position, end = _after_id3(file), _before_tags(file, size)
    first: _Mp3Frame | None = None
    count: int | None = None
    n_frames, constant = 0, True
    while position < end:
        file.seek(position)
        frame = _mp3_frame(file.read(4))
        if frame is None or (first and (frame.version, frame.rate_hz) != (first.version, first.rate_hz)):
            if first is None:
                raise AudioError(f"is not audio: no MP3 frame behind its tag; allowed: {ALLOWED}")
            raise AudioError(f"is damaged: no MP3 frame at byte {position}")
        if position + frame.n_bytes > end:
            raise AudioError("ends early: its last MP3 frame is cut")
        if first is None:
            first = frame
            count = _xing_count(file, position, frame)
            n_frames -= count is not None
        constant = constant and frame.kbps == first.kbps
        n_frames += 1
        position += frame.n_bytes
    if first is None or n_frames == 0:
        raise AudioError("holds no samples")
    if count and count != n_frames:
        raise AudioError(f"ends early: its header says {count} MP3 frames, found {n_frames}")
    return Mp3Stream(
        rate_hz=first.rate_hz,
        n_samples=n_frames * first.n_samples,
        frame_samples=first.n_samples,
        has_count=bool(count),
        constant=constant,
    )


def _xing_count(file: BinaryIO, position: int, frame: _Mp3Frame) -> int | None:
    """Number of frames in a Xing or Info frame, 0 when it states none; None for an ordinary frame."""
    file.seek(position + frame.xing_offset)
    mark, flags, count = struct.unpack(">4sII", file.read(12).ljust(12, b"\0"))
    if mark not in (b"Xing", b"Info"):
        return None
    return int(count) if flags & 1 else 0


def _after_id3(file: BinaryIO) -> int:
    file.seek(0)
    head = file.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
    return 10 + length + (10 if head[5] & 0x10 else 0)


def _before_tags(file: BinaryIO, size: int) -> int:
    """Where the frames end: an ID3v1 tag (128 bytes) and an APE tag before it may follow them."""
    end = size
    file.seek(max(0, end - 128))
    if file.read(3) == b"TAG":
        end -= 128
    file.seek(max(0, end - 32))
    footer = file.read(32)
    if footer[:8] == b"APETAGEX":
        length = int.from_bytes(footer[12:16], "little") + (32 if footer[23] & 0x80 else 0)
        end -= length if length < _LONGEST_TAG else 0
    return end
