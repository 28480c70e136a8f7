"""A person is erased from the running service; afterwards no byte of it is anywhere: broker and logs too."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PHONE, EMAIL, CUSTOMER = "+442079460123", "ada.erasable@story.example", "K-778213"


@pytest.fixture
def standin(standin_path: str) -> Any:
    """The stand-in package."""
    import callveil_standin.client
    import callveil_standin.system
    import callveil_standin.tones

    return callveil_standin


def metadata(call_id: str, **changes: Any) -> dict[str, Any]:
    person = {"phone": PHONE, "email": EMAIL, "customer_id": CUSTOMER}
    parties = [{"role": "agent"}, {"role": "customer", "jurisdiction": "GB", "identifiers": person}]
    return {"call_id": call_id, "queue": "support", "parties": parties, "consent": "granted", **changes}


def until(condition: Any, seconds: float, system: Any) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        system.wait(0.2)
    return False


def test_nobody_finds_a_byte(tmp_path: Path, standin: Any) -> None:
    system = standin.system.System(tmp_path, settings={"reconcile_every_s": 0.5})
    closing = contextlib.ExitStack()
    system.start()
    try:
        client = closing.enter_context(contextlib.closing(standin.client.Client(system.port, system.secret)))
        made = {f"erased-{n}": standin.tones.make_call(n) for n in range(3)}
        for call_id, call in made.items():
            assert client.push(metadata(call_id), call.content, call_id).status == 201
        # A dead letter, a call that waits for consent, one that was refused, and somebody else's.
        other = {"queue": "another", "parties": []}
        broken = standin.tones.make_call(6).content[:64] + b"no audio at all" * 50
        assert client.push(metadata("erased-broken"), broken, "b").status == 201
        waiting = metadata("erased-held", consent="unknown")
        assert client.push(waiting, standin.tones.make_call(7).content, "h").status == 201
        denied = metadata("erased-denied", consent="denied")
        assert client.push(denied, standin.tones.make_call(8).content, "d").status == 201
        stays = standin.tones.make_call(9).content
        assert client.push(metadata("stays", **other), stays, "s").status == 201
        ends = {
            **dict.fromkeys([*made, "stays"], "published"),
            "erased-broken": "failed",
            "erased-held": "held",
            "erased-denied": "discarded",
        }

        def rests() -> bool:
            return all(client.status(one).body.get("state") == state for one, state in ends.items())

        assert until(rests, 90, system), {one: client.status(one).body for one in ends}
        published = [
            path
            for path in Path(system.store).rglob("*")
            if path.is_file() and any(part.startswith("erased-") for part in path.parts)
        ]
        needles = [path.read_bytes()[200:264] for path in published if path.name == "audio.flac"]
        assert len(needles) == 3
        needles += [call.needle for call in made.values()] + [b"no audio at all"]

        asked = ("--data", str(system.data), "--profile", str(system.profile), "--json")
        told = system.callveil("subject", "erase", "--email", EMAIL.upper(), "--yes", *asked)
        assert told.returncode == 0, told.stderr[-1500:]
        document = json.loads(told.stdout)
        assert {item["call_id"]: item["state"] for item in document["calls"]} == dict.fromkeys(
            [call_id for call_id in ends if call_id != "stays"], "done"
        )
        assert document["state"] == "done"
        again = client.push(metadata("erased-0"), made["erased-0"].content, "a-second-time")
        assert again.status == 409
        assert until(lambda: client.status("erased-0").body["state"] == "erased", 5, system)
        proof = system.callveil("subject", "verify-erasure", document["proof"], *asked)
        assert proof.returncode == 0, proof.stdout + proof.stderr
    finally:
        closing.close()
        system.stop()
    # Names of queues are the centre's own words: the ledger keeps those that policies look at.
    words = [PHONE, PHONE[1:], EMAIL, EMAIL.upper(), CUSTOMER, standin.tones.MARKER_WORD]
    for path in tmp_path.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not [word for word in words if word.encode() in content], path
        assert not [number for number, needle in enumerate(needles) if needle in content], path
    assert [path for path in Path(system.store).rglob("audio.flac")]
    left = {
        path.parent.name for path in Path(system.store).rglob("*") if path.is_file() and "erased" in str(path)
    }
    assert left == set()
