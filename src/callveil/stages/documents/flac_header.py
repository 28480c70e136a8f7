"""What a FLAC file says about itself in its first bytes (RFC 9639, section 8.2)."""

from __future__ import annotations

from callveil.stages.documents.certificate import AudioFacts

_MARK = b"fLaC"
_STREAMINFO = slice(18, 26)  # after mark (4), block header (4), block sizes (4) and frame sizes (6)


def flac_header(content: bytes) -> AudioFacts | None:
    """Read rate, channels and length; None when it is no FLAC file.

    Args:
        content: The file, or its first 26 bytes.
    """
    field = content[_STREAMINFO]
    if len(field) < 8 or not content.startswith(_MARK) or content[4] & 0x7F != 0:
        return None
    bits = int.from_bytes(field, "big")  # 20 rate, 3 channels - 1, 5 bits per sample - 1, 36 samples
    rate_hz, channels, n_samples = bits >> 44, (bits >> 41 & 0b111) + 1, bits & (1 << 36) - 1
    return AudioFacts(rate_hz=rate_hz, channels=channels, n_samples=n_samples)
