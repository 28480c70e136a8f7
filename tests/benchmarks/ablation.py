"""What each means of detection is worth: the same calls with one means switched off at a time.

A call is heard once, and what was heard is kept in memory while it is scored with each switch; means that
change what is heard are measured on fewer calls, each heard again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from groups import slim
from quality import figures

from callveil.config import load_config
from callveil.kit import Kit, build_kit
from callveil.pipeline.evaluate import CallScore, LabelledCall, evaluate_calls
from callveil.pipeline.listen import Heard, listen
from callveil.stages import dialogue
from callveil.stages.cues import Cue
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms import Run, SpokenDate, Token, find_dates, find_emails, find_runs
from callveil.stages.stretches import Piece, Window
from callveil.vocabulary.audio import Audio, ChannelSpeech, Span

ALL_ON = "all on but verify"
VERIFY = "verify on as well"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One means switched off. To add one, add it to `SWITCHES`.

    Attributes:
        name: What is off, as in the table.
        patches: Dotted name of what is replaced while a call is scored, and what takes its place.
        kit: Changes what the call is processed with.
        heard: Changes what was heard.
        transcriber: Options of the profile's transcriber that differ; calls are heard again.
        hears_again: The call must be heard again for another reason.
    """

    name: str
    patches: Mapping[str, Any] = field(default_factory=dict)
    kit: Callable[[Kit], Kit] = lambda kit: kit
    heard: Callable[[Heard], Heard] = lambda heard: heard
    transcriber: Mapping[str, Any] = field(default_factory=dict)
    hears_again: bool = False

    @property
    def is_heard_again(self) -> bool:
        """Whether this needs the recogniser once more."""
        return self.hears_again or bool(self.transcriber)


