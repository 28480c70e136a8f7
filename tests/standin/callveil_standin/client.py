"""A client as an integrator would write one: signs, and tries again with the same idempotency key."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from callveil.web.signatures import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign

_BOUNDARY = "callveil-standin-boundary"
_AGAIN = {401, 429, 500, 502, 503}
"""401: the server's clock may jump. 500 is tried again as any client would, but it is told."""


def push_body(metadata: dict[str, Any], audio: bytes) -> bytes:
    """A push's body."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="metadata"\r\n'
    middle = f'\r\n--{_BOUNDARY}\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n'
    return b"".join(
        (
            head.encode() + b"Content-Type: application/json\r\n\r\n" + json.dumps(metadata).encode(),
            middle.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + audio,
            f"\r\n--{_BOUNDARY}--\r\n".encode(),
        )
    )


@dataclass
class Answer:
    """Of the server; status 0 when the connection broke."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)


class Client:
    """One connection, opened anew when it broke; for one thread.

    Args:
        port: Of the API on this machine.
        secret: Of the ingest key "test".
    """

    def __init__(self, port: int, secret: str, timeout_s: float = 40.0) -> None:
        self._port, self._secret, self._timeout_s = port, secret, timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self.statuses: list[int] = []

    def push(self, metadata: dict[str, Any], audio: bytes, key: str) -> Answer:
        """Push once."""
        kind = f"multipart/form-data; boundary={_BOUNDARY}"
        headers = {"Content-Type": kind, "Idempotency-Key": key}
        return self.request("POST", "/v1/calls", push_body(metadata, audio), headers)

    def consent(self, call_id: str, flag: str) -> Answer:
        """Send an answer once."""
        body = json.dumps({"consent": flag}).encode()
        headers = {"Content-Type": "application/json"}
        return self.request("PATCH", f"/v1/calls/{call_id}/consent", body, headers)

    def status(self, call_id: str, *, clock_off_s: float | None = None) -> Answer:
        """Where a call stands; unsigned, unless a clock is to be tried."""
        headers = {} if clock_off_s is None else self._signature(b"", clock_off_s)
        return self._send("GET", f"/v1/calls/{call_id}", b"", headers)

    def request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        answer = self._send(method, path, body, {**headers, **self._signature(body)})
        self.statuses.append(answer.status)
        return answer

    def until_answered(self, once: Callable[[], Answer], end: float) -> Answer:
        """Try again until there is an answer that will not change, or time is up."""
        while True:
            answer = once()
            if (answer.status and answer.status not in _AGAIN) or time.monotonic() > end:
                return answer
            time.sleep(random.uniform(0.1, 0.6))

    def drip(self, metadata: dict[str, Any], audio: bytes, key: str, pause_s: float) -> int:
        """Begin a push and send it so slowly that it does not end; returns the bytes sent when it broke."""
        body = push_body(metadata, audio)
        kind = f"multipart/form-data; boundary={_BOUNDARY}"
        head = {"Host": "x", "Content-Type": kind, "Idempotency-Key": key, "Content-Length": str(len(body))}
        head |= self._signature(body)
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        n_sent = 0
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=10) as link:
                link.sendall(f"POST /v1/calls HTTP/1.1\r\n{lines}\r\n".encode())
                while n_sent < len(body) // 2:
                    link.sendall(body[n_sent : n_sent + 512])
                    n_sent += 512
                    time.sleep(pause_s)
                link.settimeout(30)
                if link.recv(1):
                    return 0  # an answer: it did not break
        except OSError:
            pass
        return n_sent

    def _signature(self, body: bytes, off_s: float = 0.0) -> dict[str, str]:
        timestamp = str(int(time.time() + off_s))
        signature = sign(self._secret, timestamp, hashlib.sha256(body).hexdigest())
        return {KEY_HEADER: "test", TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: signature}

    def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    "127.0.0.1", self._port, timeout=self._timeout_s
                )
            self._connection.request(method, path, body=body, headers=headers)
            response = self._connection.getresponse()
            content = response.read()
            return Answer(response.status, json.loads(content) if content else {})
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return Answer(0)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
