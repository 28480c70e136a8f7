"""Rampart, a small token classifier (BERT, ONNX), as a Presidio recogniser."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from tokenizers import Tokenizer

from callveil.engines.presidio.base import DialogueArtifacts
from callveil.engines.presidio.name_slots import names_company
from callveil.errors import ModelError
from callveil.stages.spoken_forms.lexicon import COURTESY, FUNCTION_WORDS
from callveil.vocabulary.pii import Entity

_FILES: Final = ("model_q4.onnx", "tokenizer.json", "config.json")
_WINDOW_TOKENS: Final = 192
_OVERLAP_TOKENS: Final = 32
_LEAST: Final = 0.4

_ENTITIES: Final = {
    "GIVEN_NAME": Entity.PERSON,
    "SURNAME": Entity.PERSON,
    "EMAIL": Entity.EMAIL_ADDRESS,
    "BUILDING_NUMBER": Entity.ADDRESS,
    "STREET_NAME": Entity.ADDRESS,
    "SECONDARY_ADDRESS": Entity.ADDRESS,
}
"""Labels that are taken. Its numbers are left to our recognisers, which see spoken digits and what was
asked; its towns and states alone are no personal data."""

_ADDRESS_PARTS: Final = frozenset(
    {"BUILDING_NUMBER", "STREET_NAME", "SECONDARY_ADDRESS", "CITY", "STATE", "ZIP_CODE"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A word piece with its label."""

    start: int
    end: int
    label: str
    score: float


class RampartRecognizer(EntityRecognizer):  # type: ignore[misc]
    """Names, e-mail and street addresses as the classifier sees them in the written text."""

    def __init__(self, folder: Path) -> None:
        """Load the model.

        Args:
            folder: Holds model_q4.onnx, tokenizer.json and config.json.

        Raises:
            ModelError: A file is missing or cannot be loaded.
        """
        for name in _FILES:
            if not (folder / name).is_file():
                raise ModelError(f"rampart: {name} is missing; pull the model again")
        try:
            labels = json.loads((folder / "config.json").read_text())["id2label"]
            self._labels = [labels[str(index)] for index in range(len(labels))]
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 2
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(
                str(folder / "model_q4.onnx"), options, providers=["CPUExecutionProvider"]
            )
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelError("rampart: the model files cannot be loaded; pull the model again") from error
        super().__init__(
            supported_entities=sorted({entity.value for entity in _ENTITIES.values()}), name="rampart"
        )

    def load(self) -> None:
        """Loaded by the constructor."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts) -> list[RecognizerResult]:
        """Presidio's entry."""
        if not isinstance(nlp_artifacts, DialogueArtifacts):
            return []
        results: list[RecognizerResult] = []
        offset = 0
        for line in text.split("\n"):
            for start, end, entity, score in _merge(self._pieces(line), line):
                if entity.value in entities:
                    results.append(RecognizerResult(entity.value, start + offset, end + offset, score))
            offset += len(line) + 1
        return results

    def _pieces(self, line: str) -> list[_Piece]:
        encoded = self._tokenizer.encode(line, add_special_tokens=False)
        ids, offsets = encoded.ids, encoded.offsets
        pieces: list[_Piece] = []
        step = _WINDOW_TOKENS - 2 * _OVERLAP_TOKENS
        for first in range(0, len(ids), step):
            begin, end = max(0, first - _OVERLAP_TOKENS), min(len(ids), first + step + _OVERLAP_TOKENS)
            probabilities = self._classify(ids[begin:end])
            for index in range(first, min(first + step, len(ids))):
                row = probabilities[index - begin]
                best = int(row.argmax())
                label = self._labels[best].split("-", 1)[-1]
                pieces.append(
                    _Piece(
                        start=offsets[index][0], end=offsets[index][1], label=label, score=float(row[best])
                    )
                )
        return pieces

    def _classify(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Probabilities of the labels, one row a token."""
        first, last = self._tokenizer.token_to_id("[CLS]"), self._tokenizer.token_to_id("[SEP]")
        row = np.array([[first, *ids, last]], dtype=np.int64)
        feeds: dict[str, Any] = {
            "input_ids": row,
            "attention_mask": np.ones_like(row),
            "token_type_ids": np.zeros_like(row),
        }
        wanted = {tensor.name for tensor in self._session.get_inputs()}
        logits = self._session.run(None, {name: feeds[name] for name in feeds if name in wanted})[0][0][1:-1]
        exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
        result: NDArray[np.float32] = exponents / exponents.sum(axis=-1, keepdims=True)
        return result


def _merge(pieces: Sequence[_Piece], line: str) -> Iterator[tuple[int, int, Entity, float]]:
    """Join neighbouring pieces of one entity; towns and codes count only beside a street."""
    group: list[_Piece] = []
    for piece in [*pieces, _Piece(start=len(line) + 9, end=len(line) + 9, label="O", score=1.0)]:
        family = _family(piece.label) if piece.score >= _LEAST else None
        touches = bool(group) and line[group[-1].end : piece.start].strip(" ,'-.") == ""
        if group and (family is not _family(group[0].label) or not touches):
            yield from _found(group, line)
            group = []
        if family is not None:
            group.append(piece)
    return


def _family(label: str) -> Entity | None:
    return Entity.ADDRESS if label in _ADDRESS_PARTS else _ENTITIES.get(label)


def _found(group: Sequence[_Piece], line: str) -> Iterator[tuple[int, int, Entity, float]]:
    entity = _family(group[0].label)
    start, end = group[0].start, group[-1].end
    labels = {piece.label for piece in group}
    if entity is None or (entity is Entity.ADDRESS and "STREET_NAME" not in labels):
        return
    if entity is Entity.ADDRESS and labels <= {"STREET_NAME"}:
        return
    words = line[start:end].lower().split()
    if entity is Entity.PERSON and all(word.strip(".,?!'") in COURTESY | FUNCTION_WORDS for word in words):
        return
    if entity is Entity.PERSON and len(words) > 1 and names_company(line[start:end]):
        return
    score = sum(piece.score for piece in group) / len(group)
    yield start, end, entity, round(min(score, 0.99) * 0.9, 3)
