"""A small OpenID Connect provider over real HTTP: it checks codes, PKCE and secrets, and signs with RS256."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "callveil-test", "client-secret-" + "x" * 32


class TestProvider:
    """Vouches for `subject`. What a test changes (`claims`, `key`, ...) is what it says from then on."""

    __test__ = False

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.subject = "user-17"
        self.claims: dict[str, Any] = {}
        """Put into the ID token; None takes a claim out."""
        self.metadata: dict[str, Any] = {}
        self.answer: dict[str, str | None] = {}
        """Put into what the browser brings back."""
        self.algorithm = "RS256"
        self.token_fields: dict[str, Any] = {}
        self.asked: list[str] = []
        """Paths, in order."""
        self.raw: dict[str, tuple[int, bytes]] = {}
        """Path to status and body that are answered instead."""
        self.new_key()
        self.signing = self.key
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._get(self)

            def do_POST(self) -> None:
                provider._post(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}/tenant"

    def new_key(self) -> None:
        """Publish another key; what is signed is still signed with `signing`."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def sign_in(self, url: str) -> str:
        """What a browser does there: the address it is sent back to."""
        given = dict(parse_qsl(urlsplit(url).query))
        code = secrets.token_urlsafe(16)
        self._codes[code] = given
        back: dict[str, str | None] = {
            "code": code,
            "state": given["state"],
            "iss": self.issuer,
            **self.answer,
        }
        query = urlencode({name: value for name, value in back.items() if value is not None})
        return f"{given['redirect_uri']}?{query}"

    def _get(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        self.asked.append(path)
        if path in self.raw:
            _reply(request, *self.raw[path])
        elif path == "/tenant/.well-known/openid-configuration":
            base = self.issuer
            content = {
                "issuer": base,
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/token",
                "jwks_uri": f"{base}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "authorization_response_iss_parameter_supported": True,
                **self.metadata,
            }
            _reply(request, 200, json.dumps(content).encode())
        elif path == "/tenant/keys":
            keys = [{"kty": "new-kind", "kid": "x"}, self.key.as_dict(private=False)]
            _reply(request, 200, json.dumps({"keys": keys}).encode())
        elif path == "/tenant/authorize":
            request.send_response(303)
            request.send_header("Location", self.sign_in(request.path))
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            _reply(request, 404, b"{}")

    def _post(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        self.asked.append(path)
        body = request.rfile.read(int(request.headers["Content-Length"])).decode()
        if path in self.raw:
            _reply(request, *self.raw[path])
            return
        form = dict(parse_qsl(body))
        _reply(request, *self._token(form, request.headers.get("Authorization")))

    def _token(self, form: dict[str, str], authorization: str | None) -> tuple[int, bytes]:
        given = (form.get("client_id"), form.get("client_secret"))
        if authorization is not None:
            given = tuple(base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":", 1))
        if given != (CLIENT_ID, CLIENT_SECRET):
            return 401, b'{"error": "invalid_client"}'
        asked = self._codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if (
            asked is None
            or form.get("grant_type") != "authorization_code"
            or asked["redirect_uri"] != form.get("redirect_uri")
            or (asked["code_challenge_method"], asked["code_challenge"]) != ("S256", challenge)
        ):
            return 400, b'{"error": "invalid_grant", "error_description": "geheim"}'
        access_token, now = secrets.token_urlsafe(16), int(self.now())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
            "email": "somebody@example.com",
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        tokens = {"access_token": access_token, "token_type": "Bearer", "id_token": self._signed(claims)}
        return 200, json.dumps({**tokens, **self.token_fields}).encode()

    def _signed(self, claims: dict[str, Any]) -> str:
        header = {"alg": self.algorithm, "kid": self.signing.kid}
        if self.algorithm in ("none", "HS256"):
            parts = [json.dumps(part).encode() for part in (header, claims)]
            text = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
            # The classic: the public key, which everybody has, as the shared secret.
            digest = hmac.new(self.key.as_pem(private=False), text.encode(), "sha256").digest()
            signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            return f"{text}.{'' if self.algorithm == 'none' else signature}"
        return jwt.encode(header, claims, self.signing, algorithms=[self.algorithm])


def _reply(request: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
    request.send_response(status)
    if 300 <= status < 400:
        request.send_header("Location", content.decode())
        content = b""
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
