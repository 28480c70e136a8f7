"""Speech without words: sound as loud as speech in which the recogniser heard nothing.

Words that were not heard cannot be found, so such a stretch is put into the dialogue as one unsure word.
Where personal data was asked for, or beside some, it is then masked with the rest; elsewhere it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from callveil.stages.speech import FRAME_S
from callveil.vocabulary.audio import ChannelSpeech
from callveil.vocabulary.transcript import Word

INAUDIBLE = "[inaudible]"
"""What stands in the dialogue, and in the transcript, for speech without words."""
_NEAR_WORD_S = 0.25
_LEAST_S = 0.4
_JOIN_S = 0.5


def unheard_speech(
    words: Sequence[Word], speech: Sequence[ChannelSpeech], quiet: NDArray[np.bool_]
) -> tuple[Word, ...]:
    """Find speech without words.

    Args:
        words: What was heard on all channels.
        speech: Speech of each channel's own.
        quiet: Pauses, shape (n_frames, channels), frames of `FRAME_S`.

    Returns:
        A word of probability 0 for each stretch with at least 0.4 s of sound, in time order per channel.
    """
    found: list[Word] = []
    for own in speech:
        missed = np.zeros(len(quiet), np.bool_)
        for island in own.islands:
            missed[_frames(island.start_s, island.end_s)] = True
        missed &= ~quiet[:, own.channel]
        for word in words:
            if word.channel == own.channel:
                missed[_frames(word.start_s - _NEAR_WORD_S, word.end_s + _NEAR_WORD_S)] = False
        found += _runs(missed, own.channel)
    return tuple(found)


def _frames(start_s: float, end_s: float) -> slice:
    return slice(max(0, round(start_s / FRAME_S)), max(0, round(end_s / FRAME_S)))


def _runs(missed: NDArray[np.bool_], channel: int) -> Iterator[Word]:
    frames = np.flatnonzero(missed)
    if not len(frames):
        return
    for run in np.split(frames, np.flatnonzero(np.diff(frames) > round(_JOIN_S / FRAME_S)) + 1):
        if len(run) * FRAME_S >= _LEAST_S:
            yield Word(
                text=INAUDIBLE,
                start_s=float(run[0] * FRAME_S),
                end_s=float((run[-1] + 1) * FRAME_S),
                probability=0.0,
                channel=channel,
            )
