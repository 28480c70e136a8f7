"""vcon.json: the redacted call as an IETF vCon.

Source: draft-ietf-vcon-vcon-core-04 (2026-09-07) and, for the role of a party,
draft-ietf-vcon-cc-extension-02 (2026-07-01). The parties carry their role and nothing that identifies them.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from callveil.stages.documents.certificate import AudioFacts
from callveil.stages.documents.consent import lawful_basis_attachments
from callveil.stages.documents.forms import indented, seconds, utc
from callveil.vocabulary.call import Call, Party, Role
from callveil.vocabulary.recording import MaskedDocument, Part
from callveil.vocabulary.transcript import MaskedTurn


class VconSyntax(StrEnum):
    """Which text of the draft to write; they differ in the name of the redaction reference."""

    V0_4_0 = "0.4.0"
    """As in core-04: "redacted"."""
    V0_5_0 = "0.5.0"
    """As in the working group's JSON schema after core-04: "redacted_from"."""


_REDACTED = {VconSyntax.V0_4_0: "redacted", VconSyntax.V0_5_0: "redacted_from"}
_ROLES = {
    Role.AGENT: "agent",
    Role.CUSTOMER: "customer",
    Role.SUPERVISOR: "supervisor",
    Role.THIRD_PARTY: "thirdparty",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VconFacts:
    """What a vCon is made of.

    Attributes:
        call: Metadata; identifiers, agent and queue are not written.
        input_sha256: SHA-256 of the original recording file in hex.
        turns: Masked turns, by start.
        audio: The redacted recording.
        audio_sha512: SHA-512 of the redacted audio file in hex; the draft demands this one.
        created_at: When the vCon was made, aware UTC.
        audio_url: Where the redacted audio lies, relative to the vCon.
    """

    call: Call
    input_sha256: str
    turns: Sequence[MaskedTurn]
    audio: AudioFacts
    audio_sha512: str
    created_at: datetime
    audio_url: str = Part.AUDIO.value


def vcon_json(facts: VconFacts, *, syntax: VconSyntax = VconSyntax.V0_4_0) -> MaskedDocument:
    """Write the vCon, unsigned form.

    Args:
        facts: What it is made of.
        syntax: Which text of the draft to follow.
    """
    call = facts.call
    parties = call.parties or _parties_heard(facts.turns)
    document: dict[str, object] = {
        "vcon": syntax.value,
        "uuid": str(vcon_uuid(call, facts.input_sha256)),
        "extensions": ["CC", "lawful_basis"],
        "created_at": utc(facts.created_at),
        # No uuid: the prior version, the original recording, is not available as a vCon.
        _REDACTED[syntax]: {"type": "PII masked"},
        "parties": [{"role": _ROLES[party.role]} if party.role else {} for party in parties],
        "dialog": [
            {
                "type": "recording",
                "start": utc(call.started_at),
                "duration": seconds(facts.audio.duration_s),
                "parties": _parties_by_channel(parties, facts.audio.channels),
                "mediatype": "audio/flac",
                "url": facts.audio_url,
                "content_hash": content_hash(facts.audio_sha512),
            }
        ],
        "analysis": [
            {
                "type": "transcript-redacted",
                "dialog": 0,
                "mediatype": "application/json",
                "vendor": "callveil",
                "encoding": "json",
                "body": [_spoken(turn, call.started_at, parties) for turn in facts.turns],
            }
        ],
        "attachments": lawful_basis_attachments(call, n_parties=len(parties)),
    }
    return MaskedDocument(content=indented(document))


def redaction_of(vcon: Mapping[str, object]) -> Mapping[str, object] | None:
    """The redaction reference of a vCon of either syntax; None when it is not a redacted one."""
    for name in _REDACTED.values():
        reference = vcon.get(name)
        if isinstance(reference, Mapping):
            return reference
    return None


def vcon_uuid(call: Call, input_sha256: str) -> UUID:
    """The same UUID, version 8, for the same call and content.

    The first 48 bits are the start of the call in Unix milliseconds, so that vCons sort by time; the rest is
    hashed from call id and content, where the draft suggests random bits and the host name.

    Args:
        call: The call.
        input_sha256: SHA-256 of the original recording file in hex.
    """
    digest = hashlib.sha256(f"callveil\0{call.call_id}\0{input_sha256}".encode()).digest()
    milliseconds = int(call.started_at.timestamp() * 1000) & ((1 << 48) - 1)
    bits = (milliseconds << 80) | int.from_bytes(digest[:10], "big")
    bits = (bits & ~(0xF << 76)) | (8 << 76)
    bits = (bits & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=bits)


def content_hash(sha512: str) -> str:
    """A vCon "ContentHash": the algorithm, a hyphen and the digest in base64url without padding.

    Args:
        sha512: SHA-512 in hex.
    """
    return "sha512-" + urlsafe_b64encode(bytes.fromhex(sha512)).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Voice:
    """A party that is known only from the recording."""

    role: Role | None
    channel: int | None
    label: str


def _parties_heard(turns: Sequence[MaskedTurn]) -> tuple[_Voice, ...]:
    heard = {turn.speaker: turn.channel for turn in turns}
    roles = {role.value: role for role in Role}
    voices = tuple(
        _Voice(role=roles.get(speaker), channel=channel, label=speaker) for speaker, channel in heard.items()
    )
    return voices or (_Voice(role=None, channel=None, label=""),)


def _parties_by_channel(parties: Sequence[Party | _Voice], channels: int) -> list[object]:
    everyone = list(range(len(parties)))
    if channels == 1:
        return list(everyone)
    # The draft wants one entry per channel; a party without a channel may be on any of them.
    return [[i for i in everyone if parties[i].channel in (None, channel)] for channel in range(channels)]


def _spoken(turn: MaskedTurn, call_start: datetime, parties: Sequence[Party | _Voice]) -> dict[str, object]:
    spoken: dict[str, object] = {
        "start": utc(call_start + timedelta(seconds=seconds(turn.start_s))),
        "duration": seconds(turn.end_s - turn.start_s),
        "text": turn.text,
    }
    speaker = _index_of(turn, parties)
    return spoken if speaker is None else {"parties": speaker, **spoken}


def _index_of(turn: MaskedTurn, parties: Sequence[Party | _Voice]) -> int | None:
    for index, party in enumerate(parties):
        label = party.label if isinstance(party, _Voice) else party.role.value
        if label == turn.speaker and party.channel in (None, turn.channel):
            return index
    on_channel = [i for i, party in enumerate(parties) if party.channel == turn.channel]
    return on_channel[0] if len(on_channel) == 1 else None
