"""The made-up contact centre of test_forgetting.py: 40 subjects, 200 calls, and what must be left of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from callveil_standin.tones import make_call

AGES_DAYS = (20, 100, 250, 500, 900)
"""Each subject called five times, so long ago; no age is near the end of a period."""

QUEUES = ("support", "complaints", "sales")

POLICIES = """
[[policies]]
name = "support"
match = { queues = ["support"] }
keep = { audio = "3 months", transcript = "6 months", certificate = "1 year" }

[[policies]]
name = "complaints"
match = { queues = ["complaints"] }
keep = { audio = "2 years", transcript = "2 years", certificate = "2 years" }

[[policies]]
name = "mifid"
match = { tags = ["mifid"] }
keep = { audio = "5 years", transcript = "5 years", certificate = "5 years" }
duty = { audio = "5 years", transcript = "5 years", certificate = "5 years" }
law = "MiFID II Art. 16(7)"
"""

AUDIO, TRANSCRIPT, CERTIFICATE = "audio", "transcript", "certificate"
ALL = frozenset({AUDIO, TRANSCRIPT, CERTIFICATE})
FILES = {
    AUDIO: ("audio.flac",),
    TRANSCRIPT: ("transcript.json", "transcript.vtt", "vcon.json"),
    CERTIFICATE: ("certificate.json",),
}


@dataclass(frozen=True)
class Told:
    """One call of the story."""

    call_id: str
    subject: int
    queue: str
    age_days: int
    prefix: str

    @property
    def is_duty(self) -> bool:
        """A law demands it."""
        return self.queue == "sales"

    def after_sweep(self) -> frozenset[str]:
        """What retention leaves of it."""
        if self.queue == "support":
            left = {AUDIO: 92, TRANSCRIPT: 184, CERTIFICATE: 366}
            return frozenset(part for part, days in left.items() if self.age_days <= days)
        if self.queue == "complaints":
            return ALL if self.age_days <= 731 else frozenset()
        return ALL

    def files(self, parts: frozenset[str]) -> set[str]:
        """Keys of these parts."""
        return {self.prefix + name for part in parts for name in FILES[part]}


def phone(subject: int) -> str:
    """From the range that Ofcom keeps for drama: 020 7946 0000 to 0999."""
    return f"+4420794600{subject:02}"


def email(subject: int) -> str:
    """Under a domain that RFC 2606 keeps free."""
    return f"subject{subject:02}@story.example"


def write_calls(folder: Path, now: datetime) -> list[Told]:
    """Write 200 recordings with their metadata."""
    folder.mkdir()
    calls = []
    for subject in range(40):
        for number, age_days in enumerate(AGES_DAYS):
            queue = QUEUES[(subject + number) % 3]
            call_id = f"story-{subject:02}-{number}"
            started_at = now - timedelta(days=age_days)
            metadata = {
                "call_id": call_id,
                "started_at": started_at.isoformat(),
                "direction": "inbound",
                "queue": queue,
                "agent": f"agent{subject % 5}",
                "language": "en",
                "tags": ["mifid"] if queue == "sales" else [],
                "parties": [
                    {"role": "agent", "jurisdiction": "GB"},
                    {
                        "role": "customer",
                        "jurisdiction": "GB",
                        "identifiers": {
                            "phone": phone(subject),
                            "email": email(subject),
                            "customer_id": f"C-{7000 + subject}",
                        },
                    },
                ],
                "consent": "granted",
            }
            (folder / f"{call_id}.json").write_text(json.dumps(metadata))
            made = make_call(1000 + 10 * subject + number, seconds=1.2)
            (folder / f"{call_id}.wav").write_bytes(made.content)
            prefix = f"calls/{started_at:%Y/%m/%d}/{call_id}/"
            calls.append(Told(call_id, subject, queue, age_days, prefix))
    return calls
