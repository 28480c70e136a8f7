"""The dialogue as detection sees it: the speakers' streams, and what was asked when.

A recogniser looks at a stream's tokens and asks the dialogue what is expected there. The question may
stand in the same sentence, in an earlier turn, or on the other party's stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from callveil.stages.cues import KEEP, RESET, Cue, CuePattern, find_cues
from callveil.stages.speaker_stream import Place, Stream, stretches, write
from callveil.stages.spoken_forms import Run, Token, find_dates, find_emails, find_runs, tokenise
from callveil.stages.spoken_forms.lexicon import COURTESY, FILLERS, FUNCTION_WORDS
from callveil.vocabulary.transcript import Turn

_OWN_REACH_TOKENS = 12
_ANSWER_LEAST_TOKENS = 4
_FOLLOWING_REACH_TOKENS = 4
_MEMORY_S = 25.0
_OVERLAP_S = 1.0
_ANSWER_S = 20.0
_ANSWER_TOKENS = 45
_RUN_PAUSE_S = 10.0
_SAME_QUESTION_TOKENS = 8
_READ_BACK_TOKENS = 5
_READ_BACK_CHARS = 6
_READ_BACK_OPENERS = COURTESY | FILLERS | FUNCTION_WORDS


class Dialogue:
    """A call's turns, read for detection."""

    def __init__(self, turns: Sequence[Turn], patterns: Sequence[CuePattern]) -> None:
        """Read the turns.

        Args:
            turns: All turns of the call, by start.
            patterns: What may be asked for.
        """
        by_speaker: dict[tuple[int, str], list[int]] = {}
        for number, turn in enumerate(turns):
            by_speaker.setdefault((turn.channel, turn.speaker), []).append(number)
        all_tokens = [
            tokenise([turns[number] for number in numbers], stream, numbers)
            for stream, numbers in enumerate(by_speaker.values())
        ]
        lines: list[str] = []
        streams: list[Stream] = []
        position = 0
        for number, ((_, speaker), tokens) in enumerate(zip(by_speaker, all_tokens, strict=True)):
            line, offsets = write(tokens, position)
            others = [token for index, other in enumerate(all_tokens) if index != number for token in other]
            streams.append(
                Stream(
                    number=number,
                    speaker=speaker,
                    tokens=tokens,
                    runs=find_runs(tokens, breaks=_Breaks(others, patterns)),
                    dates=find_dates(tokens),
                    emails=find_emails(tokens),
                    offsets=offsets,
                )
            )
            lines.append(line)
            position += len(line) + 1
        self.text = "\n".join(lines)
        self.streams = tuple(streams)
        self.cues = tuple(
            sorted(
                (cue for stream in streams for cue in find_cues(stream, patterns)), key=lambda cue: cue.end_s
            )
        )
        self._used_at: dict[Cue, float] = {}
        self._expected = self._expect_runs()

    def __repr__(self) -> str:
        return f"Dialogue({len(self.streams)} streams, {len(self.text)} characters)"

    def runs(self) -> Iterator[tuple[Stream, Run]]:
        """All runs with their streams, but for those that are words of a cue ("I D")."""
        for stream in self.streams:
            for run in self.runs_of(stream):
                yield stream, run

    def runs_of(self, stream: Stream) -> Iterator[Run]:
        """The same for one stream."""
        for run in stream.runs:
            if not self._names_a_kind(stream, run):
                yield run

    def _names_a_kind(self, stream: Stream, run: Run) -> bool:
        return run.n_letters == len(run.text) and any(
            cue.stream == stream.number
            and cue.tokens.start <= run.tokens.start
            and run.tokens.stop <= cue.tokens.stop
            for cue in self.cues
        )

    def span(self, place: Place) -> tuple[int, int]:
        """Start and end of a place in `text`."""
        offsets = self.streams[place.stream].offsets
        return offsets[place.tokens.start][0], offsets[place.tokens.stop - 1][1]

    def places(self, start: int, end: int) -> list[Place]:
        """The tokens whose words overlap a stretch of `text`."""
        found: list[Place] = []
        for stream in self.streams:
            hit = [index for index, (a, b) in enumerate(stream.offsets) if a < end and start < b]
            if hit:
                found.append(Place(stream=stream.number, tokens=range(hit[0], hit[-1] + 1)))
        return found

    def expected(self, stream: Stream, tokens: range) -> tuple[str, ...]:
        """Kinds that are expected at a place, the likeliest first; empty when none is."""
        known = self._expected.get((stream.number, tokens.start))
        return known if known is not None else self._expect(stream, tokens)

    def explained_away(self, stream: Stream, tokens: range) -> bool:
        """True when the speaker's own words right before the place name something that is not personal."""
        own = self._own_cues(stream, tokens)
        return bool(own) and own[0].kind == RESET

    def answers(self, kind: str) -> list[Place]:
        """What the other party said when a kind was asked for, up to the asker's next words.

        An agent gives no personal data of their own in an answer; what they read out is found otherwise.
        """
        places: list[Place] = []
        for cue in self.cues:
            if cue.kind == kind and cue.asks:
                places.extend(self._answer(cue))
        return places

    def _answer(self, cue: Cue) -> Iterator[Place]:
        asker = self.streams[cue.stream]
        question_end = asker.tokens[asker.sentence(cue.tokens.stop - 1).stop - 1].end_s
        not_before = min(question_end, cue.end_s + 2.0) - 0.6
        for stream in self.streams:
            if stream is asker or stream.speaker == "agent":
                continue
            first = next((i for i, token in enumerate(stream.tokens) if token.start_s >= not_before), None)
            if first is None or stream.tokens[first].start_s > question_end + _ANSWER_S:
                continue
            begin_s = stream.tokens[first].start_s
            until_s = min(begin_s + _ANSWER_S, _next_words(asker, begin_s, question_end))
            stop = first
            while stop < len(stream.tokens) and stop - first < _ANSWER_TOKENS:
                if stream.tokens[stop].start_s > until_s:
                    break
                stop += 1
            if stop > first:
                yield Place(stream=stream.number, tokens=range(first, stop))

    def _expect_runs(self) -> dict[tuple[int, int], tuple[str, ...]]:
        ordered = sorted(
            ((stream, run) for stream in self.streams for run in stream.runs),
            key=lambda pair: pair[0].tokens[pair[1].tokens.start].start_s,
        )
        return {
            (stream.number, run.tokens.start): self._expect(stream, run.tokens) for stream, run in ordered
        }

    def _expect(self, stream: Stream, tokens: range) -> tuple[str, ...]:
        own = self._own_cues(stream, tokens)
        if own:
            return () if own[0].kind == RESET else _kinds(own)
        pending = self._pending(stream, tokens)
        end_s = stream.tokens[tokens.stop - 1].end_s
        for cue in pending:
            self._used_at[cue] = end_s
        return _kinds(pending)

    def _own_cues(self, stream: Stream, tokens: range) -> list[Cue]:
        """Cues in the speaker's own words right before the place, or right after it."""
        start_s = stream.tokens[tokens.start].start_s
        own = [cue for cue in self.cues if cue.stream == stream.number and cue.kind != KEEP]
        before = [
            cue
            for cue in own
            if 0 <= tokens.start - cue.tokens.stop <= _OWN_REACH_TOKENS
            and start_s - cue.end_s < 6.0
            and not (cue.asks and self._answered(cue, start_s))
        ]
        before.sort(key=lambda cue: cue.tokens.stop, reverse=True)
        asked_since = [
            cue for cue in self.cues if cue.stream != stream.number and cue.asks and before
            and before[0].end_s < cue.end_s < start_s + 0.3 and cue.kind != KEEP
        ]  # fmt: skip
        if before and not asked_since:
            group = [before[0]]
            for cue in before[1:]:
                if group[-1].tokens.start - cue.tokens.stop > 4:
                    break
                group.append(cue)
            return group
        last = stream.tokens[tokens.stop - 1]
        return [
            cue
            for cue in own
            if 0 <= cue.tokens.start - tokens.stop <= _FOLLOWING_REACH_TOKENS
            and cue.kind != RESET
            and not last.ends_sentence
            and re.match(r"(?:is|are|that's|'s|for|on)\b", stream.tokens[tokens.stop].text)
        ]

    def _answered(self, cue: Cue, until_s: float) -> bool:
        """The other party said characters, or more than a back-channel, after a cue."""
        for other in self.streams:
            if other.number == cue.stream:
                continue
            if any(cue.end_s < other.tokens[run.tokens.start].start_s < until_s for run in other.runs):
                return True
            if sum(cue.end_s < token.start_s < until_s for token in other.tokens) >= _ANSWER_LEAST_TOKENS:
                return True
        return False

    def _pending(self, stream: Stream, tokens: range) -> list[Cue]:
        """What was asked for last, by anyone, and is not too long ago."""
        start_s = stream.tokens[tokens.start].start_s
        earlier = [cue for cue in self.cues if self._earlier(cue, stream, tokens, start_s)]
        kept_until = max((cue.end_s for cue in earlier if cue.kind == KEEP), default=0.0)
        earlier = [cue for cue in earlier if cue.kind != KEEP]
        if not earlier or earlier[-1].kind == RESET:
            return []
        latest = earlier[-1]
        if start_s - max(latest.end_s, self._used_at.get(latest, 0.0), kept_until) > _MEMORY_S:
            return []
        if latest.stream == stream.number and not self._reads_back(latest, stream, tokens):
            return []
        group: list[Cue] = []
        for cue in reversed(earlier):
            if cue.kind == RESET or cue.stream != latest.stream:
                break
            if group and not self._same_question(cue, group[-1]):
                break
            group.append(cue)
        return group

    def _same_question(self, first: Cue, second: Cue) -> bool:
        """Two cues of one question, with no answer between them."""
        if second.tokens.start - first.tokens.stop > _SAME_QUESTION_TOKENS:
            return False
        if second.start_s - first.end_s < 0.5:
            return True
        return second.start_s - first.end_s < 4.0 and not any(
            first.end_s < stream.tokens[run.tokens.start].start_s < second.start_s
            for stream in self.streams
            for run in stream.runs
        )

    def _reads_back(self, cue: Cue, stream: Stream, tokens: range) -> bool:
        """The asker repeats the answer: early in a sentence, and like what was answered or long."""
        sentence = stream.sentence(tokens.start)
        in_runs = {index for run in stream.runs for index in run.tokens}
        before = [index for index in range(sentence.start, tokens.start) if index not in in_runs]
        if len(before) > _READ_BACK_TOKENS:
            return False
        if all(stream.tokens[index].text in _READ_BACK_OPENERS for index in before):
            return True
        said = next((run.text for run in stream.runs if run.tokens == tokens), None)
        if said is None or len(said) >= _READ_BACK_CHARS:
            return True
        return any(
            SequenceMatcher(None, said, run.text, autojunk=False).ratio() >= 0.5
            for other in self.streams
            if other is not stream
            for run in other.runs
            if other.tokens[run.tokens.start].start_s > cue.start_s - _OVERLAP_S
        )

    @staticmethod
    def _earlier(cue: Cue, stream: Stream, tokens: range, start_s: float) -> bool:
        if cue.stream == stream.number:
            return cue.tokens.stop <= tokens.start
        return cue.end_s <= start_s + _OVERLAP_S


