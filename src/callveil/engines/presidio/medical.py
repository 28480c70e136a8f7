"""Health: conditions, treatments and medicines: special categories of GDPR Art. 9."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from callveil.engines.presidio.base import (
    DialogueRecognizer,
    Hit,
    content,
    has_content,
    sentences,
)
from callveil.engines.presidio.name_slots import heard_at, not_name
from callveil.stages.cues import CuePattern, cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms import Token
from callveil.stages.spoken_forms.lexicon import words
from callveil.vocabulary.pii import Entity

_CONDITIONS = words(
    "diabetes diabetic asthma asthmatic arthritis cancer leukemia leukaemia tumour tumor epilepsy "
    "epileptic migraine depression anxiety bipolar schizophrenia dementia alzheimer's parkinson's crohn's "
    "hypertension cholesterol stroke pneumonia bronchitis copd eczema psoriasis anaemia anemia hepatitis "
    "hiv aids pregnant pregnancy miscarriage obesity insomnia adhd autism autistic infection ulcer hernia "
    "fracture angina insulin chemotherapy chemo dialysis antibiotics antidepressants inhaler transplant "
    "warfarin paracetamol ibuprofen aspirin codeine morphine steroids steroid biopsy lupus gout thyroid "
    "endometriosis fibromyalgia sclerosis seizure glaucoma cataract coeliac celiac shingles measles mumps "
    "chickenpox covid sciatica vertigo tinnitus emphysema jaundice pleurisy sepsis thrombosis eyesight "
    "incontinence menopause ptsd ocd tuberculosis malaria meningitis scoliosis concussion embolism "
    "aneurysm palpitation ibs ibd mnd als"
)
"""Common names of illnesses and medicines."""
_ENDINGS = re.compile(
    r"\w{2,}(?:itis|osis|emia|aemia|oma|algia|opathy|ectomy|oscopy|uria|plegia|plasia|orrh?age|orrhoea|orrhea|"
    r"pril|olol|statin|mycin|cillin|azole|formin|prazole|sartan|dipine|oxetine|azepam|profen|thyroxine|codone|"
    r"gabalin|pentin|ciclovir|cyclovir|triptan|parin|gliptin|floxacin|cycline|apine|trigine|setron|lukast|"
    r"terol|solone|sone|dronate|tidine|zumab|ximab|tinib)"
)
_NO_ENDINGS = words("person reason season mason lesson diploma aroma coma margarine comparin")
"""Words that end alike."""
_BODY = (
    r"(?:heart|kidney|liver|lung|brain|nerve|back|chest|hip|knee|shoulder|neck|stomach|bowel|bladder|skin|"
    r"eye|ear|foot|leg|arm|ankle|wrist|spine|spinal|joint|muscle|cruciate|prostate|breast|throat|head|"
    r"tooth|blood|lymph)"
)
_PHRASES = re.compile(
    r"(?:high|low) blood (?:pressure|sugar)|blood (?:pressure|sugar)(?: \w+){0,6}|"
    rf"{_BODY} (?:attack|failure|disease|condition|murmur|stones?|clots?|thinners?|pains?|aches?|trouble|"
    r"problems?|ligament|injury|surgery|operation|replacement|transplant|bypass|complaint)|"
    r"chicken pox|motor neurone(?: disease)?|brain damage|learning (?:disability|difficulties)|"
    r"type (?:one|two|1|2)(?: diabetes)?|"
    r"(?:broken|fractured) (?:leg|arm|hip|wrist|ankle|rib)s?|mental health|panic attacks?|"
    r"(?:partially|registered) (?:blind|deaf|sighted)"
)
_SLOT = re.compile(
    r"\b(?:diagnosed with|suffer(?:s|ed|ing)? (?:from|with)|"
    r"(?P<allergy>(?:an )?(?:allergic|allergy|allergies|intolerant) to)|"
    r"treat(?:ed|ment) for|prescribed(?: me| him| her)?|recovering from|died (?:of|from)|signed off with|"
    r"(?:got|put|started) (?:me|him|her) on|an? (?:attack|bout|flare up|touch|course) of|(?:he's|she's|i'm) "
    r"(?:off|on) (?:the|my|his|her)|symptoms of|operation on)(?: (?:a|an|the|my|his|her|some|bit|of)){0,3}\b"
)
"""What follows these is an illness or a medicine, however it was heard."""
_TAKEN_FOR = re.compile(
    r"\b(?:take|takes|taking|on|using) (?!(?:a|an|the|it|my|that|this|care|part)\b)(\w+(?: \w+){0,3}) "
    r"for (?:my|the|his|her) (\w+(?: \w+)?)"
)
"""A medicine and what it is against."""
_UNNAMED = words("anything something nothing everything it that this them cash card phone time help")
_MOST_ANSWERED = 10
_DOSE = words("milligrams milligram mg micrograms mcg ml")
_BEFORE = words(
    "type one two 1 2 rheumatoid chronic acute severe high low blood gestational breast lung prostate "
    "bowel skin multiple ulcerative celiac coeliac borderline vascular brain small mild small"
)


class MedicalRecognizer(DialogueRecognizer):
    """Conditions and medicines by word and ending, with the words that qualify them."""

    entity: ClassVar[Entity] = Entity.MEDICAL
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"(?:medical|health|medical or health) (?:conditions?|history|issues?|problems?|needs|information)|"
        r"any (?:conditions|allergies|symptoms|medication|medications|medicines|disabilities|illnesses)|"
        r"allergic to (?:anything|any \w+)|medication|dietary (?:requirements|needs)|diagnosis|"
        r"(?:reason for|nature of) (?:the|your) (?:absence|sickness|illness|visit)|cause of death|"
        r"(?:taking|take|on) anything(?: for (?:it|that))?|how (?:did|has) (?:he|she|they) (?:die|died)",
    )

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Conditions, medicines with their dose, and phrases."""
        for stream in dialogue.streams:
            for index, token in enumerate(stream.tokens):
                if _is_medical(token):
                    yield Hit(place=Place(stream=stream.number, tokens=_qualified(stream, index)), score=0.7)
            yield from _phrases(stream)
            yield from _doses(stream)
            for tokens in _slots(stream):
                yield Hit(place=Place(stream=stream.number, tokens=tokens), score=0.55)
        for place in dialogue.answers(self.entity.value):
            stream = dialogue.streams[place.stream]
            for tokens in _answered(stream, place.tokens):
                yield Hit(place=Place(stream=stream.number, tokens=tokens), score=0.55)


