"""Find the personal data, mask it, and let another recogniser listen to the rest, until it hears none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from callveil.adapters.audio_file import open_recording
from callveil.adapters.masked_audio_file import MaskedFlacWriter
from callveil.adapters.memory_file import scratch_file
from callveil.errors import EngineError
from callveil.kit import Kit
from callveil.pipeline.listen import Heard, hear_windows, stretches_of
from callveil.pipeline.stopwatch import Stopwatch
from callveil.ports import AudioSource
from callveil.stages.attribute import attribute
from callveil.stages.documents.certificate import AudioFacts
from callveil.stages.dtmf import find_dtmf
from callveil.stages.mask_audio import mask_audio
from callveil.stages.mask_text import mask_text
from callveil.stages.plan_masks import plan_masks
from callveil.stages.reviewed import findings_of, without_vouched
from callveil.stages.stretches import pack_windows
from callveil.stages.unheard import unheard_speech
from callveil.stages.verify import (
    around,
    leaks,
    mask_holds,
    merged_words,
    remaining_speech,
    suspect_words,
    within,
)
from callveil.vocabulary.audio import Audio, ChannelSpeech, Span
from callveil.vocabulary.call import Call
from callveil.vocabulary.pii import Finding, MaskSpan
from callveil.vocabulary.proof import Verification, VerifyResult, VerifyScope
from callveil.vocabulary.recording import MaskedFile, Part
from callveil.vocabulary.reviews import Stretch
from callveil.vocabulary.transcript import MaskedTurn, Word

_GAP_S = 0.3
"""Between the pieces that the listener hears: masks leave many, and long gaps would fill its windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedRecording:
    """The masked audio of a call, in a file, with its format."""

    file: MaskedFile
    facts: AudioFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A call without its personal data, as far as it could be proven.

    Attributes:
        turns: Masked transcript.
        spans: Masked stretches.
        audio: Masked audio.
        verification: What another recogniser still heard.
        missed: What reviewers marked, and is masked for that.
        vouched: What reviewers vouched for, and is not masked for that.
    """

    turns: tuple[MaskedTurn, ...]
    spans: tuple[MaskSpan, ...]
    audio: MaskedRecording
    verification: Verification
    missed: tuple[Stretch, ...] = ()
    vouched: tuple[Stretch, ...] = ()


@contextmanager
def redact(
    recording: AudioSource,
    heard: Heard,
    call: Call,
    kit: Kit,
    watch: Stopwatch,
    *,
    until_s: float | None,
    missed: Sequence[Stretch] = (),
    vouched: Sequence[Stretch] = (),
    known: Sequence[Finding] = (),
) -> Iterator[Redaction]:
    """Redact a call; the masked audio lives as long as this context.

    Args:
        recording: The call.
        heard: What was heard of it.
        call: Its metadata, for the roles.
        kit: Engines and profile.
        watch: Takes the time of each step.
        until_s: The call is kept up to this second; None for all of it.
        missed: Stretches that reviewers marked; masked whatever is found.
        vouched: Stretches that need no mask: what is found there is neither masked nor a leak.
        known: Findings of an earlier time that cannot be made again, such as of what an original lacks.

    Raises:
        AudioError: The recording cannot be read again, or the masked audio cannot be written.
        EngineError: An engine failed, or masked stretches of the written audio are not silent.
    """
    verify = kit.profile.verify
    with watch("find"):
        words = (*heard.words, *unheard_speech(heard.words, heard.speech, heard.quiet))
        turns = attribute(words, heard.segments, call.roles)
        found = without_vouched(kit.detector.find(turns, language=heard.language), vouched)
        marked = findings_of(missed, channels=len(heard.speech), duration_s=heard.duration_s)
        findings = [*found, *heard.tones, *known, *marked]
    second = SecondHearing(heard, call, kit, watch)
    # Masked audio that is not yet proven may hold personal data, so no disk sees it.
    with scratch_file(Part.AUDIO.value) as path:
        widened = 0
        for rounds in range(1, verify.max_rounds + 1):
            spans = plan_masks(
                findings,
                kit.mask_plan,
                words=heard.words,
                quiet=heard.quiet,
                speech=heard.speech,
                duration_s=heard.duration_s,
            )
            audio = _mask(recording, spans, kit, watch, path, until_s)
            left = without_vouched(second.hear(audio, spans), vouched)
            if not left or rounds == verify.max_rounds:
                break
            findings += left
            widened += len(left)
        with watch("find"):
            masked_turns = mask_text(turns, findings, spans, kit.profile.masking.text)
        yield Redaction(
            turns=masked_turns,
            spans=spans,
            audio=audio,
            verification=Verification(
                result=VerifyResult.LEAK if left else VerifyResult.CLEAN,
                scope=verify.scope,
                rounds=rounds,
                heard_s=round(second.heard_s, 1),
                widened=widened,
                left=len(left),
                findings=tuple(left),
            ),
            missed=tuple(missed),
            vouched=tuple(vouched),
        )


def _mask(
    recording: AudioSource,
    spans: Sequence[MaskSpan],
    kit: Kit,
    watch: Stopwatch,
    path: Path,
    until_s: float | None,
) -> MaskedRecording:
    """Decode the recording once more and write it masked."""
    style, n_samples = kit.profile.masking.audio, 0
    writer = MaskedFlacWriter(path, recording.format, name=Part.AUDIO.value)
    with writer:
        for block in watch.each("decode", recording.blocks(until_s=until_s)):
            n_samples += block.n_samples
            with watch("mask"):
                writer.write(mask_audio(block, spans, style))
    facts = AudioFacts(
        rate_hz=recording.format.rate_hz, channels=recording.format.channels, n_samples=n_samples
    )
    return MaskedRecording(file=writer.result, facts=facts)


class SecondHearing:
    """What another recogniser hears of the masked audio; after the first round only what has changed.

    Args:
        heard: What was heard of the call.
        call: Its metadata, for the roles.
        kit: Engines and profile.
        watch: Takes the time.
        proven: Masks with which the call was proven clean before, and what can still be heard then: only what
            has changed since is heard. None for a call that was never proven.
    """

    def __init__(
        self,
        heard: Heard,
        call: Call,
        kit: Kit,
        watch: Stopwatch,
        *,
        proven: tuple[tuple[MaskSpan, ...], Sequence[Word]] | None = None,
    ) -> None:
        self._heard, self._call, self._kit, self._watch = heard, call, kit, watch
        self._spans: tuple[MaskSpan, ...] | None = None if proven is None else proven[0]
        self._words: list[Word] = [] if proven is None else list(proven[1])
        self._is_near = proven is None and kit.profile.verify.scope is VerifyScope.NEAR
        self.heard_s = 0.0

    def hear(self, audio: MaskedRecording, spans: tuple[MaskSpan, ...]) -> tuple[Finding, ...]:
        """Listen, and search the dialogue for what is still there."""
        with self._watch("verify"):
            speech = self._to_hear(spans)
            fresh, tones = self._listen(audio, speech, spans)
            self._words = [word for word in self._words if not _in(word, speech)] + fresh
            self._spans = spans
            heard = self._heard
            # In scope "near" the rest of the dialogue stands as the first recogniser heard it.
            second = self._words
            if self._is_near:
                second = [*second, *(word for word in heard.words if not _in(word, self._near(spans)))]
            second = [*second, *unheard_speech(second, remaining_speech(heard.speech, spans), heard.quiet)]
            words = merged_words(heard.words, second, spans)
            turns = attribute(words, heard.segments, self._call.roles)
            findings = self._kit.detector.find(turns, language=heard.language)
            return (*leaks(findings, heard.words, second, spans), *tones)

    def _to_hear(self, spans: tuple[MaskSpan, ...]) -> tuple[ChannelSpeech, ...]:
        rest = remaining_speech(self._heard.speech, spans)
        if self._spans is not None:
            return within(rest, around(set(spans) - set(self._spans)))
        if self._is_near:
            return self._near(spans)
        return rest

    def _near(self, spans: tuple[MaskSpan, ...]) -> tuple[ChannelSpeech, ...]:
        regions = around(spans) + around(suspect_words(self._heard.words))
        return within(remaining_speech(self._heard.speech, spans), regions)

    def _listen(
        self, audio: MaskedRecording, speech: Sequence[ChannelSpeech], spans: Sequence[MaskSpan]
    ) -> tuple[list[Word], list[Finding]]:
        """Hear stretches of speech in the written file, the very bytes that are to be published."""
        kit = self._kit
        # The recording was within the limits; its masked copy may take more bytes than a lossy original.
        limits = replace(kit.audio_limits, max_bytes=max(audio.file.n_bytes, kit.audio_limits.max_bytes))
        source = open_recording(audio.file.path, limits, name=Part.AUDIO.value)
        words: list[Word] = []
        tones: list[Finding] = []
        blocks = self._checked(source.blocks(), spans)
        for stretch in stretches_of(blocks, source.format.rate_hz, source.format.channels):
            here = within(speech, [Span(start_s=stretch.start_s, end_s=stretch.end_s)])
            self.heard_s += sum(island.duration_s for own in here for island in own.islands)
            # What masks leave is little: a window of its own for every channel would be half empty.
            windows = list(pack_windows(stretch, here, gap_s=_GAP_S))
            words += hear_windows(windows, kit.listener, self._heard.language)[1]
            tones += find_dtmf(stretch)
        return words, tones

    def _checked(self, blocks: Iterable[Audio], spans: Sequence[MaskSpan]) -> Iterator[Audio]:
        for block in blocks:
            if not mask_holds(block, spans, self._kit.profile.masking.audio):
                raise EngineError("verify: a masked stretch of the written audio holds something else")
            yield block


def _in(word: Word, speech: Sequence[ChannelSpeech]) -> bool:
    middle_s = (word.start_s + word.end_s) / 2
    return any(
        island.start_s <= middle_s <= island.end_s
        for own in speech
        if own.channel == word.channel
        for island in own.islands
    )
