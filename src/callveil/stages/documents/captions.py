"""transcript.vtt: the transcript as captions.

Source: WebVTT, https://www.w3.org/TR/webvtt1/ sections 4.1 to 4.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callveil.vocabulary.recording import MaskedDocument
from callveil.vocabulary.transcript import MaskedTurn

_MAX_CHARACTERS = 84  # two lines of 42, what players show without covering the picture
_MAX_S = 7.0


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Cue:
    start_ms: int
    end_ms: int
    speaker: str
    text: str


def captions_vtt(turns: Sequence[MaskedTurn]) -> MaskedDocument:
    """Write the captions: cues of at most 84 characters or 7 s, by start, each with its speaker.

    Args:
        turns: Masked turns, in any order.
    """
    cues = sorted(cue for turn in turns for cue in _cues(turn))
    blocks = ["WEBVTT"]
    for number, cue in enumerate(cues, start=1):
        times = f"{_time(cue.start_ms)} --> {_time(cue.end_ms)}"
        blocks.append(f"{number}\n{times}\n<v {_escape(cue.speaker)}>{_escape(cue.text)}")
    return MaskedDocument(content=("\n\n".join(blocks) + "\n").encode())


def _cues(turn: MaskedTurn) -> Iterator[_Cue]:
    texts: list[str] = []
    start_s = end_s = turn.start_s
    for word in turn.words:
        if texts and word.text:
            too_long = len(" ".join([*texts, word.text])) > _MAX_CHARACTERS
            if too_long or word.end_s - start_s > _MAX_S:
                yield _cue(turn.speaker, texts, start_s, end_s)
                texts = []
        if word.text:
            start_s = start_s if texts else word.start_s
            texts.append(word.text)
        end_s = word.end_s
    if texts:
        yield _cue(turn.speaker, texts, start_s, end_s)


def _cue(speaker: str, texts: Sequence[str], start_s: float, end_s: float) -> _Cue:
    start_ms = round(start_s * 1000)
    # A cue must end after it starts.
    end_ms = max(round(end_s * 1000), start_ms + 1)
    return _Cue(start_ms=start_ms, end_ms=end_ms, speaker=speaker, text=" ".join(texts))


def _time(total_ms: int) -> str:
    total_s, ms = divmod(total_ms, 1000)
    minutes, s = divmod(total_s, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{s:02d}.{ms:03d}"


def _escape(text: str) -> str:
    """Make text safe inside a cue; ">" too, so that no text can hold "-->"."""
    one_line = " ".join(text.split())
    return one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