def _kinds(group: Sequence[Cue]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cue.kind for cue in group if cue.kind != RESET))


def _next_words(asker: Stream, begin_s: float, question_end: float) -> float:
    """When the asker says more than a back-channel after the answer began."""
    for utterance in asker.utterances:
        tokens = [asker.tokens[index] for index in utterance]
        later = [token for token in tokens if token.start_s > max(begin_s + 0.3, question_end + 0.05)]
        content = [token for token in later if token.text not in COURTESY and token.text not in FILLERS]
        if len(later) >= 4 and content:
            return later[0].start_s
    return float("inf")


class _Breaks:
    """Whether what the other party said between two tokens ends a run."""

    def __init__(self, others: Sequence[Token], patterns: Sequence[CuePattern]) -> None:
        self._utterances = [
            [others[index] for index in stretch]
            for stretch in stretches(sorted(others, key=lambda token: token.start_s), pause_s=0.8)
        ]
        self._patterns = list(patterns)

    def __call__(self, first: Token, second: Token) -> bool:
        gap_s = second.start_s - first.end_s
        if gap_s < 0.3:
            return False
        if gap_s > _RUN_PAUSE_S:
            return True
        between = [
            token
            for utterance in self._utterances
            for token in utterance
            if first.end_s - 0.2 <= token.start_s < second.start_s
        ]
        if len(between) > 4:
            return True
        words = " ".join(token.text for token in between)
        return any(pattern.regex.search(words) for pattern in self._patterns)
