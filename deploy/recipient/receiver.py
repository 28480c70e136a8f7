"""An example of a recipient: it takes Callveil's notices, checks them, and forgets calls. Python only.

    CALLVEIL_SECRET_FILE=secret.txt python receiver.py 8099 told.json

What a recipient has to do stands in FORMATS.md, "Notice to a recipient". This one writes down what it was
told; where it says `forget`, a real one deletes its copies. Put TLS in front of it: Callveil speaks https to
all but loopback addresses.
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

MOST_BYTES = 1 << 20
WINDOW_S = 300


class Receiver(ThreadingHTTPServer):
    """Keeps what it was told in a file, by the id of the notice."""

    def __init__(self, port: int, secret: bytes, file: Path) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.secret, self.file, self.lock = secret, file, Lock()

    def take(self, notice: dict) -> str:
        """Do what a notice says, once; the same notice again has the same receipt."""
        with self.lock:
            told = json.loads(self.file.read_text()) if self.file.exists() else {}
            if notice["notice_id"] not in told:
                forget(notice["event"], notice["call_ids"])
                told[notice["notice_id"]] = notice
                draft = self.file.with_suffix(".draft")
                draft.write_text(json.dumps(told, indent=2))
                draft.replace(self.file)
        return f"done-{notice['notice_id']}"


def forget(event: str, call_ids: list[str]) -> None:
    """Delete all copies of these calls ("erasure"), or see to it that nobody uses them ("restriction")."""


class Handler(BaseHTTPRequestHandler):
    """One notice."""

    server: Receiver

    def do_POST(self) -> None:
        """Check who sends it and that nothing was changed, then take it."""
        n_bytes = int(self.headers.get("Content-Length", 0))
        if not 0 < n_bytes <= MOST_BYTES:
            self.answer(413, {})
            return
        body = self.rfile.read(n_bytes)
        if not self.is_signed(body):
            self.answer(401, {})
            return
        try:
            notice = json.loads(body)
        except ValueError:
            self.answer(400, {})
            return
        self.answer(200, {"receipt": self.server.take(notice)})

    def is_signed(self, body: bytes) -> bool:
        """By our secret, for this path, over this body, about now."""
        timestamp = self.headers.get("X-Callveil-Timestamp", "")
        if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > WINDOW_S:
            return False
        message = f"{timestamp}.{self.path}.{hashlib.sha256(body).hexdigest()}"
        expected = hmac.new(self.server.secret, message.encode(), "sha256").hexdigest()
        return hmac.compare_digest(expected, self.headers.get("X-Callveil-Signature", ""))

    def answer(self, status: int, content: dict) -> None:
        """JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: call ids do not belong into an access log."""


if __name__ == "__main__":
    secret = Path(os.environ["CALLVEIL_SECRET_FILE"]).read_text().strip().encode()
    Receiver(int(sys.argv[1]), secret, Path(sys.argv[2])).serve_forever()
