"""Health: conditions, treatments and medicines: special categories of GDPR Art. 9."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from callveil.engines.presidio.base import DialogueRecognizer, Hit, has_content
from callveil.stages.cues import CuePattern
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms.lexicon import words
from callveil.vocabulary.pii import Entity

_CONDITIONS = words(
    "diabetes diabetic asthma arthritis cancer leukemia leukaemia tumour tumor epilepsy migraine "
    "migraines depression anxiety bipolar schizophrenia dementia alzheimer's parkinson's hypertension "
    "cholesterol stroke pneumonia bronchitis copd eczema psoriasis anaemia anemia hepatitis hiv aids "
    "pregnant pregnancy miscarriage obesity insomnia adhd autism autistic allergy allergies allergic "
    "infection ulcer hernia fracture angina insulin chemotherapy dialysis antibiotics antidepressants "
    "inhaler surgery transplant warfarin paracetamol ibuprofen aspirin codeine morphine steroids steroid "
    "biopsy lupus gout thyroid endometriosis fibromyalgia sclerosis seizures "
    "seizure glaucoma cataract cataracts"
)
_ENDINGS = re.compile(
    r"\w{2,}(?:itis|osis|emia|aemia|oma|algia|opathy|ectomy|oscopy|uria|pril|olol|statin|mycin|"
    r"cillin|azole|formin|"
    r"prazole|sartan|dipine|oxetine|azepam|profen|thyroxine|codone|gabalin)"
)
_PHRASES = re.compile(
    r"(?:high|low) blood (?:pressure|sugar)|blood (?:pressure|sugar)(?: \w+){0,6}|"
    r"heart (?:attack|failure|disease|condition)|"
    r"kidney (?:disease|failure|stones?)|liver (?:disease|failure)|type (?:one|two|1|2)(?: diabetes)?|"
    r"(?:broken|fractured) (?:leg|arm|hip|wrist|ankle|rib)s?|mental health|panic attacks?|"
    r"back pain|chest pains?"
)
_DOSE = words("milligrams milligram mg micrograms mcg ml")
_BEFORE = words(
    "type one two 1 2 rheumatoid chronic acute severe high low blood gestational breast lung prostate "
    "bowel skin multiple ulcerative celiac"
)


class MedicalRecognizer(DialogueRecognizer):
    """Conditions and medicines by word and ending, with the words that qualify them."""

    entity: ClassVar[Entity] = Entity.MEDICAL
    cues: ClassVar[tuple[CuePattern, ...]] = ()

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Conditions, medicines with their dose, and phrases."""
        for stream in dialogue.streams:
            for index, token in enumerate(stream.tokens):
                if token.text in _CONDITIONS or _ENDINGS.fullmatch(token.text):
                    yield Hit(place=Place(stream=stream.number, tokens=_qualified(stream, index)), score=0.7)
            yield from _phrases(stream)
            yield from _doses(stream)


def _qualified(stream: Stream, at: int) -> range:
    start, stop = at, at + 1
    while start > 0 and stream.tokens[start - 1].text in _BEFORE:
        start -= 1
    for index in range(at + 1, min(at + 6, len(stream.tokens))):
        if stream.tokens[index].text in _DOSE:
            stop = index + 1
    return range(start, stop)


def _doses(stream: Stream) -> Iterator[Hit]:
    """A number of milligrams, with the two words before it: the medicine, however it was heard."""
    for run in stream.runs:
        if run.tokens.stop < len(stream.tokens) and stream.tokens[run.tokens.stop].text in _DOSE:
            start = run.tokens.start
            while start > 0 and run.tokens.start - start < 2 and has_content(stream, start - 1):
                start -= 1
            yield Hit(place=Place(stream=stream.number, tokens=range(start, run.tokens.stop + 1)), score=0.6)


def _phrases(stream: Stream) -> Iterator[Hit]:
    for sentence in stream.sentences():
        words = stream.words(sentence)
        for match in _PHRASES.finditer(words):
            first = sentence.start + words[: match.start()].count(" ")
            last = sentence.start + words[: match.end()].count(" ")
            yield Hit(place=Place(stream=stream.number, tokens=range(first, last + 1)), score=0.6)