def _is_medical(token: Token) -> bool:
    known = token.text in _CONDITIONS or token.text.removesuffix("s") in _CONDITIONS - {"aids"}
    ending = _ENDINGS.fullmatch(token.text) and token.text not in _NO_ENDINGS
    return known or bool(ending) or (token.upper and token.text == "ms")


def _slots(stream: Stream) -> Iterator[range]:
    """What follows "diagnosed with", and both sides of "I take ... for my ..."."""
    for sentence in stream.sentences():
        words_said = stream.words(sentence)
        for match in _SLOT.finditer(words_said):
            start = sentence.start + words_said[: match.end()].count(" ") + 1
            heard = heard_at(stream, start) if start < sentence.stop else None
            if heard and stream.tokens[start].text not in _UNNAMED:
                named = sentence.start + words_said[: match.start()].count(" ")
                yield range(named if match["allergy"] else heard.start, heard.stop)
        for match in _TAKEN_FOR.finditer(words_said):
            first = sentence.start + words_said[: match.start(1)].count(" ")
            last = sentence.start + words_said[: match.end(2)].count(" ")
            # "On Sundays the number for the office" is no medicine.
            if stream.tokens[first].text not in _UNNAMED and not not_name(stream.tokens[first]):
                yield range(first, last + 1)


def _answered(stream: Stream, tokens: range) -> Iterator[range]:
    """The content of an answer to a question about health, until it evades or asks back."""
    for sentence in sentences(stream, tokens):
        if "?" in stream.tokens[sentence.stop - 1].trail:
            return
        inside = content(stream, sentence)
        if inside and len(inside) <= _MOST_ANSWERED:
            yield inside


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
