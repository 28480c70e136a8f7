"""OpenID Connect (Core 1.0, Discovery 1.0): who a provider says it is. See `ports.IdentityProvider`.

The protocol is Authlib's, signatures are joserfc's. Only the provider's own word counts: the ID token is
fetched from it with the code, over TLS, and its signature is checked all the same.
"""

from __future__ import annotations

import base64
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from callveil.adapters.oidc_wire import Wire, check_address
from callveil.adapters.webhook import check_url
from callveil.errors import SignatureError, UnavailableError
from callveil.ports import Clock
from callveil.vocabulary.accounts import ExternalIdentity

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384")
"""Of a key pair: with a shared secret ("HS...") or none, whoever has the client secret could vouch."""

_LEEWAY_S = 60
_METADATA_S, _KEYS_S, _NEW_KEYS_S = 3600.0, 3600.0, 30.0
"""How long metadata and keys are kept, and how soon keys are looked for again when one is missing."""

_LONGEST = 255
"""Of a subject, Core 1.0 section 2."""


class OpenIdProvider:
    """One provider.

    Args:
        issuer: URL, as the provider's metadata has it.
        client_id: As it knows this installation.
        client_secret: Goes with it.
        name: What the button says.
        clock: Tells the time.
        monotonic: Seconds, for what is kept for a while.

    Raises:
        ConfigError: The issuer's URL is not https.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        *,
        name: str,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        check_url(issuer, "web.oidc.issuer")
        self._issuer, self._client_id, self._client_secret = issuer, client_id, client_secret
        self._name, self._clock, self._monotonic = name, clock, monotonic
        self._wire, self._lock = Wire(), threading.Lock()
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    @property
    def name(self) -> str:
        """See `IdentityProvider.name`."""
        return self._name

    @property
    def issuer(self) -> str:
        """See `IdentityProvider.issuer`."""
        return self._issuer

    def begin(self, secret: str, return_url: str) -> str:
        """See `IdentityProvider.begin`."""
        endpoint = check_address(self._known()["authorization_endpoint"])
        url, _ = self._client(return_url).create_authorization_url(
            endpoint,
            state=_derived(secret, "state"),
            nonce=_derived(secret, "nonce"),
            code_verifier=_derived(secret, "verifier"),
        )
        return str(url)

    def finish(self, answer: Mapping[str, str], secret: str, return_url: str) -> ExternalIdentity:
        """See `IdentityProvider.finish`."""
        state = answer.get("state", "")
        if not hmac.compare_digest(state.encode("utf-8", "replace"), _derived(secret, "state").encode()):
            raise SignatureError("identity provider: this is no answer to this browser's question")
        if "error" in answer or not (code := answer.get("code", "")):
            raise SignatureError("identity provider: did not vouch for anybody")
        # RFC 9207: an answer of another provider must not be taken for one of this.
        is_named = self._known().get("authorization_response_iss_parameter_supported") is True
        if answer.get("iss", self._issuer) != self._issuer or (is_named and "iss" not in answer):
            raise SignatureError("identity provider: the answer is another provider's")
        tokens = self._tokens(code, _derived(secret, "verifier"), return_url)
        claims = self._claims(tokens, _derived(secret, "nonce"))
        subject = claims["sub"]
        if not (isinstance(subject, str) and 0 < len(subject) <= _LONGEST and subject.isprintable()):
            raise SignatureError("identity provider: sub: allowed: 1 to 255 characters")
        return ExternalIdentity(issuer=self._issuer, subject=subject)

    def _tokens(self, code: str, verifier: str, return_url: str) -> Mapping[str, Any]:
        """What the provider gives for a code."""
        url = check_address(self._known()["token_endpoint"])
        client = self._client(return_url)
        try:
            tokens: Mapping[str, Any] = client.fetch_token(
                url,
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                redirect_uri=return_url,
            )
        except OAuth2Error as error:
            if error.error in ("invalid_client", "unauthorized_client"):
                raise UnavailableError(
                    "identity provider: refuses web.oidc.client_id or its secret"
                ) from None
            raise SignatureError("identity provider: does not take the code") from None
        except (ValueError, TypeError, AttributeError):
            raise UnavailableError("identity provider: answers what is no token") from None
        return tokens

    def _claims(self, tokens: Mapping[str, Any], nonce: str) -> Mapping[str, Any]:
        """What a checked ID token says."""
        text = tokens.get("id_token")
        if not isinstance(text, str):
            raise SignatureError("identity provider: gives no ID token")
        try:
            token = self._decoded(text)
            claims = CodeIDToken(
                token.claims,
                token.header,
                options={
                    "iss": {"essential": True, "values": [self._issuer]},
                    "aud": {"essential": True, "values": [self._client_id]},
                },
                params={
                    "nonce": nonce,
                    "client_id": self._client_id,
                    "access_token": tokens.get("access_token"),
                },
            )
            claims.validate(now=int(self._clock.now().timestamp()), leeway=_LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise SignatureError("identity provider: the ID token does not fit") from None
        checked: Mapping[str, Any] = claims
        return checked

    def _decoded(self, text: str) -> jwt.Token:
        try:
            return jwt.decode(text, self._key_set(), algorithms=list(ALGORITHMS))
        except InvalidKeyIdError:
            # Providers change keys; a made-up one must not make us ask each time.
            return jwt.decode(text, self._key_set(max_age_s=_NEW_KEYS_S), algorithms=list(ALGORITHMS))

    def _client(self, return_url: str) -> OAuth2Client:
        methods = self._known().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        is_basic = not isinstance(methods, list) or "client_secret_basic" in methods
        return OAuth2Client(
            self._wire,
            self._client_id,
            self._client_secret,
            token_endpoint_auth_method="client_secret_basic" if is_basic else "client_secret_post",
            scope="openid",
            redirect_uri=return_url,
            code_challenge_method="S256",
        )

    def _known(self) -> dict[str, Any]:
        """The provider's metadata."""
        with self._lock:
            now = self._monotonic()
            if self._metadata is None or now - self._metadata[0] > _METADATA_S:
                url = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
                found = self._wire.get_json(url)
                if found.get("issuer") != self._issuer:
                    raise UnavailableError("identity provider: its metadata names another issuer")
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    check_address(found.get(name))
                self._metadata = (now, found)
            return self._metadata[1]

    def _key_set(self, max_age_s: float = _KEYS_S) -> KeySet:
        """The provider's public keys."""
        url = self._known()["jwks_uri"]
        with self._lock:
            now = self._monotonic()
            if self._keys is None or now - self._keys[0] > max_age_s:
                found = self._wire.get_json(url).get("keys")
                rows = [each for each in found if _may_sign(each)] if isinstance(found, list) else []
                try:
                    self._keys = (now, KeySet.import_key_set({"keys": rows}))
                except (JoseError, ValueError, TypeError, KeyError):
                    raise UnavailableError("identity provider: its keys cannot be read") from None
            return self._keys[1]


def _may_sign(key: object) -> bool:
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC") and key.get("use", "sig") == "sig"


def _derived(secret: str, label: str) -> str:
    """One of the values that a sign-in is recognised by: 43 characters."""
    digest = hmac.new(secret.encode(), f"oidc {label}".encode(), "sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
