"""The header of an M4A file: how much audio it promises, and whether all of it is there.

Source: ISO/IEC 14496-12 (boxes mdhd, stts, stsz, elst, stsd).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from callveil.errors import AudioError

_LONGEST_INDEX = 64 << 20
"""Largest moov box read, in bytes; 24 hours of AAC at 48 kHz need about 16 MB."""

_SHORTEST_STEP_S, _LONGEST_STEP_S = Fraction(960, 48000), Fraction(2048, 8000)
"""An AAC packet decodes to 960 to 2048 samples at 8 to 48 kHz (ISO/IEC 14496-3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class M4aHeader:
    """What an M4A file promises.

    Attributes:
        duration_s: Length of its one AAC track, the encoder's lead-in left out, in seconds.
    """

    duration_s: Fraction


def check_m4a(file: BinaryIO, size: int) -> M4aHeader:
    """Read the header, and check that the file holds what it promises.

    Args:
        file: The file, seekable.
        size: Its size in bytes.

    Raises:
        AudioError: It is cut, fragmented, holds no or several audio tracks, a codec that is not AAC, or
            time stamps that AAC cannot have.
    """
    moov, data_bytes = None, 0
    for name, start, end in _file_boxes(file, size):
        if name == b"mdat":
            data_bytes += end - start
        elif name == b"moov":
            if end - start > _LONGEST_INDEX:
                raise AudioError(f"has an M4A index of {end - start} bytes; allowed up to {_LONGEST_INDEX}")
            file.seek(start)
            moov = file.read(end - start)
    if moov is None:
        raise AudioError("ends early: its M4A index (moov) is missing")
    try:
        return _read_index(moov, data_bytes)
    except (struct.error, ZeroDivisionError) as error:
        raise AudioError("is damaged: its M4A index cannot be read") from error


def _file_boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    position = 0
    while position < size:
        file.seek(position)
        head = file.read(16)
        if len(head) < 8:
            raise AudioError("ends early: its last M4A box is cut")
        length, name = struct.unpack(">I4s", head[:8])
        start = position + 8
        if length == 1 and len(head) == 16:
            length, start = int.from_bytes(head[8:16], "big"), position + 16
        end = size if length == 0 else position + length
        if end < start:
            raise AudioError(f"is damaged: no M4A box at byte {position}")
        if end > size:
            raise AudioError(f"ends early: an M4A box of {length} bytes has only {size - position}")
        yield name, start, end
        position = end


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        if length < 8 or position + length > len(data):
            raise AudioError("is damaged: its M4A index cannot be read")
        yield name, data[position + 8 : position + length]
        position += length


def _box(data: bytes, *path: bytes) -> bytes:
    for name in path:
        data = dict(_boxes(data)).get(name, b"")
    return data


def _read_index(moov: bytes, data_bytes: int) -> M4aHeader:
    boxes = list(_boxes(moov))
    if b"mvex" in dict(boxes):
        raise AudioError("is a fragmented M4A, which cannot be checked to be whole; allowed: plain M4A")
    tracks = [box for name, box in boxes if name == b"trak"]
    sound = [track for track in tracks if _box(track, b"mdia", b"hdlr")[8:12] == b"soun"]
    if len(sound) != 1:
        raise AudioError(f"holds {len(sound)} audio tracks; allowed: 1")
    track = sound[0]
    table = _box(track, b"mdia", b"minf", b"stbl")
    codec = _box(table, b"stsd")[12:16]
    if codec != b"mp4a":
        raise AudioError("holds audio that is not AAC; allowed in M4A: AAC")
    n_packets, promised = _packets(_box(table, b"stsz"))
    if promised > data_bytes:
        raise AudioError(f"ends early: its M4A index says {promised} bytes of audio, found {data_bytes}")
    time_unit_hz = _time_unit(_box(track, b"mdia", b"mdhd"))
    total = _ticks(_box(table, b"stts"), time_unit_hz, n_packets)
    lead_in, kept_s = _edit(_box(track, b"edts", b"elst"), _time_unit(_box(moov, b"mvhd")))
    duration_s = Fraction(total - lead_in, time_unit_hz)
    if kept_s is not None and duration_s - kept_s > _LONGEST_STEP_S:
        raise AudioError("has an M4A edit list that leaves audio out; allowed: the encoder's lead-in only")
    if duration_s <= 0:
        raise AudioError("holds no samples")
    return M4aHeader(duration_s=duration_s)


def _time_unit(box: bytes) -> int:
    """Ticks per second of an mdhd or mvhd box."""
    (unit,) = struct.unpack_from(">I", box, 20 if box[:1] == b"\1" else 12)
    if unit == 0:
        raise AudioError("is damaged: its M4A index cannot be read")
    return int(unit)


def _packets(stsz: bytes) -> tuple[int, int]:
    """Number of packets, and their bytes together."""
    same, count = struct.unpack_from(">II", stsz, 4)
    if same:
        return count, same * count
    if count * 4 > len(stsz) - 12:
        raise AudioError("is damaged: its M4A index cannot be read")
    return count, sum(struct.unpack_from(f">{count}I", stsz, 12))


def _ticks(stts: bytes, time_unit_hz: int, n_packets: int) -> int:
    """Length of the track. Steps that AAC cannot have would let a short time hide a flood of packets."""
    (n_entries,) = struct.unpack_from(">I", stts, 4)
    if n_entries * 8 > len(stts) - 8:
        raise AudioError("is damaged: its M4A index cannot be read")
    total = n_timed = 0
    for index in range(n_entries):
        count, step = struct.unpack_from(">II", stts, 8 + 8 * index)
        step_s = Fraction(step, time_unit_hz)
        is_last = index == n_entries - 1 and count == 1
        if step_s > _LONGEST_STEP_S or (step_s < _SHORTEST_STEP_S and not is_last):
            raise AudioError(f"is damaged: M4A packets {float(step_s):.4f} s long; AAC has 0.02 to 0.256 s")
        n_timed += count
        total += count * step
    if n_timed != n_packets:
        raise AudioError(f"is damaged: its M4A index has {n_packets} packets and times for {n_timed}")
    return total


def _edit(elst: bytes, movie_unit_hz: int) -> tuple[int, Fraction | None]:
    """Lead-in in ticks of the track, and the length kept in seconds; (0, None) without an edit list."""
    if not elst:
        return 0, None
    wide = elst[:1] == b"\1"
    (n_entries,) = struct.unpack_from(">I", elst, 4)
    length, start = struct.unpack_from(">Qq" if wide else ">Ii", elst, 8)
    if n_entries != 1 or start < 0:
        raise AudioError("has an M4A edit list with gaps or cuts; allowed: the encoder's lead-in only")
    return int(start), Fraction(length, movie_unit_hz) if length else None
