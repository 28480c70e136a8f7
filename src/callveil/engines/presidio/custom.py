"""Patterns that a profile adds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from presidio_analyzer import EntityRecognizer
from pydantic import BaseModel, ConfigDict, Field

from callveil.engines.presidio.base import DialogueRecognizer, Hit
from callveil.errors import ConfigError
from callveil.stages.cues import CuePattern, cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.vocabulary.pii import Entity


class CustomPattern(BaseModel):
    """A pattern of the house.

    Attributes:
        name: Shows as the detector in certificates.
        entity: Kind of what it finds.
        regex: Python regular expression; for the form "canonical" it must match a whole run of characters
            ("BE4409217"), for "lexical" it is searched in a sentence's lower-case words.
        form: What the pattern sees.
        context: Words that must have announced it; empty for none.
        score: 0 to 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=60, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    entity: Entity
    regex: str = Field(min_length=1)
    form: Literal["canonical", "lexical"] = "canonical"
    context: tuple[str, ...] = ()
    score: float = Field(default=0.8, ge=0.0, le=1.0)


class CustomRecognizer(DialogueRecognizer):
    """One pattern of the profile as a recogniser."""

    def __init__(self, pattern: CustomPattern) -> None:
        """Check and compile the pattern.

        Raises:
            ConfigError: Its regular expression does not compile.
        """
        try:
            self._regex = re.compile(pattern.regex)
        except re.error as error:
            raise ConfigError(
                f"detector.options.custom: the regex of {pattern.name!r} does not compile: {error.msg}"
            ) from error
        self._pattern = pattern
        self._kind = f"custom:{pattern.name}"
        EntityRecognizer.__init__(self, supported_entities=[pattern.entity.value], name=pattern.name)

    @property
    def entity(self) -> Entity:  # type: ignore[override]
        """Kind of what the pattern finds."""
        return self._pattern.entity

    @property
    def cues(self) -> tuple[CuePattern, ...]:  # type: ignore[override]
        """The context words."""
        return cues(self._kind, *(re.escape(phrase.lower()) for phrase in self._pattern.context))

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Where the pattern matches and the context holds."""
        for stream in dialogue.streams:
            for tokens in self._matches(stream):
                if not self._pattern.context or self._kind in dialogue.expected(stream, tokens):
                    yield Hit(place=Place(stream=stream.number, tokens=tokens), score=self._pattern.score)

    def _matches(self, stream: Stream) -> Iterator[range]:
        if self._pattern.form == "canonical":
            for run in stream.runs:
                if self._regex.fullmatch(run.text):
                    yield run.tokens
            return
        at = 0
        while at < len(stream.tokens):
            sentence = stream.sentence(at)
            words = stream.words(sentence)
            for match in self._regex.finditer(words):
                if match.end() > match.start():
                    first = sentence.start + words[: match.start()].count(" ")
                    yield range(first, sentence.start + words[: match.end()].count(" ") + 1)
            at = sentence.stop
