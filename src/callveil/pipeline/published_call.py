"""What is published of a call, read back to be corrected. Only what its certificate proves is believed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from callveil.errors import NotFoundError, StoreError
from callveil.ports import ObjectStore
from callveil.stages.documents.certificate import AudioFacts, EngineUsed
from callveil.stages.documents.check_certificate import check_certificate, check_content
from callveil.stages.documents.transcript import transcript_turns
from callveil.stages.mask_audio import AudioStyle
from callveil.stages.mask_text import TextStyle
from callveil.stages.plan_masks import MaskPlan, OtherChannel
from callveil.vocabulary.consent import Action, ConsentDecision
from callveil.vocabulary.pii import Entity, MaskSpan
from callveil.vocabulary.recording import Part
from callveil.vocabulary.reviews import Stretch
from callveil.vocabulary.transcript import MaskedTurn


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PublishedCall:
    """A published call.

    Attributes:
        document: Its certificate.
        sha256: Of the certificate, in hex.
        audio: Masked audio as FLAC; None when it is not there any more.
        turns: Masked transcript; None when it is not there any more.
        language: ISO 639-1 code.
        audio_sha512: In hex, as the vCon says; empty when there is none.
    """

    document: Mapping[str, Any]
    sha256: str
    audio: bytes | None
    turns: tuple[MaskedTurn, ...] | None
    language: str
    audio_sha512: str = ""

    @property
    def spans(self) -> tuple[MaskSpan, ...]:
        """Its masks."""
        return tuple(
            MaskSpan(**{**span, "entity": Entity(span["entity"])}) for span in self.document["masked_spans"]
        )

    @property
    def missed(self) -> tuple[Stretch, ...]:
        """What reviewers marked, and is masked for that."""
        return self._reviewed("missed")

    @property
    def vouched(self) -> tuple[Stretch, ...]:
        """What reviewers vouched for, and is not masked for that."""
        return self._reviewed("vouched")

    @property
    def corrections(self) -> int:
        """How often it was corrected."""
        return int(self.document.get("reviews", {}).get("corrections", 0))

    @property
    def facts(self) -> AudioFacts:
        """Of its audio."""
        audio = self.document["audio"]
        return AudioFacts(rate_hz=audio["rate_hz"], channels=audio["channels"], n_samples=audio["n_samples"])

    @property
    def decision(self) -> ConsentDecision:
        """What the consent gate had decided."""
        consent = self.document["consent"]
        return ConsentDecision(
            action=Action.KEEP,
            rule=consent["rule"],
            reason=consent["reason"],
            keep_until_s=consent["keep_until_s"],
        )

    @property
    def engines(self) -> tuple[EngineUsed, ...]:
        """Engines that took part."""
        return tuple(EngineUsed(**engine) for engine in self.document["engines"])

    @property
    def styles(self) -> tuple[AudioStyle, TextStyle]:
        """What is heard and read in the place of what is masked."""
        masking = self.document["masking"]
        return AudioStyle(masking["audio_style"]), TextStyle(masking["text_style"])

    @property
    def plan(self) -> MaskPlan:
        """How far its masks reach."""
        masking = self.document["masking"]
        return MaskPlan(
            **{name: masking[name] for name in ("pad_before_s", "pad_after_s", "snap_s", "join_s")},
            other_channel=OtherChannel(masking["other_channel"]),
        )

    def _reviewed(self, name: str) -> tuple[Stretch, ...]:
        found = self.document.get("reviews", {}).get(name, ())
        return tuple(Stretch(**{**one, "entity": Entity(one["entity"])}) for one in found)


def read_published(prefix: str, store: ObjectStore, keys: Mapping[str, bytes]) -> PublishedCall:
    """Read a published call, and check that it is what was published.

    Args:
        prefix: Its folder.
        store: Where it lies.
        keys: Key id to raw public key, of those that are trusted.

    Raises:
        NotFoundError: It is not published.
        StoreError: The store failed, or what lies there is not what its certificate proves: whoever signs it
            anew would vouch for what somebody else put there.
    """
    content = store.get(prefix + Part.CERTIFICATE)
    schema = json.loads((files("callveil") / "schemas" / "certificate.schema.json").read_bytes())
    checked = check_certificate(content, keys, schema)
    if checked.document is None or checked.faults:
        raise StoreError(f"certificate.json is not to be trusted: {checked.faults[0].what}")
    document = checked.document
    bodies = {part: _body(prefix, part, document, store) for part in Part if part is not Part.CERTIFICATE}
    transcript, vcon = bodies[Part.TRANSCRIPT], bodies[Part.VCON]
    try:
        return PublishedCall(
            document=document,
            sha256=hashlib.sha256(content).hexdigest(),
            audio=bodies[Part.AUDIO],
            turns=None if transcript is None else transcript_turns(transcript),
            language="en" if transcript is None else json.loads(transcript)["language"],
            audio_sha512="" if vcon is None else _sha512(json.loads(vcon)),
        )
    except (ValueError, KeyError, TypeError, IndexError):
        pass
    raise StoreError("a published document is not in its format")


def _body(prefix: str, part: Part, document: Mapping[str, Any], store: ObjectStore) -> bytes | None:
    if part.value not in document["outputs"]:
        return None
    with suppress(NotFoundError):
        content = store.get(prefix + part)
        for fault in check_content(document, part.value, content):
            raise StoreError(f"{fault}")
        return content
    return None


def _sha512(vcon: Mapping[str, Any]) -> str:
    text = str(vcon["dialog"][0]["content_hash"]).removeprefix("sha512-")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()
