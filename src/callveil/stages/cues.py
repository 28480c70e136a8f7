"""Cues: words that ask for a kind of personal data, announce it, or change the subject."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callveil.stages.speaker_stream import Stream

RESET = "RESET"
"""Kind of a cue that ends what was expected: a question about something else."""
KEEP = "KEEP"
"""Kind of a cue that keeps what was expected alive: "could you spell that", "once more"."""

_ASKS = re.compile(
    r"\?|\b(?:can|could|may|might|shall) (?:i|you|we)\b|\bwhat(?:'s| is| are| was)?\b|\bwhose\b|"
    r"\byour\b|\bplease\b"
    r"|\b(?:need|confirm|spell|tell me|give me|who am i|who i|whom)\b|\b(?:take|have|get|"
    r"grab) (?:the|your|a|an)\b"
)
_QUESTION = re.compile(
    r"^(?:(?:and|so|okay|ok|right|great|well|now|then|alright|all right|perfect|thank you|thanks|"
    r"good|excellent) )*"
    r"(?:how|what|what's|when|where|why|which|who|whose|do you|did you|does|are you|is there|"
    r"is the|would you|"
    r"will you|have you|has|any|anything|can you|could you|shall|should|was anyone)\b"
)
_YES_NO = re.compile(
    r"^(?:(?:and|so|okay|now|then) )*(?:would|do|does|did|will|can|could|shall|should|is|are|have|has)\b"
)
_BACK_REFERENCE = re.compile(r"\b(?:one|it|that|this|them|those)\b")
_ECHO = re.compile(
    r"\b(?:is that|that's|right|correct|once more|again|repeat|say that|read|spell|did you say|"
    r"catch|was that|"
    r"is it|still there|got that|hold|pardon|have i)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CuePattern:
    """Words that tell what is coming, or what was asked for.

    Attributes:
        kind: Name of an entity, RESET or KEEP.
        regex: Matched on lower-case words joined by single spaces, " ." after each sentence.
    """

    kind: str
    regex: re.Pattern[str]


def cues(kind: str, *patterns: str) -> tuple[CuePattern, ...]:
    """Cue patterns of one kind; each must match whole words, with "'s" for "is" or not."""
    return tuple(
        CuePattern(kind=kind, regex=re.compile(rf"\b(?:{pattern})(?:'s)?(?![\w'])")) for pattern in patterns
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """A cue that was said.

    Attributes:
        kind: As in the pattern.
        stream: Who said it.
        tokens: Where.
        start_s: Start in seconds.
        end_s: End in seconds.
        asks: The sentence asks for the thing.
    """

    kind: str
    stream: int
    tokens: range
    start_s: float
    end_s: float
    asks: bool


def find_cues(stream: Stream, patterns: Sequence[CuePattern]) -> Iterator[Cue]:
    """Cues that a speaker says; a longer match hides those inside it, other questions become RESET."""
    text, starts = _cue_text(stream)
    matches = sorted(
        ((m.start(), m.end(), pattern.kind) for pattern in patterns for m in pattern.regex.finditer(text)),
        key=lambda match: (match[0] - match[1], match[0]),
    )
    taken: list[tuple[int, int, str]] = []
    for start, end, kind in matches:
        if not any(a <= start and end <= b and (a, b) != (start, end) for a, b, _ in taken):
            taken.append((start, end, kind))
    asked: set[int] = set()
    for start, end, kind in taken:
        tokens = range(_token_at(starts, start), _token_at(starts, end - 1) + 1)
        if _spelled(stream, tokens):
            continue
        sentence = stream.sentence(tokens.stop - 1)
        asked.add(sentence.start)
        yield _cue(stream, kind, tokens, sentence)
    for utterance in stream.sentences():
        if utterance.start not in asked and len(utterance) >= 4 and _changes_subject(stream, utterance):
            yield _cue(stream, RESET, utterance, utterance)


def _spelled(stream: Stream, tokens: range) -> bool:
    """The letters of a cue ("s s n") stand inside a longer spelling."""
    return any(
        run.tokens.start <= tokens.start
        and tokens.stop <= run.tokens.stop
        and len(run.tokens) > len(tokens) + 1
        for run in stream.runs
    )


def _changes_subject(stream: Stream, sentence: range) -> bool:
    words = stream.words(sentence)
    asks = "?" in stream.tokens[sentence.stop - 1].trail or bool(_QUESTION.match(words))
    if _YES_NO.match(words) and _BACK_REFERENCE.search(words):
        return False
    return asks and not _ECHO.search(words) and not any(run.tokens.start in sentence for run in stream.runs)


def _cue(stream: Stream, kind: str, tokens: range, sentence: range) -> Cue:
    words = stream.words(sentence)
    asks = "?" in stream.tokens[sentence.stop - 1].trail or bool(_ASKS.search(words))
    if stream.speaker == "agent":
        asks = asks or len(sentence) <= 10 or sentence.stop - tokens.stop <= 1
        asks = asks or _asks_after(stream, sentence)
    return Cue(
        kind=kind,
        stream=stream.number,
        tokens=tokens,
        start_s=stream.tokens[tokens.start].start_s,
        end_s=stream.tokens[tokens.stop - 1].end_s,
        asks=asks,
    )


def _asks_after(stream: Stream, sentence: range) -> bool:
    """The next sentence asks for what this one named: "You have no password. Would you like to set one?"."""
    if sentence.stop >= len(stream.tokens):
        return False
    following = stream.sentence(sentence.stop)
    if stream.tokens[following.start].start_s - stream.tokens[sentence.stop - 1].end_s > 2.0:
        return False
    words = stream.words(following)
    return bool(_YES_NO.match(words) and _BACK_REFERENCE.search(words))


def _cue_text(stream: Stream) -> tuple[str, list[int]]:
    """Lexical words with " ." after each sentence, and the character at which each token starts."""
    parts: list[str] = []
    starts: list[int] = []
    position = 0
    for token in stream.tokens:
        starts.append(position)
        piece = f"{token.text} . " if token.ends_sentence else f"{token.text} "
        parts.append(piece)
        position += len(piece)
    return "".join(parts), starts


def _token_at(starts: Sequence[int], position: int) -> int:
    low, high = 0, len(starts) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if starts[middle] <= position:
            low = middle
        else:
            high = middle - 1
    return low