def measure_ablation(
    calls: Sequence[LabelledCall],
    fewer: Sequence[LabelledCall],
    profile: str,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Score the calls with everything on, and with each switch.

    Args:
        calls: Heard once each.
        fewer: Those of them that are also heard again.
        profile: Of Callveil.
        tell: Told the progress.
    """
    scores: dict[str, list[CallScore]] = {}
    with TemporaryDirectory(prefix="callveil-bench-") as store:
        kits = {switch.name: _kit(switch, profile, store) for switch in _again() if switch.transcriber}
        plain = build_kit(load_config(profile), store)
        for number, call in enumerate(calls):
            with _heard_once() as kept:
                for switch in [Switch(name=ALL_ON), *_once()]:
                    kept.alter = switch.heard
                    scores.setdefault(switch.name, []).append(_score(call, plain, switch))
            if call in fewer:
                for switch in _again():
                    kit = kits.get(switch.name, plain)
                    scores.setdefault(switch.name, []).append(_score(call, kit, switch))
            tell(f"ablation: {number + 1} of {len(calls)} calls")
    heard_again = {switch.name for switch in _again()}
    return {
        "all_on": slim(figures(calls, scores[ALL_ON])),
        "all_on_fewer": slim(figures(fewer, scores[ALL_ON])),
        "off": [
            {
                "switch": name,
                "heard_again": name in heard_again,
                **slim(figures(fewer if name in heard_again else calls, found)),
            }
            for name, found in scores.items()
            if name != ALL_ON
        ],
    }


def _once() -> list[Switch]:
    return [switch for switch in SWITCHES if not switch.is_heard_again]


def _again() -> list[Switch]:
    return [switch for switch in SWITCHES if switch.is_heard_again]


def _kit(switch: Switch, profile: str, store: str) -> Kit:
    config = load_config(profile)
    transcriber = config.profile.transcriber
    options = {**transcriber.options, **switch.transcriber}
    changed = config.profile.model_copy(
        update={"transcriber": transcriber.model_copy(update={"options": options})}
    )
    return build_kit(replace(config, profile=changed), store)


def _score(call: LabelledCall, kit: Kit, switch: Switch) -> CallScore:
    with ExitStack() as stack:
        patches = switch.patches if switch.name == VERIFY else {**VERIFY_OFF, **switch.patches}
        for target, replacement in patches.items():
            stack.enter_context(patch(target, replacement))
        (score,) = evaluate_calls([call], switch.kit(kit), mono=False, on_call=lambda _: None)
    return score


class _Kept:
    """Stands for `listen`: hears at the first time, and remembers."""

    def __init__(self) -> None:
        self.alter: Callable[[Heard], Heard] = lambda heard: heard
        self._heard: Heard | None = None

    def __call__(self, *arguments: Any, **options: Any) -> Heard:
        if self._heard is None:
            self._heard = listen(*arguments, **options)
        return self.alter(self._heard)


@contextmanager
def _heard_once() -> Iterator[_Kept]:
    kept = _Kept()
    with patch("callveil.pipeline.evaluate.listen", kept):
        yield kept


def _masking(**changes: Any) -> Callable[[Kit], Kit]:
    def change(kit: Kit) -> Kit:
        masking = kit.profile.masking.model_copy(update=changes)
        return replace(kit, profile=kit.profile.model_copy(update={"masking": masking}))

    return change


def _no_answers(self: Dialogue, kind: str) -> list[Place]:
    return []


def _no_pending(self: Dialogue, stream: Stream, tokens: range) -> list[Cue]:
    return []


_own_cues = Dialogue._own_cues


def _cues_of_the_turn(self: Dialogue, stream: Stream, tokens: range) -> list[Cue]:
    turn = stream.tokens[tokens.start].turn
    return [cue for cue in _own_cues(self, stream, tokens) if stream.tokens[cue.tokens.start].turn == turn]


def _written_runs(tokens: Sequence[Token], *, breaks: Callable[[Token, Token], bool]) -> tuple[Run, ...]:
    return tuple(run for run in find_runs(tokens, breaks=breaks) if _has_digit(tokens, run.tokens))


def _written_dates(tokens: Sequence[Token]) -> tuple[SpokenDate, ...]:
    return tuple(date for date in find_dates(tokens) if _has_digit(tokens, date.tokens))


def _written_emails(tokens: Sequence[Token]) -> tuple[range, ...]:
    return tuple(
        place for place in find_emails(tokens) if any("@" in tokens[index].written for index in place)
    )


def _has_digit(tokens: Sequence[Token], place: range) -> bool:
    return any(char.isdigit() for index in place for char in tokens[index].text)


def _whole_channels(stretch: Audio, speech: Sequence[ChannelSpeech]) -> Iterator[Window]:
    """In place of `pack_windows`: the channels as they are, silence and crosstalk included."""
    whole = Span(start_s=stretch.start_s, end_s=stretch.end_s)
    for own in speech:
        audio = Audio(samples=stretch.samples[:, [own.channel]], rate_hz=stretch.rate_hz)
        yield Window(audio=audio, pieces=(Piece(channel=own.channel, span=whole),), starts_s=(0.0,))


_DIALOGUE = f"{dialogue.__name__}.Dialogue"
_WRITTEN_ONLY: Mapping[str, Any] = {
    f"{dialogue.__name__}.find_runs": _written_runs,
    f"{dialogue.__name__}.find_dates": _written_dates,
    f"{dialogue.__name__}.find_emails": _written_emails,
}
_PRESIDIO = "callveil.engines.presidio"

_REDACT = "callveil.pipeline.redact"

VERIFY_OFF: Mapping[str, Any] = {f"{_REDACT}._SecondHearing.hear": lambda self, audio, spans: ()}
"""Every other switch is measured on what the first recogniser heard alone: with verify on, a second chance
would hide what a means is worth, and each row would take as long as all of them do now."""

SWITCHES = (
    Switch(name=VERIFY),
    Switch(
        name="unheard speech",
        patches={f"{_REDACT}.unheard_speech": lambda words, speech, quiet: ()},
    ),
    Switch(
        name="unsure words beside a found value",
        patches={"callveil.stages.find_pii._spread": lambda dialogue, place: place},
    ),
    Switch(
        name="answers taken for suspect where words are unsure",
        patches={
            f"{_PRESIDIO}.{name}.garbled": lambda stream, tokens: False
            for name in ("base", "person", "email")
        },
    ),
    Switch(
        name="masks up to the next pause or word", patches={"callveil.stages.plan_masks._MOST_SOUND_S": 0.0}
    ),
    Switch(name="answers to questions", patches={f"{_DIALOGUE}.answers": _no_answers}),
    Switch(
        name="expectations from other turns",
        patches={f"{_DIALOGUE}._pending": _no_pending, f"{_DIALOGUE}._own_cues": _cues_of_the_turn},
    ),
    Switch(
        name="repeats of found values",
        patches={"callveil.stages.find_pii._repeats": lambda dialogue, found: iter(())},
    ),
    Switch(name="spoken forms", patches=_WRITTEN_ONLY),
    Switch(
        name="name models (Rampart, spaCy)",
        patches={
            f"{_PRESIDIO}.rampart.RampartRecognizer.analyze": lambda *_, **__: [],
            f"{_PRESIDIO}.person._spacy_score": lambda text: 0.0,
        },
    ),
    Switch(name="padding and snapping", kit=_masking(pad_before_s=0.0, pad_after_s=0.0, snap_s=0.0)),
    Switch(name="crosstalk masks", kit=_masking(other_channel="never")),
    Switch(name="keypad tones", heard=lambda heard: replace(heard, tones=())),
    Switch(name="numbers heard in words", transcriber={"numerals": "written"}),
    Switch(
        name="numbers heard in words, and spoken forms",
        transcriber={"numerals": "written"},
        patches=_WRITTEN_ONLY,
    ),
    Switch(
        name="packing of speech into windows",
        patches={"callveil.pipeline.listen.pack_windows": _whole_channels},
        hears_again=True,
    ),
)
