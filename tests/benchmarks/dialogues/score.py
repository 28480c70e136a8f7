"""Score detection alone on written dialogues: true words, or words as a recogniser might have heard them.

    python tests/benchmarks/dialogues/score.py tune.txt [--damaged] [--leaks] [--over] [--only t01]

A call costs a few lines here and much work as audio, so these measure whether rules hold for ways of speaking
that nobody tuned on. What masks do to the audio is not measured: findings are scored without padding.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from callveil.adapters.models import ModelFolder
from callveil.config import load_config
from callveil.evaluation.spans import MaskedCall, SpanScore, score_spans
from callveil.evaluation.truth import TruthBenign, TruthCall, TruthPii, TruthSpan, TruthTurn
from callveil.ports import EntityDetector
from callveil.registry import engine_module
from callveil.stages.attribute import attribute
from callveil.vocabulary.pii import Entity, Finding
from callveil.vocabulary.transcript import SpeakerSegment, Word

HERE = Path(__file__).parent
SPEAKERS = {"A": "agent", "C": "customer"}
_PIECE = re.compile(r"\[(?P<pii>[^\]]+)\]|<(?P<benign>[^>]+)>|~(?P<optional>[^~]+)~|(?P<text>[^\[<~]+)")
_WORD_S = 0.33
_PAUSE_S = 0.35
_TURN_S = 0.5
_MISHEARD_SHARE = 0.6
_UNPUNCTUATED_SHARE = 0.3
_SURENESS = ((0.9, 1.0), (0.6, 0.9), (0.1, 0.6))
_SHARES = (0.62, 0.24, 0.14)
"""How sure Whisper base is of the words of the synthetic calls."""
_COLLAR_S = _WORD_S * 1.05
"""One word on either side: a mask of whole words goes no nearer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """A written call: its labels, and the words of its two channels as heard."""

    truth: TruthCall
    words: tuple[Word, ...]


@dataclass(slots=True, kw_only=True)
class _Scribe:
    """Lays a script out in time."""

    call_id: str
    damaged: bool
    chance: random.Random
    at_s: float = 1.0
    words: list[Word] = field(default_factory=list)
    turns: list[TruthTurn] = field(default_factory=list)
    pii: list[TruthPii] = field(default_factory=list)
    optional: list[TruthSpan] = field(default_factory=list)
    benign: list[TruthBenign] = field(default_factory=list)

    def turn(self, channel: int, text: str) -> None:
        """Lay out what one party says in a row."""
        start_s, first, pieces = self.at_s, len(self.words), []
        for piece in _PIECE.finditer(text):
            span = self._piece(channel, piece)
            if span:
                pieces.append(span)
        if self.damaged:
            self.words[first:] = self._unpunctuated(self.words[first:])
        span = TruthSpan(channel=channel, start_s=start_s, end_s=self.at_s, text=text)
        speaker = list(SPEAKERS.values())[channel]
        self.turns.append(TruthTurn(speaker=speaker, span=span, pieces=tuple(pieces)))
        self.at_s += _TURN_S

    def _piece(self, channel: int, piece: re.Match[str]) -> TruthSpan | None:
        label, said = piece.lastgroup or "text", piece.group(piece.lastgroup or "text")
        kind, misheard = "", ""
        if label in {"pii", "benign"}:
            kind, said, *others = said.split("|")
            misheard = others[0] if others else ""
        if said[:1] in ".,?!'" and self.words:
            # Glued to the word before: the end of its sentence, or "'s" behind a name.
            glued, _, said = said.partition(" ")
            self.words[-1] = _replaced(self.words[-1], self.words[-1].text + glued)
            self.at_s += _PAUSE_S * bool(re.search(r"[.?!]", glued))
        if not said.strip():
            return None
        lost = self.damaged and bool(misheard) and self.chance.random() < _MISHEARD_SHARE
        start_s = self.at_s
        self.at_s += _WORD_S * len(said.split())
        self._hear(channel, misheard if lost else said, start_s, lost=lost)
        span = TruthSpan(channel=channel, start_s=start_s, end_s=self.at_s, text=said)
        if label == "pii":
            self.pii.append(TruthPii(id=f"{self.call_id}-{len(self.pii)}", entity=Entity(kind), span=span))
        elif label == "benign":
            self.benign.append(TruthBenign(kind=kind, span=span))
        elif label == "optional":
            self.optional.append(span)
        if re.search(r"[.?!]\s*$", said):
            self.at_s += _PAUSE_S
        return span

    def _hear(self, channel: int, heard: str, start_s: float, *, lost: bool) -> None:
        texts = heard.split()
        step_s = (self.at_s - start_s) / len(texts)
        for index, text in enumerate(texts):
            self.words.append(
                Word(
                    text=text,
                    start_s=round(start_s + index * step_s, 3),
                    end_s=round(start_s + (index + 1) * step_s - 0.02, 3),
                    probability=self._probability(lost=lost),
                    channel=channel,
                )
            )

    def _probability(self, *, lost: bool) -> float:
        if lost:
            return round(self.chance.uniform(0.15, 0.85), 3)
        if not self.damaged:
            return 0.95
        low, high = self.chance.choices(_SURENESS, _SHARES)[0]
        return round(self.chance.uniform(low, high), 3)

    def _unpunctuated(self, words: Sequence[Word]) -> Iterator[Word]:
        bare = self.chance.random() < _UNPUNCTUATED_SHARE
        for word in words:
            text = re.sub(r"[.,?!]+$", "", word.text).lower() if bare else word.text
            yield _replaced(word, text)


