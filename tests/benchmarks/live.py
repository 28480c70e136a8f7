"""From hang-up to published: live calls over AudioHook, through the whole service, at their own speed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
import websockets

API_KEY, SECRET = "bench", b"a client secret only for this run"
ORGANIZATION = "d7934305-0972-4844-938e-9060eef73d05"
FRAME_S = 0.2
READY_S, PUBLISHED_S = 120.0, 900.0


def measure_live(
    calls: Sequence[Path], at_once: int, profile: str, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Stream calls at the speed they were spoken and wait until each is published.

    Args:
        calls: Two-channel recordings; they are sent as mu-law at 8 kHz.
        at_once: How many go on at a time.
        profile: Of Callveil.
        tell: Told the progress.
    """
    with TemporaryDirectory(prefix="callveil-bench-") as folder:
        environment = dict(os.environ) | {
            "CALLVEIL_AUDIOHOOK_KEYS": f"{API_KEY} {base64.b64encode(SECRET).decode()}"
        }
        command = [
            sys.executable,
            "-m",
            "callveil",
            "dev",
            "--data",
            folder,
            "--port",
            "0",
            "--profile",
            profile,
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as service:
            try:
                assert service.stdout is not None
                url = service.stdout.readline().split()[1]
                rows = asyncio.run(_all(url, calls, at_once, tell))
            finally:
                service.send_signal(signal.SIGTERM)
                service.wait(30)
    waits = sorted(row["published_after_s"] for row in rows)
    return {
        "at_once": at_once,
        "rows": rows,
        "p50_s": round(statistics.median(waits), 1),
        "p95_s": waits[max(0, -(-len(waits) * 95 // 100) - 1)],
    }


async def _all(
    url: str, calls: Sequence[Path], at_once: int, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    room = asyncio.Semaphore(at_once)

    async def one(path: Path) -> dict[str, Any]:
        async with room:
            row = await _call(url, path)
        waited = row["published_after_s"]
        tell(f"live: {path.stem}, {row['duration_s']:.0f} s, published {waited} s after hang-up")
        return row

    return list(await asyncio.gather(*(one(path) for path in calls)))


async def _call(url: str, path: Path) -> dict[str, Any]:
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate_hz == 8000
    data = mu_law(samples).tobytes()
    conversation, session = str(uuid.uuid4()), str(uuid.uuid4())
    host = url.removeprefix("http://")
    headers = signed(host, "/v1/audiohook", session)
    async with websockets.connect(f"ws://{host}/v1/audiohook", additional_headers=headers) as socket:
        client = _Client(socket, session)
        await client.open(conversation)
        size, began = int(FRAME_S * 8000) * 2, time.monotonic()
        for number, at in enumerate(range(0, len(data), size)):
            await socket.send(data[at : at + size])
            client.samples += len(data[at : at + size]) // 2
            await asyncio.sleep(max(0.0, began + (number + 1) * FRAME_S - time.monotonic()))
        hung_up = time.monotonic()
        await client.close()
    state = await _published(url, conversation)
    return {
        "call": path.stem,
        "duration_s": round(len(samples) / 8000, 1),
        "published_after_s": round(time.monotonic() - hung_up, 1),
        "state": state,
    }


async def _published(url: str, call_id: str) -> str:
    end = time.monotonic() + PUBLISHED_S
    while time.monotonic() < end:
        state = await asyncio.to_thread(_state, f"{url}/v1/calls/{call_id}")
        if state in ("published", "quarantined", "failed", "discarded"):
            return state
        await asyncio.sleep(0.25)
    return "late"


def _state(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:
        state: str = json.load(answer)["state"]
    return state


class _Client:
    """The client's side of AudioHook v2."""

    def __init__(self, socket: Any, session: str) -> None:
        self._socket, self._session, self._seq, self._server_seq = socket, session, 0, 0
        self.samples = 0

    async def open(self, conversation: str) -> None:
        media = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
        await self._say(
            "open",
            organizationId=ORGANIZATION,
            conversationId=conversation,
            participant={"id": str(uuid.uuid4()), "ani": "", "aniName": "", "dnis": ""},
            media=[media],
            language="en-US",
            customConfig={"consent": "granted"},
        )
        assert await self._hear() == "opened"

    async def close(self) -> None:
        await self._say("close", reason="end")
        assert await self._hear() == "closed"

    async def _say(self, kind: str, **parameters: Any) -> None:
        self._seq += 1
        message = {
            "version": "2",
            "id": self._session,
            "type": kind,
            "seq": self._seq,
            "serverseq": self._server_seq,
            "position": f"PT{self.samples / 8000}S",
            "parameters": parameters,
        }
        await self._socket.send(json.dumps(message))

    async def _hear(self) -> str:
        message = json.loads(await asyncio.wait_for(self._socket.recv(), 30))
        self._server_seq = message["seq"]
        kind: str = message["type"]
        return kind


def signed(host: str, target: str, session: str) -> dict[str, str]:
    """Headers of an upgrade request, signed as AudioHook does (HTTP message signature, hmac-sha256)."""
    created = int(time.time())
    headers = {
        "audiohook-organization-id": ORGANIZATION,
        "audiohook-session-id": session,
        "audiohook-correlation-id": str(uuid.uuid4()),
        "x-api-key": API_KEY,
    }
    names = ("@request-target", "@authority", *headers)
    covered = "(" + " ".join(f'"{name}"' for name in names) + ")"
    covered += f';keyid="{API_KEY}";nonce="{secrets.token_urlsafe(24)}";alg="hmac-sha256"'
    covered += f";created={created};expires={created + 10}"
    values = {**headers, "@request-target": target, "@authority": host}
    base = "\n".join([*(f'"{name}": {values[name]}' for name in names), f'"@signature-params": {covered}'])
    signature = base64.b64encode(hmac.new(SECRET, base.encode(), hashlib.sha256).digest()).decode()
    return {**headers, "signature-input": f"sig1={covered}", "signature": f"sig1=:{signature}:"}


def mu_law(samples: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """ITU-T G.711 mu-law of samples between -1 and 1."""
    whole = np.clip(np.rint(samples * 32768), -32635, 32635).astype(np.int32)
    size = np.abs(whole) + 132
    exponent = np.floor(np.log2(size)).astype(np.int32) - 7
    mantissa = (size >> (exponent + 3)) & 0x0F
    code = np.where(whole < 0, 0x80, 0) | (exponent << 4) | mantissa
    return (~code & 0xFF).astype(np.uint8)
