"""Mask more of a published call, from what is published: no original is needed.

The published audio is lossless and masked, so only the new stretches change; all else stays bit for bit what
was proven. What has changed is proven again: another recogniser hears what lies around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from callveil.adapters.audio_file import AudioFile, open_recording
from callveil.adapters.masked_audio_file import MaskedFlacWriter
from callveil.adapters.memory_file import scratch_file
from callveil.kit import Kit
from callveil.pipeline.listen import Heard, stretches_of
from callveil.pipeline.published_call import PublishedCall
from callveil.pipeline.redact import MaskedRecording, Redaction, SecondHearing
from callveil.pipeline.stopwatch import Stopwatch
from callveil.stages.mask_audio import mask_more
from callveil.stages.mask_text import mask_more_text
from callveil.stages.plan_masks import plan_masks
from callveil.stages.reviewed import findings_of, is_within, without_vouched
from callveil.stages.speech import find_speech, is_quiet, join_speech, measure_levels
from callveil.vocabulary.audio import Audio, ChannelSpeech
from callveil.vocabulary.call import Call
from callveil.vocabulary.pii import Entity, Finding, MaskSpan
from callveil.vocabulary.proof import Verification, VerifyResult, VerifyScope
from callveil.vocabulary.recording import MaskedFile, Part
from callveil.vocabulary.reviews import Stretch
from callveil.vocabulary.transcript import MaskedTurn, SpeakerSegment, Word

_STAND_INS = {
    Entity.PERSON: "Smith",
    Entity.EMAIL_ADDRESS: "smith at example dot com",
    Entity.ADDRESS: "twelve High Street",
    Entity.DATE_OF_BIRTH: "first of May nineteen seventy",
    Entity.MEDICAL: "diabetes",
    Entity.PASSWORD_OR_PIN: "secret",
    Entity.CARD_EXPIRY: "oh five twenty six",
}
"""What the detector reads in the place of what is masked already. Without it, it would take what follows a
question for the answer (DECISIONS 21). It lies under a mask, so whatever is found there is no leak."""

_DIGITS = "four one one one two three four five"

_LEAST_S = 0.001


@contextmanager
def correct(
    published: PublishedCall,
    missed: Sequence[Stretch],
    vouched: Sequence[Stretch],
    call: Call,
    kit: Kit,
    watch: Stopwatch,
) -> Iterator[Redaction]:
    """Mask stretches of a published call; the masked audio lives as long as this context.

    What the second recogniser then hears around them is masked too, as in `redact`. When that does not help,
    the whole turns are, in which it hears something.

    Args:
        published: What is published.
        missed: All stretches that reviewers marked.
        vouched: Stretches that need no mask.
        call: Its metadata, for the roles.
        kit: Engines and profile. Style and reach of the masks are those of the certificate.
        watch: Takes the time of each step.

    Raises:
        AudioError: The masked audio cannot be written or read.
        EngineError: An engine failed, or masked stretches of the written audio are not silent.
    """
    kit = _as_published(kit, published)
    facts = published.facts
    # What was marked before is masked: planned anew beside other words, its mask would creep.
    fresh = [one for one in missed if not is_within(one, published.missed)]
    marked = findings_of(fresh, channels=facts.channels, duration_s=facts.duration_s)
    with scratch_file("published") as old_path, scratch_file(Part.AUDIO.value) as path:
        source = _opened(published, kit, old_path)
        with watch("speech"):
            heard = _heard(published, source)
        rounds = _Rounds(published, source, heard, call, kit, watch, path)
        yield rounds.run(marked, tuple(missed), tuple(vouched))


class _Rounds:
    """Mask, hear, mask more, until nothing is heard any more."""

    def __init__(
        self,
        published: PublishedCall,
        source: AudioFile | None,
        heard: Heard,
        call: Call,
        kit: Kit,
        watch: Stopwatch,
        path: Path,
    ) -> None:
        self._published, self._source, self._heard = published, source, heard
        self._kit, self._watch, self._path = kit, watch, path
        self._second = SecondHearing(
            heard, call, kit, watch, proven=(published.spans, _audible(published.turns or ()))
        )

    def run(
        self, marked: Sequence[Finding], missed: tuple[Stretch, ...], vouched: tuple[Stretch, ...]
    ) -> Redaction:
        """Correct the call."""
        published, most = self._published, self._kit.profile.verify.max_rounds
        findings, widened, rounds = list(marked), 0, 0
        left: list[Finding] = []
        for rounds in range(1, 2 * most + 1):
            planned = self._plan(findings)
            added = beyond(planned, published.spans)
            spans = tuple(sorted((*published.spans, *added), key=_place))
            audio = self._mask(added)
            left = [] if self._source is None else without_vouched(self._second.hear(audio, spans), vouched)
            if not left or rounds == 2 * most:
                break
            findings += left if rounds < most else whole_turns(left, published.turns or ())
            widened += len(left)
        turns = mask_more_text(published.turns or (), findings, planned, published.styles[1])
        before = published.document["verify"]
        return Redaction(
            turns=turns,
            spans=spans,
            audio=audio,
            verification=Verification(
                result=VerifyResult.LEAK if left else VerifyResult.CLEAN,
                scope=VerifyScope(before["scope"]),
                rounds=before["rounds"] + rounds,
                heard_s=round(before["heard_s"] + self._second.heard_s, 1),
                widened=before["widened"] + widened,
                left=len(left),
                findings=tuple(left),
            ),
            missed=missed,
            vouched=vouched,
        )

    def _plan(self, findings: Sequence[Finding]) -> tuple[MaskSpan, ...]:
        heard = self._heard
        return plan_masks(
            findings,
            self._kit.mask_plan,
            words=heard.words,
            quiet=heard.quiet,
            speech=heard.speech,
            duration_s=heard.duration_s,
        )

    def _mask(self, added: Sequence[MaskSpan]) -> MaskedRecording:
        """Decode what is published once more and write it with more masks."""
        published = self._published
        if self._source is None:
            nothing = MaskedFile(path=self._path, sha256="", n_bytes=0)
            return MaskedRecording(file=nothing, facts=published.facts)
        writer = MaskedFlacWriter(self._path, self._source.format, name=Part.AUDIO.value)
        with writer:
            for block in self._watch.each("decode", self._source.blocks()):
                with self._watch("mask"):
                    writer.write(mask_more(block, added, published.spans, published.styles[0]))
        return MaskedRecording(file=writer.result, facts=published.facts)


def beyond(planned: Iterable[MaskSpan], earlier: Sequence[MaskSpan]) -> list[MaskSpan]:
    """The parts of masks that no earlier mask covers.

    Args:
        planned: New masks.
        earlier: Those that are there.
    """
    pieces: list[MaskSpan] = []
    for span in planned:
        at_s = span.start_s
        own = sorted((e for e in earlier if e.channel == span.channel), key=lambda e: e.start_s)
        for other in own:
            if other.end_s <= at_s or other.start_s >= span.end_s:
                continue
            if other.start_s - at_s >= _LEAST_S:
                pieces.append(replace(span, start_s=at_s, end_s=other.start_s))
            at_s = max(at_s, other.end_s)
        if span.end_s - at_s >= _LEAST_S:
            pieces.append(replace(span, start_s=at_s))
    return pieces


def whole_turns(left: Iterable[Finding], turns: Sequence[MaskedTurn]) -> list[Finding]:
    """Findings made as long as the turns of their channel that they lie in.

    Args:
        left: What is still heard.
        turns: Of the published transcript.
    """
    wide = []
    for finding in left:
        own = [
            turn
            for turn in turns
            if turn.channel == finding.channel
            and turn.start_s < finding.end_s
            and turn.end_s > finding.start_s
        ]
        start_s = min((turn.start_s for turn in own), default=finding.start_s)
        end_s = max((turn.end_s for turn in own), default=finding.end_s)
        wide.append(replace(finding, start_s=min(start_s, finding.start_s), end_s=max(end_s, finding.end_s)))
    return wide


def _as_published(kit: Kit, published: PublishedCall) -> Kit:
    """The kit with the masks of the certificate: a call has one style, whatever the profile says today."""
    audio, text = published.styles
    plan = published.plan
    settings = kit.profile.masking.model_copy(
        update={
            "audio": audio,
            "text": text,
            "pad_before_s": plan.pad_before_s,
            "pad_after_s": plan.pad_after_s,
            "snap_s": plan.snap_s,
            "join_s": plan.join_s,
            "other_channel": plan.other_channel,
        }
    )
    return replace(kit, profile=kit.profile.model_copy(update={"masking": settings}))


def _opened(published: PublishedCall, kit: Kit, path: Path) -> AudioFile | None:
    if published.audio is None:
        return None
    path.write_bytes(published.audio)
    limits = replace(
        kit.audio_limits,
        max_bytes=max(len(published.audio), kit.audio_limits.max_bytes),
        max_duration_s=max(published.facts.duration_s + 1.0, kit.audio_limits.max_duration_s),
    )
    return open_recording(path, limits, name=Part.AUDIO.value)


def _heard(published: PublishedCall, source: AudioFile | None) -> Heard:
    """What the first recogniser had heard, as far as it is published, and where somebody speaks."""
    facts, turns = published.facts, published.turns or ()
    speech: list[tuple[ChannelSpeech, ...]] = []
    quiet = []
    if source is not None:
        for stretch in stretches_of(_silenced(source, published.spans), facts.rate_hz, facts.channels):
            levels = measure_levels(stretch)
            speech.append(find_speech(levels))
            quiet.append(is_quiet(levels))
    nobody = tuple(ChannelSpeech(channel=channel, islands=()) for channel in range(facts.channels))
    return Heard(
        words=tuple(word for turn in turns for word in _words(turn)),
        segments=tuple(
            SpeakerSegment(speaker=turn.speaker, channel=turn.channel, start_s=turn.start_s, end_s=turn.end_s)
            for turn in turns
        ),
        speech=join_speech(speech) or nobody,
        tones=(),
        quiet=np.concatenate(quiet) if quiet else np.ones((0, facts.channels), np.bool_),
        language=published.language,
        duration_s=facts.duration_s,
    )


def _silenced(source: AudioFile, spans: Sequence[MaskSpan]) -> Iterator[Audio]:
    """The recording with nothing under its masks: a tone there is no speech, and noise no pause."""
    for block in source.blocks():
        samples = block.samples.copy()
        for span in spans:
            start = max(0, int(span.start_s * block.rate_hz) - block.start_sample)
            end = max(0, int(np.ceil(span.end_s * block.rate_hz)) - block.start_sample)
            samples[start:end, span.channel] = 0.0
        yield replace(block, samples=samples)


def _audible(turns: Sequence[MaskedTurn]) -> list[Word]:
    """The words that can be heard, as they are published."""
    return [
        Word(text=word.text, start_s=word.start_s, end_s=word.end_s, probability=1.0, channel=turn.channel)
        for turn in turns
        for word in turn.words
        if word.entity is None
    ]


def _words(turn: MaskedTurn) -> Iterator[Word]:
    """Words of a turn, with others in the place of those that are masked."""
    for word in turn.words:
        stand_in = _STAND_INS.get(Entity(word.entity), _DIGITS) if word.entity else None
        texts = [word.text] if stand_in is None else stand_in.split()
        step_s = (word.end_s - word.start_s) / len(texts)
        for number, text in enumerate(texts):
            yield Word(
                text=text,
                start_s=word.start_s + number * step_s,
                end_s=word.start_s + (number + 1) * step_s,
                probability=1.0,
                channel=turn.channel,
            )


def is_done(published: PublishedCall, missed: Iterable[Stretch]) -> bool:
    """Whether all stretches are masked because of a review already.

    Args:
        published: What is published.
        missed: Stretches that reviewers marked.
    """
    facts = published.facts
    inside = (one for one in missed if one.channel < facts.channels and one.start_s < facts.duration_s)
    return all(is_within(one, published.missed) for one in inside)


def _place(span: MaskSpan) -> tuple[float, int, float]:
    return span.start_s, span.channel, span.end_s