def _say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")


def _replaced(word: Word, text: str) -> Word:
    return Word(
        text=text,
        start_s=word.start_s,
        end_s=word.end_s,
        probability=word.probability,
        channel=word.channel,
    )


def read_dialogues(path: Path, *, damaged: bool) -> Iterator[Dialogue]:
    """Read the calls of a file.

    Args:
        path: Script with inline labels.
        damaged: Let names be misheard, punctuation and capitals be lost. Seeded by the call's name.
    """
    for block in re.split(r"^== ", path.read_text(), flags=re.MULTILINE)[1:]:
        title, *lines = block.strip().splitlines()
        call_id = title.split()[0]
        scribe = _Scribe(call_id=call_id, damaged=damaged, chance=random.Random(call_id))
        for line in lines:
            party, _, text = line.partition(": ")
            scribe.turn(list(SPEAKERS).index(party), text)
        truth = TruthCall(
            call_id=call_id,
            duration_s=scribe.at_s,
            channels=tuple(SPEAKERS.values()),
            turns=tuple(scribe.turns),
            pii=tuple(scribe.pii),
            optional=tuple(scribe.optional),
            benign=tuple(scribe.benign),
        )
        yield Dialogue(truth=truth, words=tuple(scribe.words))


def shipped_detector() -> EntityDetector:
    """The detector of the default profile."""
    config = load_config()
    module = engine_module("detector", config.profile.detector.engine)
    options = module.Options.model_validate(config.profile.detector.options)
    detector: EntityDetector = module.build(options, ModelFolder(config.models))
    return detector


def findings(detector: EntityDetector, dialogue: Dialogue) -> tuple[Finding, ...]:
    """What the detector finds in a dialogue."""
    roles = dict(enumerate(dialogue.truth.channels))
    segments = [
        SpeakerSegment(
            speaker=turn.speaker,
            channel=turn.span.channel,
            start_s=turn.span.start_s,
            end_s=turn.span.end_s,
        )
        for turn in dialogue.truth.turns
    ]
    return detector.find(attribute(dialogue.words, segments, roles), language="en")


def _said(dialogue: Dialogue, channel: int, start_s: float, end_s: float) -> str:
    return " ".join(
        word.text
        for word in dialogue.words
        if word.channel == channel and word.end_s > start_s and word.start_s < end_s
    )


def _print_leaks(dialogues: dict[str, Dialogue], score: SpanScore) -> None:
    for leak in score.leaks:
        dialogue = dialogues[leak.call_id]
        before = _said(dialogue, leak.channel, leak.start_s - 2.5, leak.start_s)
        inside = _said(dialogue, leak.channel, leak.start_s, leak.end_s)
        _say(f"LEAK {leak.call_id} {leak.entity} {leak.covered:.2f}: {before} [{inside}]")


def _print_over(dialogues: dict[str, Dialogue], found: dict[str, tuple[Finding, ...]]) -> None:
    for call_id, dialogue in dialogues.items():
        for finding in found[call_id]:
            near = [
                pii.span
                for pii in dialogue.truth.pii
                if pii.span.channel == finding.channel
                and pii.span.start_s - _COLLAR_S < finding.end_s
                and finding.start_s < pii.span.end_s + _COLLAR_S
            ]
            inside = sum(
                max(0.0, min(span.end_s, finding.end_s) - max(span.start_s, finding.start_s)) for span in near
            )
            if finding.end_s - finding.start_s - inside > _WORD_S * 0.8:
                said = _said(dialogue, finding.channel, finding.start_s, finding.end_s)
                _say(f"OVER {call_id} {finding.entity} {finding.detector} {finding.score}: {said}")


def main() -> None:
    """Score one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", help="tune.txt or unseen.txt")
    parser.add_argument("--damaged", action="store_true", help="names misheard, punctuation lost")
    parser.add_argument("--leaks", action="store_true", help="print what was missed")
    parser.add_argument("--over", action="store_true", help="print what was masked without need")
    parser.add_argument("--only", help="name of one call")
    args = parser.parse_args()
    dialogues = {d.truth.call_id: d for d in read_dialogues(HERE / args.file, damaged=args.damaged)}
    if args.only:
        dialogues = {args.only: dialogues[args.only]}
    detector = shipped_detector()
    found = {call_id: findings(detector, dialogue) for call_id, dialogue in dialogues.items()}
    calls = [MaskedCall(truth=d.truth, masks=found[call_id]) for call_id, d in dialogues.items()]
    score = score_spans(calls, collar_s=_COLLAR_S)
    if args.leaks:
        _print_leaks(dialogues, score)
    if args.over:
        _print_over(dialogues, found)
    for kind, recall in score.by_entity.items():
        _say(f"{kind.value:20} {recall.caught}/{recall.spans}")
    hits, look_alikes = sum(score.benign_hits.values()), sum(score.benign.values())
    _say(f"caught {score.total.caught}/{score.total.spans}, look-alikes masked {hits}/{look_alikes}")
    _say(f"over-masking {score.over_masking:.3f}, beyond one word {score.over_masking_beyond_collar:.3f}")
    _say({kind: number for kind, number in score.benign_hits.items() if number})


if __name__ == "__main__":
    main()
