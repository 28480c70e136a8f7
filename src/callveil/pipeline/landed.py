"""The audio of a call in the landing, as a source, whatever way it came in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from callveil.adapters.audio_file import AudioLimits
from callveil.adapters.landed_recording import LandedStream, RawEncoding, open_landed
from callveil.errors import NotFoundError
from callveil.ports import AudioSource, Landing
from callveil.vocabulary.audio import AudioFormat
from callveil.vocabulary.ledger import LedgerCall


@contextmanager
def landed_audio(
    found: LedgerCall, landing: Landing, limits: AudioLimits, *, follow: Callable[[], bool] | None = None
) -> Iterator[AudioSource]:
    """Open the audio of a call, decrypted in memory; gone when the context ends.

    Args:
        found: The call.
        landing: Where it waits.
        limits: Of duration and bytes.
        follow: Of a live call that still arrives: see `LandedStream`.

    Raises:
        AudioError: It is none of an allowed kind, or breaks a limit.
        LandingError: It cannot be read.
        NotFoundError: It is gone.
        TamperedError: It is not what was written.
    """
    if found.landing is None:
        raise NotFoundError(f"call {found.call_id}: its audio is gone")
    name = f"call {found.call_id}"
    if found.stream is None:
        with open_landed(landing, found.landing, limits, name) as recording:
            yield recording
        return
    encoding, rate_hz, channels = found.stream.split("/")
    yield LandedStream(
        landing,
        found.landing,
        format=AudioFormat(rate_hz=int(rate_hz), channels=int(channels), codec=encoding),
        encoding=RawEncoding(encoding),
        limits=limits,
        name=name,
        follow=follow,
    )
