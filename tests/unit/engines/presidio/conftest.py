import re
from collections.abc import Callable

import pytest

from callveil.engines.presidio import RECOGNIZERS
from callveil.engines.presidio.base import DialogueRecognizer
from callveil.engines.presidio.general_cues import GENERAL_CUES
from callveil.stages.dialogue import Dialogue
from callveil.vocabulary.transcript import Turn, Word

PATTERNS = [*GENERAL_CUES, *(cue for kind in RECOGNIZERS for cue in kind.cues)]
WORD_S = 0.35


def turns_of(script: str) -> list[Turn]:
    """Turns of "A: ..." and "C: ..." lines, one word every 0.35 s, 0.4 s between turns; "~" before unsure."""
    turns: list[Turn] = []
    at_s = 0.0
    for line in script.strip().splitlines():
        who, text = line.strip().split(":", 1)
        words = []
        for word in text.replace("[", "").replace("]", "").split():
            words.append(
                Word(
                    text=word.removeprefix("~"),
                    start_s=at_s,
                    end_s=at_s + 0.3,
                    probability=0.3 if word.startswith("~") else 0.9,
                    channel="AC".index(who),
                )
            )
            at_s += WORD_S
        at_s += 0.4
        if words:
            turns.append(
                Turn(
                    speaker={"A": "agent", "C": "customer"}[who], channel="AC".index(who), words=tuple(words)
                )
            )
    return turns


def marked_in(script: str) -> str:
    """The words between square brackets, customer's after the agent's."""
    lines = script.strip().splitlines()
    ordered = [line for who in "AC" for line in lines if line.strip().startswith(f"{who}:")]
    first = next(line.strip()[0] for line in lines)
    if first == "C":
        ordered = [line for who in "CA" for line in lines if line.strip().startswith(f"{who}:")]
    return bare(" ".join(part.strip() for line in ordered for part in re.findall(r"\[([^\]]*)\]", line)))


def bare(text: str) -> str:
    """Without the punctuation after words."""
    return re.sub(r"[.,?!]+(?= |$)", "", text).replace("~", "")


@pytest.fixture
def found() -> Callable[[type[DialogueRecognizer], str], str]:
    def run(kind: type[DialogueRecognizer], script: str) -> str:
        dialogue = Dialogue(turns_of(script), PATTERNS)
        covered: set[tuple[int, int]] = set()
        for hit in kind().hits(dialogue):
            covered.update((hit.place.stream, index) for index in hit.place.tokens if hit.score >= 0.4)
        written = []
        for stream, index in sorted(covered):
            token = dialogue.streams[stream].tokens[index]
            if token.written:
                written.append(token.written)
        return bare(" ".join(written))

    return run


@pytest.fixture
def marked() -> Callable[[str], str]:
    return marked_in


@pytest.fixture
def turns() -> Callable[[str], list[Turn]]:
    return turns_of
